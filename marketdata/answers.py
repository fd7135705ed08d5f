"""An answer of bars as HTTP: whole and kept for the next who asks, or streamed; tagged, named and packed."""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from rest_framework.request import Request

from domain.calendars import get_calendar
from domain.instrument import Instrument
from domain.spans import DAY
from marketdata.columns import written
from marketdata.describing import Subject
from marketdata.documents import instant, seconds
from marketdata.formats import WRITERS, Format
from marketdata.freshness import newest_expected
from marketdata.meta_header import brief
from marketdata.pages import pages
from marketdata.rendering import render, render_meta
from marketdata.selectors import Extent, Page, Place, bounds

_PACKED_FROM = 1_400  # bytes: what fits into one packet arrives no sooner for being smaller
_PACK_LEVEL = 1  # bars shrink to a fourth; more effort gains a twentieth
_ACCEPTS_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|x-gzip|\*)\s*(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))(?:;|,|$)")
_UNFIT_FOR_A_NAME = re.compile(r"[^A-Za-z0-9._!&-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How ``subject`` is told to the one who asks."""

    request: Request
    format: Format
    subject: Subject

    @property
    def is_packed(self) -> bool:
        """Whether text goes out gzipped."""
        return self.format.is_text and bool(_ACCEPTS_GZIP.search(self.request.headers.get("Accept-Encoding", "")))

    def tag(self) -> str:
        """Names the answer exactly, by what it is made of: the question, the data, and what should be there by now.

        So it holds until the data or the expectation changes, and not a second longer.
        """
        reading = self.subject.reading
        query = reading.query
        parts = (
            *(query.symbols, query.interval.value, query.limit, query.offset, query.order, query.shape, query.time),
            *(query.columns, query.fill, query.after, self._on_grid(query.start), self._on_grid(query.end)),
            *(self.format.name, self.is_packed, self.request.build_absolute_uri(self.request.path)),
            [self._about(one) for one in reading.instruments],
            # Of a series without bars nothing tells what is learned about it meanwhile.
            None if all(self.subject.series) else reading.now // 60,
            *(self.subject.data_version, sorted(self.subject.forming.as_of.items()), self.subject.forming.notes),
        )
        return f'"{hashlib.blake2s(repr(parts).encode(), digest_size=16).hexdigest()}"'

    def _about(self, instrument: Instrument) -> tuple[Any, ...]:
        expected = newest_expected(instrument, self.subject.reading.query.interval, self.subject.reading.now)
        return instrument.id, instrument.provider, instrument.calendar, instrument.delay_seconds, expected

    def _on_grid(self, moment: int | None) -> int | None:
        """The first moment from ``moment`` on that can be a key: what was asked in seconds is compared by bars."""
        reading = self.subject.reading
        length = reading.query.interval.seconds
        if length is None:
            step = DAY
        else:
            is_utc = all(get_calendar(one.calendar).alignment == "utc" for one in reading.instruments)
            step = length if is_utc else 60
        return None if moment is None else -(-moment // step) * step

    def whole(self, tag: str) -> HttpResponse:
        """The bars in one piece, from the cache if they are there."""
        is_kept = not self.subject.reading.query.include_forming  # those are new at every look
        kept = pages().get(tag.strip('"')) if is_kept else None
        if kept is None:
            kept = self._render()
            if is_kept:
                pages().put(tag.strip('"'), kept)
        head, _, body = kept.partition(b"\n")
        headers: dict[str, str] = orjson.loads(head)
        if self.request.method != "HEAD":
            return HttpResponse(body, headers=headers)
        return HttpResponse(headers={**headers, "Content-Length": str(len(body))})

    def body(self) -> bytes:
        """The JSON itself."""
        return self._json(self.subject.reading.page())

    def _json(self, page: Page) -> bytes:
        following = self._next(page.extent.after)
        return render(self.subject.reading, page.bars, self.subject.about_page(page), following)

    def _render(self) -> bytes:
        """Headers as JSON, a line feed, and the body."""
        page = self.subject.reading.page()
        body = self._json(page)
        headers = self._headers(page.extent, "inline")
        if self.is_packed and len(body) >= _PACKED_FROM:
            headers["Content-Encoding"] = "gzip"
            body = zlib.compress(body, _PACK_LEVEL, wbits=31)
        return orjson.dumps(headers) + b"\n" + body

    def streamed(self) -> StreamingHttpResponse:
        """The bars a piece at a time: the memory it takes does not depend on how many they are."""
        reading = self.subject.reading
        query = reading.query
        extent = reading.extent()
        about = render_meta(self.subject.about_stream(extent))
        headers = self._headers(extent, "attachment") | {"X-PocketQuant-Meta": brief(about)}
        if self.is_packed:
            headers["Content-Encoding"] = "gzip"
        if self.request.method == "HEAD":
            return StreamingHttpResponse(iter(()), headers=headers)
        found = written(reading.stream(extent), query.columns, reading.instruments, query.interval)
        chunks = WRITERS[self.format.name](found, query.columns, query.time, about)
        if self.is_packed:
            chunks = _pack(chunks)
        is_asgi = isinstance(self.request._request, ASGIRequest)
        return StreamingHttpResponse(_in_threads(chunks) if is_asgi else chunks, headers=headers)

    def _headers(self, extent: Extent, disposition: str) -> dict[str, str]:
        kind = f"{self.format.media_type}; charset=utf-8" if self.format.name == "csv" else self.format.media_type
        headers = {
            "Content-Type": kind,
            "Content-Disposition": f'{disposition}; filename="{self._file_name(extent)}"',
        }
        following = self._next(extent.after)
        return headers | ({"Link": f'<{following}>; rel="next"'} if following else {})

    def _file_name(self, extent: Extent) -> str:
        """``NASDAQ-AAPL_1h_2026-01-05_2026-03-01.csv``: the first day of the page and its end, as far as is known."""
        query, series = self.subject.reading.query, [known for known in self.subject.series if known and known.count]
        first, *others = query.symbols
        start, end = bounds(query, 0, extent.begin, extent.after)
        if series:
            start = seconds(min(known.first for known in series)) if start is None else start
            end = seconds(max(known.last for known in series)) if end is None else end
        days = "".join(f"_{instant(day):%Y-%m-%d}" for day in (start, end) if day is not None)
        name = _UNFIT_FOR_A_NAME.sub("-", first) + (f"+{len(others)}" if others else "")
        return f"{name}_{query.interval.value}{days}.{self.format.name}"

    def _next(self, after: Place | None) -> str | None:
        if after is None:
            return None
        parameters: dict[str, Any] = {"cursor": self.subject.reading.query.cursor(after)}
        if "format" in self.request.query_params:
            parameters["format"] = self.format.name
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(parameters)}")


def is_known(request: Request, tag: str) -> bool:
    """Whether the caller has this answer already: ``If-None-Match`` (RFC 9110, 13.1.2) compares weakly, and a ``*`` is
    whatever there is.
    """
    known = request.headers.get("If-None-Match")
    return known is not None and any(one == "*" or one.removeprefix("W/") == tag for one in parse_etags(known))


def tagged(response: HttpResponseBase, tag: str) -> HttpResponseBase:
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"  # keep it, but ask before using it
    response["Vary"] = "Accept, Accept-Encoding, Cookie"
    return response


def _pack(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_PACK_LEVEL, wbits=31)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """``chunks`` for an event loop: each is made in a thread, while others are served. Under ASGI, Django would
    collect all that a plain iterator gives before it sends the first.
    """
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk
