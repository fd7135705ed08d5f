"""``manage.py copy_store``: the same documents in another MongoDB, whatever interrupts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from pymongo.database import Database

from domain.interval import Interval
from marketdata.collections import BARS, COPIED
from marketdata.copying import copy_collection
from marketdata.mongo import connect
from marketdata.packed import arrays_of
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, bar

OTHER = "pocketquant_copy"


@pytest.fixture
def target(mongo_database: Any) -> Iterator[Database[Any]]:
    client = connect(settings.MONGODB_URI)
    yield client[OTHER]
    client.drop_database(OTHER)
    client.close()


@pytest.fixture
def source(mongo_database: Any) -> Database[Any]:
    BarRepository(mongo_database).save(BITCOIN, Interval.M1, [bar(n) for n in range(6_000)])
    BarRepository(mongo_database).save(BITCOIN, Interval.M1, [bar(7, price=50.0)])  # a revision
    return mongo_database  # type: ignore[no-any-return]


def copy(*options: str) -> None:
    call_command("copy_store", "--to", settings.MONGODB_URI, "--database", OTHER, *options)


def contents(database: Database[Any]) -> dict[str, list[Any]]:
    return {name: list(database[name].find(sort=[("_id", 1)])) for name in COPIED}


def test_every_document_is_copied_and_a_second_copy_writes_nothing(
    source: Database[Any], target: Database[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    copy()
    assert contents(target) == contents(source)
    assert "bars: 6,000 documents, 6,000 new" in capsys.readouterr().err
    copy("--json")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(each["inserted"], each["replaced"], each["extra"]) for each in told} == {(0, 0, 0)}
    assert next(each["same"] for each in told if each["collection"] == "bars") == 6_000


def test_the_copy_can_take_the_place_of_the_store(source: Database[Any], target: Database[Any]) -> None:
    copy()
    moved = BarRepository(target)
    assert moved.between(BITCOIN, Interval.M1, None, None) == BarRepository(source).between(
        BITCOIN, Interval.M1, None, None
    )
    assert moved.save(BITCOIN, Interval.M1, [bar(n) for n in range(100, 200)]).unchanged == 100


def test_a_copy_that_was_cut_short_goes_on(source: Database[Any], target: Database[Any]) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_collection(source, target, BARS, advanced=stop)
    assert target[BARS].count_documents({}) == 5_000
    copied = copy_collection(source, target, BARS)
    assert (copied.inserted, copied.same) == (1_000, 5_000)


def test_what_changed_since_is_replaced_and_what_is_only_there_is_told(
    source: Database[Any], target: Database[Any]
) -> None:
    copy()
    BarRepository(source).save(BITCOIN, Interval.M1, [bar(9, price=1.0)])
    BarRepository(target).save(BITCOIN, Interval.M1, [bar(9_000)])
    with pytest.raises(CommandError, match="2 documents that are not here") as caught:
        copy()
    assert caught.value.returncode == 3
    copy("--remove-extra")
    assert contents(target) == contents(source)


def test_columns_that_were_packed_there_are_not_taken_for_those_of_the_copy(
    source: Database[Any], target: Database[Any]
) -> None:
    def closes() -> list[float]:
        found = arrays_of(target, BITCOIN, Interval.M1, bar(0).open_time, bar(1_440).open_time, bar(9_000).open_time)
        return list(found.close)

    BarRepository(target).save(BITCOIN, Interval.M1, [bar(n, price=1.0) for n in range(6_000)])
    BarRepository(target).save(BITCOIN, Interval.M1, [bar(7, price=2.0)])  # as many versions as the source has
    assert closes()[0] == 1.5
    with pytest.raises(CommandError):  # only the target has its revision
        copy()
    assert closes() == [each.close for each in BarRepository(target).between(BITCOIN, Interval.M1, None, None)[:1_440]]


def test_a_dry_run_writes_nothing(
    source: Database[Any], target: Database[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    copy("--dry-run")
    assert target.list_collection_names() == []
    assert "6,000 would be new" in capsys.readouterr().err


@pytest.mark.parametrize("uri", ["http://example.org", "mongodb://", "nonsense"])
def test_a_wrong_address_is_wrong_use(source: Database[Any], uri: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("copy_store", "--to", uri)
    assert caught.value.returncode == 2


def test_copying_onto_itself_is_refused(source: Database[Any]) -> None:
    with pytest.raises(CommandError, match="the MongoDB in use"):
        call_command("copy_store", "--to", settings.MONGODB_URI)


def test_a_server_that_is_away_is_told(source: Database[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketdata.management.commands.copy_store.connect", lambda uri: connect(uri, timeout_ms=50))
    away = f"mongodb://{str(tmp_path / 'no.sock').replace('/', '%2F')}/?directConnection=true"
    with pytest.raises(CommandError, match="run it again") as caught:
        call_command("copy_store", "--to", away)
    assert caught.value.returncode == 1
