"""The audit trail while SQL is slow, away or being left: each event is written once, or counted as dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError

from quotes.audit import AuditTrail
from quotes.models import FeedEvent


class SlowThread:
    """Writes when it is let, and fails while ``is_away``."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.is_away = False
        self.may_write, self.is_asked = asyncio.Event(), asyncio.Event()

    async def run(self, _: Callable[..., Any], events: list[FeedEvent]) -> None:
        self.is_asked.set()
        task = asyncio.create_task(self._write(events))
        await asyncio.shield(task)  # as a thread does, it goes on whoever waits for it

    async def _write(self, events: list[FeedEvent]) -> None:
        await self.may_write.wait()
        if self.is_away:
            raise DatabaseError("away")
        self.written += [event.reason for event in events]


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("quotes.audit._MOST_WAITING", 5)
    return 5


def note(trail: AuditTrail, *numbers: int) -> None:
    for number in numbers:
        trail.note("gap", reason=str(number))


async def test_what_is_noted_while_a_full_trail_is_being_written_is_not_lost(most: int) -> None:
    thread = SlowThread()
    trail = AuditTrail(thread)  # type: ignore[arg-type]  # it is asked for nothing else
    note(trail, *range(most))
    flushing = asyncio.create_task(trail.flush())
    await thread.is_asked.wait()
    note(trail, 5, 6)
    thread.may_write.set()
    await flushing
    await trail.flush()
    assert thread.written == ["0", "1", "2", "3", "4", "5", "6"]
    assert trail.dropped == 0


async def test_a_cancelled_write_goes_on_and_is_not_repeated() -> None:
    thread = SlowThread()
    trail = AuditTrail(thread)  # type: ignore[arg-type]  # it is asked for nothing else
    note(trail, 0, 1)
    flushing = asyncio.create_task(trail.flush())
    await thread.is_asked.wait()
    flushing.cancel()
    await asyncio.wait([flushing])
    note(trail, 2)
    thread.may_write.set()
    await trail.flush()
    assert thread.written == ["0", "1", "2"]


async def test_while_sql_is_away_the_newest_wait_and_the_others_are_counted(most: int) -> None:
    thread = SlowThread()
    trail = AuditTrail(thread)  # type: ignore[arg-type]  # it is asked for nothing else
    note(trail, 0, 1, 2)
    thread.is_away = True
    flushing = asyncio.create_task(trail.flush())
    await thread.is_asked.wait()
    note(trail, 3, 4, 5)
    thread.may_write.set()
    await flushing
    assert trail.dropped == 1
    thread.is_away = False
    await trail.flush()
    assert thread.written == ["1", "2", "3", "4", "5"]
