"""Bars as rows of integers, and their fold. Prices in ticks, volume in size steps, times in epoch seconds."""

from __future__ import annotations

import numpy as np

from providers.demo.randomness import Ints

# Rows that are still to be folded know the segment they lie in; finished bars know their end and key instead.
START, SEGMENT_START, SEGMENT_END = 0, 1, 2
END, KEY = 1, 2
OPEN, HIGH, LOW, CLOSE, VOLUME = range(3, 8)
WIDTH = 8


def empty() -> Ints:
    return np.empty((0, WIDTH), dtype=np.int64)


def grouped(rows: Ints, group: Ints) -> Ints:
    """Rows merged where ``group`` (ascending, one figure a row) is the same; other columns are the first row's."""
    if not len(rows):
        return rows
    first = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    merged = rows[first]
    merged[:, HIGH] = np.maximum.reduceat(rows[:, HIGH], first)
    merged[:, LOW] = np.minimum.reduceat(rows[:, LOW], first)
    merged[:, CLOSE] = rows[np.concatenate((first[1:], [len(rows)])) - 1, CLOSE]
    merged[:, VOLUME] = np.add.reduceat(rows[:, VOLUME], first)
    return merged


def slots(rows: Ints, seconds: int) -> Ints:
    """Where the bar of ``seconds`` that holds each row starts: counted from its segment's open."""
    starts: Ints = rows[:, START] - (rows[:, START] - rows[:, SEGMENT_START]) % seconds
    return starts


def fold(rows: Ints, seconds: int) -> Ints:
    """Rows of a finer grid as rows of ``seconds``, cut at the end of their segment."""
    group = slots(rows, seconds)
    merged = grouped(rows, group)
    merged[:, START] = slots(merged, seconds)
    return merged


def finished(rows: Ints, seconds: int) -> Ints:
    """Folded rows as bars: start, end, key instead of start and segment."""
    bars = rows.copy()
    bars[:, END] = np.minimum(rows[:, START] + seconds, rows[:, SEGMENT_END])
    bars[:, KEY] = rows[:, START]
    return bars
