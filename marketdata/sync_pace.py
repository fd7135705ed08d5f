"""How many series at once a provider is asked for, and when not at all: learned from its answers.

More, one at a time, while all goes well; half as many when it limits us; a pause when it does not answer.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from domain.errors import ProviderUnavailable
from marketdata.models import ProviderPace

MOST_AT_ONCE = 8
_FIRST_PAUSE, _LAST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)


class Pace:
    """A provider's pace as one chunk of work sees it. In SQL, so that all processes learn together."""

    def __init__(self, provider: str, now: datetime) -> None:
        self.provider = provider
        self._answers = self._silences = 0
        self._limited: ProviderUnavailable | None = None
        self._last: ProviderUnavailable | None = None
        self.look(now)

    def look(self, now: datetime) -> None:
        """See what the other processes have learned."""
        row, _ = ProviderPace.objects.get_or_create(provider=self.provider)
        self.concurrency, self._failures = row.concurrency, row.failures
        self.paused_until = row.paused_until if row.paused_until and row.paused_until > now else None

    @property
    def at_once(self) -> int:
        """How many series may be asked for now. After silence it is one, to see whether the provider is back."""
        if self.paused_until or self._limited:
            return 0
        return 1 if self._failures and not self._answers else self.concurrency

    def answered(self) -> None:
        self._answers += 1

    def refused(self, error: ProviderUnavailable, now: datetime) -> None:
        """No answer, or one that asks us to be slower; that is told to the others at once."""
        self._silences += 1
        self._last = error
        if error.retry_after_seconds is not None:
            self._limited = error
            self._pause(now, timedelta(seconds=error.retry_after_seconds), error)
        elif not self._answers:
            self._pause(now, min(_LAST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10)), error)

    def learn(self) -> None:
        """At the end of a chunk: all went well, so a little more next time."""
        if not self._answers or self._limited:
            return
        more = min(self.concurrency + (not self._silences), MOST_AT_ONCE)
        if (more, self._failures) != (self.concurrency, 0):
            row = ProviderPace.objects.filter(provider=self.provider)
            row.update(concurrency=more, failures=0, paused_until=None, reason="")

    def _pause(self, now: datetime, length: timedelta, error: ProviderUnavailable) -> None:
        if self.paused_until:  # another of this chunk's series has met the same
            return
        self.paused_until = now + length
        self.concurrency = max(1, self.concurrency // 2)
        ProviderPace.objects.filter(provider=self.provider).update(
            concurrency=self.concurrency,
            paused_until=self.paused_until,
            is_limited=error.retry_after_seconds is not None,
            failures=self._failures + 1,
            reason=str(error)[:300],
        )


def heard_of(providers: Collection[str], now: datetime) -> None:
    """They are there again: what is left of a pause that we made ourselves is over, one series is to show it."""
    silent = ProviderPace.objects.filter(provider__in=providers, paused_until__gt=now, is_limited=False)
    silent.update(paused_until=now)


def silent_providers() -> set[str]:
    """Those that did not answer, or limited us, when they were asked last: paused, or to be tried with one series."""
    return set(ProviderPace.objects.filter(failures__gt=0).values_list("provider", flat=True))


def paused_providers(now: datetime) -> set[str]:
    return set(ProviderPace.objects.filter(paused_until__gt=now).values_list("provider", flat=True))
