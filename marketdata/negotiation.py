"""Which format an answer has: ``format=`` if it is given, else what ``Accept`` prefers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request

from marketdata.formats import FORMATS, JSON, Format


class BarsRenderer(BaseRenderer):
    """Names a format to REST framework. Bars come to it written; what is not bytes is an error, always JSON."""

    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if isinstance(data, bytes):
            indented = (renderer_context or {}).get("indent")  # the browsable API's wish
            return orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2) if indented else data
        return bytes(JSONRenderer().render(data))


RENDERERS: list[type[BaseRenderer]] = [
    *(
        type(f"{found.name.title()}Renderer", (BarsRenderer,), {"format": found.name, "media_type": found.media_type})
        for found in FORMATS.values()
    ),
    BrowsableAPIRenderer,
]


class BarsNegotiation(DefaultContentNegotiation):
    """``format=`` overrules ``Accept``. REST framework would have both agree, and answer an unknown format with 404;
    here the view tells that it is wrong, like all else.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderers = list(renderers)
        asked = request.query_params.get("format")
        if asked is None and request.headers.get("Accept", "").strip() in ("", "*/*", JSON.media_type):
            return renderers[0], JSON.media_type  # what nearly all ask for, without parsing it
        if asked is None:
            # Django weighs `q=` (RFC 9110, 12.5.1), REST framework would not.
            wanted = request._request.get_preferred_type([str(renderer.media_type) for renderer in renderers])
            chosen = next((renderer for renderer in renderers if renderer.media_type == wanted), None)
            if chosen is None:
                raise NotAcceptable(available_renderers=renderers)
            return chosen, chosen.media_type
        named = next((renderer for renderer in renderers if renderer.format == asked), renderers[0])
        return named, named.media_type


def format_of(request: Request) -> Format:
    """The format of the bars in the answer; the browsable API shows JSON."""
    return FORMATS.get(str(request.accepted_renderer.format), JSON)
