"""Ending asyncio tasks for sure."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel until every task is done, and mark their exceptions as seen.

    Once is not enough: redis-py turns a cancellation that meets it while it connects into an error of its own, and
    a loop that lives through errors would go on.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)
    for task in tasks:
        if not task.cancelled():
            task.exception()
