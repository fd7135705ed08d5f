"""What a stopped streamer leaves to the next: the fold's forming bars, the volume baselines of its feeds, and bars the
store has not acknowledged.

Written whole or not at all, and durable when ``write`` returns. Without one, or with one that is too old for its
forming bars and baselines, the next start is the one after a crash.
"""

from __future__ import annotations

import os
from dataclasses import asdict as fields_of
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import structlog
from msgspec.structs import asdict

from domain.bar import Bar, BarSource, BarState
from domain.interval import Interval
from providers.base import Baseline

VERSION = 2
FOLD_SECONDS = 600.0  # what was forming longer ago is left to history

_READ = {1, VERSION}  # the first had no baselines

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """``saved_at`` in epoch seconds; ``fold`` is the aggregator's own document; ``baselines`` are by provider."""

    saved_at: float
    epoch: int
    fold: dict[str, Any] | None
    baselines: dict[str, list[Baseline]]
    unsaved: list[Bar]


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file at ``path``: flushed to the disk, then renamed, then the folder flushed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "version": VERSION,
        "saved_at": checkpoint.saved_at,
        "epoch": checkpoint.epoch,
        "fold": checkpoint.fold,
        "baselines": {name: [fields_of(one) for one in ones] for name, ones in checkpoint.baselines.items()},
        "unsaved": [asdict(bar) for bar in checkpoint.unsaved],
    }
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(orjson.dumps(body))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path, now: float) -> Checkpoint | None:
    """The checkpoint at ``path``; None if there is none that can be read. An old one holds unsaved bars only."""
    try:
        body = orjson.loads(path.read_bytes())
        if body["version"] not in _READ:
            raise ValueError(f"version {body['version']}, not {VERSION}")
        if body["version"] == 1:
            body["baselines"] = {}
        is_old = not 0 <= now - body["saved_at"] <= FOLD_SECONDS
        return Checkpoint(
            saved_at=body["saved_at"],
            epoch=body["epoch"],
            fold=None if is_old else body["fold"],
            baselines={} if is_old else _baselines(body["baselines"]),
            unsaved=[_bar(fields) for fields in body["unsaved"]],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        kept = path.with_suffix(".unreadable")
        path.replace(kept)
        log.error("checkpoint_unreadable", reason=str(error), kept_as=str(kept))
        return None


def _baselines(body: dict[str, list[dict[str, Any]]]) -> dict[str, list[Baseline]]:
    return {name: [Baseline(**fields) for fields in ones] for name, ones in body.items()}


def _bar(fields: dict[str, Any]) -> Bar:
    times = {name: datetime.fromisoformat(fields[name]) for name in ("open_time", "starts_at", "close_time")}
    kinds = {
        "interval": Interval(fields["interval"]),
        "state": BarState(fields["state"]),
        "source": BarSource(fields["source"]),
    }
    return Bar(**{**fields, **times, **kinds})
