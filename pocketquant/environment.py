"""Settings from the environment and `.env`, checked all at once: each fault says which variable and how to write it."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# Every variable we read; tests hold this, `.env.example` and settings.py together.
KNOWN = frozenset(
    {
        "ALLOWED_HOSTS",
        "BEHIND_TLS_PROXY",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_URL",
        "DEBUG",
        "DEMO_MARKET_PORT",
        "DEMO_MARKET_URL",
        "DEMO_REQUESTS_PER_MINUTE",
        "DEMO_WINDOW_BARS",
        "LOG_LEVEL",
        "MONGODB_DATABASE",
        "MONGODB_URI",
        "POCKETQUANT_ENV_FILE",
        "POCKETQUANT_HOST",
        "POCKETQUANT_PORT",
        "POCKETQUANT_VAR",
        "REDIS_URL",
        "SECRET_KEY",
        "TRADINGVIEW_REQUESTS_PER_MINUTE",
        "TRADINGVIEW_SEARCH_URL",
        "TRADINGVIEW_TOKEN",
        "TRADINGVIEW_URL",
        "TRADINGVIEW_WINDOW_BARS",
    }
)
_OWN_PREFIX = "POCKETQUANT_"
# Read by tests and tools, not by the settings.
_ELSEWHERE = frozenset({"POCKETQUANT_SHARED"})
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_ENGINES = {"django.db.backends.sqlite3", "django.db.backends.postgresql"}
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", re.MULTILINE)


class Environment:
    """Reads variables and collects what is wrong with them; ``check`` raises once for all."""

    def __init__(self, values: Mapping[str, str], *, ours: Iterable[str] = ()) -> None:
        """``ours`` are names written in a file of this project, where each must be known."""
        self._values = values
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._look_for_strangers(set(ours))

    @classmethod
    def load(cls, file: Path) -> Environment:
        """The process's environment, and ``file`` where it is silent."""
        if not file.is_file():
            return cls(os.environ)
        environ.Env.read_env(file)
        return cls(os.environ, ours=_ASSIGNMENT.findall(file.read_text(encoding="utf-8")))

    def _look_for_strangers(self, ours: set[str]) -> None:
        for name in sorted(set(self._values) - KNOWN - _ELSEWHERE):
            near = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.8)
            meant = f"; did you mean {near[0]}?" if near else f". Known: {', '.join(sorted(KNOWN))}"
            if name in ours or name.startswith(_OWN_PREFIX):
                self.problems.append(f"{name} is not a setting{meant}")
            elif near and near[0] not in self._values:
                # Another program may mean something by it, so this is no error.
                self.warnings.append(f"{name} is set but not a setting of ours{meant}")

    def given(self, name: str) -> bool:
        return bool(self._values.get(name, "").strip())

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, "").strip() or default

    def one_of(self, name: str, default: str, choices: Iterable[str]) -> str:
        choices = list(choices)
        value = self.text(name, default).upper()
        if value not in choices:
            self.problems.append(f"{name}={value} must be one of {', '.join(choices)}")
            return default
        return value

    def names(self, name: str, default: list[str]) -> list[str]:
        """A list separated by commas."""
        return [part.strip() for part in self.text(name).split(",") if part.strip()] or default

    def flag(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in _TRUE | _FALSE:
            self.problems.append(f"{name}={value} must be true or false")
        return value in _TRUE

    def port(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
            self.problems.append(f"{name}={value} must be a port from 1 to 65535")
            return default
        return int(value)

    def count(self, name: str, default: int) -> int:
        """A whole number above 0."""
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 1_000_000_000):
            self.problems.append(f"{name}={value} must be a whole number from 1 to 1000000000")
            return default
        return int(value)

    def url(self, name: str, default: str, schemes: Iterable[str]) -> str:
        """An address; its password never enters a message."""
        value = self.text(name, default)
        schemes = list(schemes)
        try:
            parts = urlsplit(value)
            port = parts.port if parts.scheme not in ("unix", "mongodb", "mongodb+srv") else None
        except ValueError as error:
            self.problems.append(f"{name} is not a URL: {error}")
            return default
        if parts.scheme not in schemes or not (parts.netloc or parts.path.startswith("/")) or port == 0:
            self.problems.append(f"{name} must be a URL that begins with {' or '.join(s + '://' for s in schemes)}")
            return default
        return value

    def redis(self, name: str, default: str) -> str:
        value = self.url(name, default, ("redis", "rediss", "unix"))
        parts = urlsplit(value)
        if parts.scheme != "unix" and parts.path.strip("/"):
            self.problems.append(f"{name} must not end in a database number: databases 0, 1 and 2 are all used")
        if parts.query:
            self.problems.append(f"{name} must not hold options after a question mark")
        return value.rstrip("/")

    def database(self, name: str, default: dict[str, Any]) -> dict[str, Any]:
        """Django's description of the SQL database at a URL."""
        if not self.given(name):
            return default
        example = "sqlite:////path/to/file or postgres://user:password@host:5432/name"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of unknown schemes, with the password
                parsed = dict(environ.Env.db_url_config(self.text(name)))
        except (ValueError, ImproperlyConfigured, KeyError):
            parsed = {}
        if parsed.get("ENGINE") not in _ENGINES or not parsed.get("NAME") or parsed["NAME"] == ":memory:":
            self.problems.append(f"{name} must be like {example}")
            return default
        return parsed

    def check(self) -> None:
        """Raises ImproperlyConfigured that names everything wrong."""
        if self.problems:
            lines = "\n".join(f"  - {problem}" for problem in self.problems)
            raise ImproperlyConfigured(f"These settings are wrong (environment or .env):\n{lines}")
