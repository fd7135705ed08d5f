"""One log line, one event: JSON in files, readable on a terminal, with the request's id and without secrets."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any

# structlog offers helpers for Twisted if it can import them: 75 ms in each process for nothing that we use.
sys.modules.setdefault("structlog.twisted", None)  # type: ignore[arg-type] # None is how an import is refused
import structlog  # noqa: E402 - see above
from structlog.typing import EventDict, Processor  # noqa: E402 - see above

_SIGN_IN_LINK = re.compile(r"(/signin/)[\w.~%-]{16,}")
_URL_PASSWORD = re.compile(r"(://[^/\s:@'\"]*:)[^/\s@'\"]+@")
_SECRET_KEY = re.compile(r"token|secret|password|passwd|authorization|cookie|session_?id", re.IGNORECASE)
_HIDDEN = "[hidden]"
_secrets: list[str] = []


def hide(values: Iterable[str]) -> None:
    """These texts never enter a log from now on."""
    _secrets[:] = sorted({value for value in values if len(value) >= 4}, key=len, reverse=True)


def without_secrets(text: str) -> str:
    """A finished line without secrets, whoever wrote it: ours, Django's, a library's, a traceback's."""
    for secret in _secrets:
        text = text.replace(secret, _HIDDEN)
    text = _SIGN_IN_LINK.sub(rf"\1{_HIDDEN}", text)
    return _URL_PASSWORD.sub(rf"\1{_HIDDEN}@", text)


def hide_secret_fields(_: Any, __: str, event: EventDict) -> EventDict:
    """A field whose name says that it is secret is hidden without a look at its value."""
    for key in event:
        if _SECRET_KEY.search(key):
            event[key] = _HIDDEN
    return event


class Formatter(structlog.stdlib.ProcessorFormatter):
    """structlog's, with secrets taken out of the finished line."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secret_fields,
    ]


def _formatter() -> Formatter:
    terminal = sys.stderr.isatty()
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    # Lines of Django, daphne and django-q2 pass through the same steps as ours.
    return Formatter(foreign_pre_chain=_shared(), processors=[remove, *last])


def configuration(level: str) -> dict[str, Any]:
    """For Django's LOGGING; also sets structlog up and sends uncaught exceptions to the log."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # Each failed request is one `request_finished` or `request_failed` already.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.channels.server": {"level": "WARNING"},
            "django-q": {"level": "WARNING"},  # a line for each task otherwise; what tasks did is in SQL
            "daphne": {"level": "WARNING"},
            "asyncio": {"level": "WARNING"},
            "websockets": {"level": "WARNING"},
        },
    }


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """As ``sys.excepthook``: the last words of a process are a line of its log too."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("pocketquant").critical("uncaught exception", exc_info=(kind, error, trace))
