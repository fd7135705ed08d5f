"""What a request or a command asks for, read into the series that it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from domain.errors import InvalidRequest, UnknownSymbol
from domain.interval import Interval
from providers import provider_names
from symbols.models import Exchange, Symbol
from symbols.services import normal_code

# Fields of the registry by which symbols may be chosen; several values of one mean "or".
FILTERS = {"exchange": "exchange__code__in", "type": "type__in", "provider": "provider__in", "status": "status__in"}
MOST_SERIES = 130_000


def chosen_symbols(codes: Sequence[str], filters: Mapping[str, Sequence[str]]) -> list[Symbol]:
    """Symbols by their codes, or all that a filter lets through; in the order of their codes, none of them retired.

    Raises UnknownSymbol that names all that are not registered, InvalidRequest where nothing is chosen, or by a word
    that means nothing.
    """
    if not codes and not any(filters.values()):
        raise InvalidRequest("choose symbols, or a filter such as exchange")
    _check_words(filters)
    found = Symbol.objects.active()
    for name, values in filters.items():
        if values:
            found = found.filter(**{FILTERS[name]: list(values)})
    if not codes:
        return list(found)
    wanted = list(dict.fromkeys(normal_code(code) for code in codes))
    by_code = {symbol.code: symbol for symbol in with_codes(wanted)}
    if unknown := [code for code in wanted if code not in by_code]:
        shown = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise UnknownSymbol(f"not registered: {shown}; add it with `manage.py symbols add {unknown[0]}`")
    if any(filters.values()):
        let_through = set(found.values_list("code", flat=True))
        wanted = [code for code in wanted if code in let_through]
    return [by_code[code] for code in wanted if by_code[code].status != Symbol.Status.RETIRED]


def _check_words(filters: Mapping[str, Sequence[str]]) -> None:
    """What is mistyped must not pass for what is up to date. (Types are whatever providers say.)"""
    known: dict[str, Callable[[], Iterable[str]]] = {
        "exchange": lambda: Exchange.objects.values_list("code", flat=True),
        "provider": provider_names,
        "status": lambda: Symbol.Status.values,
    }
    for name, values in filters.items():
        words = sorted(known[name]()) if values and name in known else values
        if wrong := [value for value in values if value not in words]:
            raise InvalidRequest(f"filter {name}: {wrong[0][:40]!r} is none of {', '.join(words[:20])}")


def with_codes(codes: Sequence[str]) -> Iterable[Symbol]:
    """Those that are registered. In pieces: SQLite takes only so many parameters."""
    for position in range(0, len(codes), 500):
        yield from Symbol.objects.select_related("exchange").filter(code__in=codes[position : position + 500])


def series_of(symbols: Sequence[Symbol], intervals: Iterable[str]) -> list[tuple[Symbol, Interval]]:
    """Each symbol at each interval; all 13 if none is named. Raises UnsupportedInterval, InvalidRequest if too many."""
    wanted = list(dict.fromkeys(Interval.parse(text) for text in intervals)) or list(Interval)
    if len(symbols) * len(wanted) > MOST_SERIES:
        raise InvalidRequest(f"{len(symbols) * len(wanted):,} series at once; at most {MOST_SERIES:,}")
    return [(symbol, interval) for symbol in symbols for interval in wanted]
