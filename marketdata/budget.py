"""How many requests a minute all our processes together may make of a provider.

Counted in Redis. While that is away each process has its share of the budget, by the number of workers. Requests of
bulk syncs leave a part of it alone, so that healing finds something left.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import cast

import structlog
from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter
from redis import ConnectionPool
from redis.exceptions import RedisError

BULK_SHARE = 0.8
_LOOK_AGAIN_SECONDS = 5.0
_SOCKET_SECONDS = 1.0
_WORD = {True: "bulk", False: "all"}

log = structlog.get_logger(__name__)


class Budget:
    """One a process; safe to use from several threads. ``per_minute`` is by provider; one that is absent is free."""

    def __init__(
        self,
        per_minute: dict[str, int],
        *,
        redis_url: str,
        processes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._share = 1 / max(processes, 1)
        self._monotonic = monotonic
        pool = ConnectionPool.from_url(
            redis_url, socket_timeout=_SOCKET_SECONDS, socket_connect_timeout=_SOCKET_SECONDS
        )
        self._common = MovingWindowRateLimiter(RedisStorage(redis_url, connection_pool=pool, key_prefix="budget"))
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._look_again_at = -math.inf
        self._lock = threading.Lock()

    def take(self, provider: str, requests: int, *, is_bulk: bool) -> float:
        """Take what ``requests`` cost: 0.0, or, nothing being taken, after how many seconds to ask again.

        More requests than a minute allows cost a whole minute.
        """
        if provider not in self._per_minute:
            return 0.0
        with self._lock:
            if self._monotonic() >= self._look_again_at:
                try:
                    return self._take(self._common, 1.0, provider, requests, is_bulk)
                except RedisError as error:
                    self._look_again_at = self._monotonic() + _LOOK_AGAIN_SECONDS
                    log.warning("budget_without_redis", provider=provider, reason=str(error)[:200])
            return self._take(self._own, self._share, provider, requests, is_bulk)

    def _take(self, limiter: RateLimiter, share: float, provider: str, requests: int, is_bulk: bool) -> float:
        asked = [(False, self._limit(provider, share))]
        if is_bulk:
            asked.append((True, self._limit(provider, share * BULK_SHARE)))
        for is_bulk_part, limit in asked:
            cost = min(requests, limit.amount)
            if not limiter.test(limit, _WORD[is_bulk_part], provider, cost=cost):
                return self._wait(limiter, limit, _WORD[is_bulk_part], provider)
        for is_bulk_part, limit in asked:
            # Another process may have been faster; then we are over by one request, and the next one waits.
            limiter.hit(limit, _WORD[is_bulk_part], provider, cost=min(requests, limit.amount))
        return 0.0

    def _limit(self, provider: str, share: float) -> RateLimitItemPerMinute:
        return RateLimitItemPerMinute(max(1, int(self._per_minute[provider] * share)))

    def _wait(self, limiter: RateLimiter, limit: RateLimitItemPerMinute, word: str, provider: str) -> float:
        """Until the oldest request leaves the window; time.time() is what the library counts in."""
        reset = limiter.get_window_stats(limit, word, provider).reset_time
        return min(max(reset - time.time(), 0.05), 60.0)


_budget: Budget | None = None


def budget() -> Budget:
    """This process's, from the settings."""
    global _budget
    if _budget is None:
        _budget = Budget(
            settings.REQUESTS_PER_MINUTE,
            redis_url=settings.REDIS_URL,
            processes=cast(int, settings.Q_CLUSTER["workers"]),
        )
    return _budget
