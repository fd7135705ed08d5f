"""The one exception tree. A class tells its catcher what to do.

::

    PocketQuantError
    ├── InvalidRequest                  the caller's mistake: 400
    │   ├── UnsupportedInterval
    │   ├── UnknownCalendar
    │   └── NaiveTime
    ├── UnknownSymbol                   404
    ├── UnreadableFile                  a recording with a broken line; names file and line
    ├── Conflict                        not in this state, or not twice: 409
    ├── StoreUnavailable                a store does not answer: 503, retried
    │   ├── LeaseLost                   somebody else writes this series now
    │   └── SeriesBusy                  other writers were faster each time: this series only
    └── ProviderError                   theirs: 502
        ├── ProviderUnavailable         retried
        ├── ProviderRejected            not retried: asking again gives the same answer
        └── ProtocolError               unreadable: logged whole
"""


class PocketQuantError(Exception):
    """Base of everything this project raises on purpose."""


class InvalidRequest(PocketQuantError):
    """The caller's mistake; the message says what is wrong and how to write it right."""


class UnsupportedInterval(InvalidRequest):
    """Not one of the 13 intervals, or one that this provider cannot serve."""


class UnknownCalendar(InvalidRequest):
    """No calendar of this name, or the calendar says nothing about this moment."""


class NaiveTime(InvalidRequest):
    """A time without a zone."""


class UnknownSymbol(PocketQuantError):
    """No such symbol here or at the provider."""


class UnreadableFile(PocketQuantError):
    """A file with a line that cannot be understood; the message names the file and the line."""


class Conflict(PocketQuantError):
    """What is asked does not fit the state of things: they have ended, or the same key was used for something else."""


class StoreUnavailable(PocketQuantError):
    """A database does not answer; what was asked may be asked again."""


class LeaseLost(StoreUnavailable):
    """Another process holds the lease on this series by now; what was to be written is left to it."""


class SeriesBusy(StoreUnavailable):
    """Another writer holds this series; the store and other series are fine.

    A writer that was killed holds what it had begun until MongoDB ends its transaction: 10 to 15 s where MongoDB is
    the embedded one, a minute or more by default elsewhere.
    """


class ProviderError(PocketQuantError):
    """Something went wrong at a provider."""


class ProviderUnavailable(ProviderError):
    """The provider does not answer or limits us; worth trying again later.

    ``retry_after_seconds`` is what the provider asked for, if it did.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ProviderRejected(ProviderError):
    """The provider understood and said no; trying again would get the same answer."""


class ProtocolError(ProviderError):
    """What arrived does not follow the provider's protocol."""
