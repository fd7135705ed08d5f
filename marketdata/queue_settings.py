"""Whether the job queue is set so that no task runs twice while it runs, and none is lost for long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from marketdata.sync_times import CHUNK_SECONDS, PATIENCE_SECONDS


def check_queue(settings: Mapping[str, Any]) -> None:
    """Raises ImproperlyConfigured that says all that is wrong with ``Q_CLUSTER``."""
    timeout, retry = settings.get("timeout"), settings.get("retry", 60)
    longest = CHUNK_SECONDS + PATIENCE_SECONDS
    problems = []
    if not timeout or timeout <= longest:
        problems.append(f"timeout {timeout} must be longer than a chunk may take, {longest:g} s")
    elif retry <= timeout:
        problems.append(f"retry {retry} must be longer than timeout {timeout}: a running task would be started twice")
    if settings.get("catch_up", True):
        problems.append("catch_up must be off: after a pause every missed schedule would run at once")
    if not settings.get("ack_failures"):
        problems.append("ack_failures must be on: a task that failed would come back again and again")
    if problems:
        raise ImproperlyConfigured("Q_CLUSTER: " + "; ".join(problems))
