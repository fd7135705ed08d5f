"""Rendered answers in Redis, database 1: for a while, within a bound, and never stale, since their key names the data.

Without Redis every answer is made anew; a Redis that fails or hangs is left alone for some seconds.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import OrderedDict
from typing import cast

import redis
import structlog
from django.conf import settings

SECONDS = 300
MOST_BYTES = 32 * 1024 * 1024  # of all pages together
MOST_OWN_BYTES = 8 * 1024 * 1024  # in each process
MOST_PAGE_BYTES = 1024 * 1024
_SOCKET_SECONDS = 0.3
_LEFT_ALONE_SECONDS = 5.0
# The braces keep all keys on one node of a cluster, as a script needs them.
_PREFIX = "{bars}:"
_ORDER, _TOTAL = f"{_PREFIX}order", f"{_PREFIX}total"

# Keep a page and let go of the oldest ones beyond the bound. What has expired by itself is taken off the books first.
_KEEP = """
local page, order, total = KEYS[1], KEYS[2], KEYS[3]
local now, seconds, bound = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function drop(member)
    redis.call('ZREM', order, member)
    redis.call('DEL', string.match(member, ' (.*)$'))
    redis.call('DECRBY', total, string.match(member, '^%d+'))
end
if redis.call('EXISTS', total) == 0 then  -- a server short of memory may have let go of it
    for _, member in ipairs(redis.call('ZRANGE', order, 0, -1)) do
        redis.call('INCRBY', total, string.match(member, '^%d+'))
    end
end
redis.call('SET', page, ARGV[1], 'EX', seconds)
if redis.call('ZADD', order, ARGV[2], #ARGV[1] .. ' ' .. page) == 1 then
    redis.call('INCRBY', total, #ARGV[1])
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', now - seconds)) do
    drop(member)
end
while tonumber(redis.call('GET', total)) > bound do
    drop(redis.call('ZRANGE', order, 0, 0)[1])
end
redis.call('EXPIRE', order, seconds)
redis.call('EXPIRE', total, seconds)
"""

log = structlog.get_logger(__name__)


class Pages:
    """The cache as one process uses it; safe to use from several threads.

    The pages it saw last it also holds itself, up to ``MOST_OWN_BYTES``: a name stands for the same bytes for ever.
    """

    def __init__(self, url: str, *, most_bytes: int = MOST_BYTES) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=_SOCKET_SECONDS, socket_connect_timeout=_SOCKET_SECONDS, retry=None
        )
        self._most_bytes = most_bytes
        self._keep = self._client.register_script(_KEEP)
        self._left_alone_until = 0.0
        self._own: OrderedDict[str, bytes] = OrderedDict()
        self._own_bytes = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        with self._lock:
            if name in self._own:
                self._own.move_to_end(name)
                return self._own[name]
        found = self._get(name)
        if found is not None:
            self._hold(name, found)
        return found

    def put(self, name: str, page: bytes) -> None:
        if len(page) <= MOST_PAGE_BYTES:
            self._hold(name, page)
            self._put(name, page)

    def _hold(self, name: str, page: bytes) -> None:
        with self._lock:
            self._own_bytes += len(page) - len(self._own.pop(name, b""))
            self._own[name] = page
            while self._own_bytes > MOST_OWN_BYTES:
                _, oldest = self._own.popitem(last=False)
                self._own_bytes -= len(oldest)

    def _get(self, name: str) -> bytes | None:
        if time.monotonic() < self._left_alone_until:
            return None
        try:
            found = cast(bytes | None, self._client.get(_PREFIX + name))  # nothing is decoded
        except (redis.RedisError, OSError) as error:
            self._leave_alone(error)
            return None
        return found

    def _put(self, name: str, page: bytes) -> None:
        if time.monotonic() < self._left_alone_until:
            return
        try:
            self._keep(keys=[_PREFIX + name, _ORDER, _TOTAL], args=[page, time.time(), SECONDS, self._most_bytes])
        except (redis.RedisError, OSError) as error:
            self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        self._left_alone_until = time.monotonic() + _LEFT_ALONE_SECONDS
        log.warning("page_cache_away", reason=str(error)[:200])


def pages() -> Pages:
    """The cache of the configured Redis, one a process: connections do not survive a fork."""
    return _pages(str(settings.REDIS_URL), os.getpid())


@functools.lru_cache(maxsize=2)
def _pages(url: str, pid: int) -> Pages:
    return Pages(f"{url}?db=1" if url.startswith("unix:") else f"{url.rstrip('/')}/1")
