"""What the channel layer carries: groups named by shard, and messages numbered within each."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

SHARDS = 4  # fixed: every hub joins all of them, and a later split of the feed keeps its names


def shard_of(symbol: str) -> int:
    return zlib.crc32(symbol.encode()) % SHARDS


def group_name(shard: int) -> str:
    """Groups allow letters, digits, ``-_.`` only; symbols hold more, so groups are named by shard."""
    return f"live.{shard}"


class Envelope(NamedTuple):
    """A message on its way through the channel layer; ``interval`` is set for bars, ``seq`` for what has its own."""

    shard: int
    kind: str
    symbol: str
    interval: str
    text: bytes
    seq: int = 0

    def body(self, epoch: int, number: int) -> dict[str, Any]:
        """As the channel layer carries it, short names throughout; ``number`` counts per shard, 0 is not counted."""
        return {
            "type": "live",
            "k": self.kind,
            "s": self.symbol,
            "i": self.interval,
            "t": self.text,
            "e": epoch,
            "n": number,
            "h": self.shard,
            "q": self.seq,
        }
