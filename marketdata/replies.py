"""The bars in the reply to a ``find``, read where they lie.

The driver makes an object of each document before it hands on raw ones, which takes longer than all that is done here.
https://www.mongodb.com/docs/manual/reference/command/find/#output
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import bson
import numpy as np

from marketdata.documents import PLAIN_SIZE, SIZE, are_plain
from marketdata.tables import Table, decode_table, plain_table

# Sizes left out: the reply, in it the document `cursor`, whose first field is the array `firstBatch`.
_START = re.compile(rb".{4}\x03cursor\0.{4}\x04firstBatch\0", re.DOTALL)


def decode_reply(reply: bytes) -> Table:
    """The bars of the one batch of ``reply``, in their order."""
    start = _START.match(reply)
    if start is None:  # another server may have another order
        return decode_table(b"".join(map(bson.encode, bson.decode(reply)["cursor"]["firstBatch"])))
    begin, end = start.end() + 4, start.end() + SIZE.unpack_from(reply, start.end())[0] - 1
    at, parts = begin, []
    while at < end:
        # The names in an array are its places: as long as these have as many digits, documents are equally far apart.
        lead = reply.index(0, at) + 1 - at
        step = lead + PLAIN_SIZE
        count = min((end - at) // step, 10 if lead == 3 else 9 * 10 ** (lead - 3))
        heads = np.frombuffer(reply, np.uint8, count * step, at).reshape(count, step)[:, lead:]
        if not count or not are_plain(heads).all():
            return decode_table(b"".join(_documents(reply, begin, end)))
        parts.append(plain_table(heads))
        at += count * step
    return Table.joined(parts)


def _documents(reply: bytes, at: int, end: int) -> Iterator[bytes]:
    """What an array of documents holds."""
    while at < end:
        begin = reply.index(0, at) + 1
        at = begin + SIZE.unpack_from(reply, begin)[0]
        yield reply[begin:at]
