"""``manage.py import_bars``: told first, all at once, then all or nothing."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from django.core.management import CommandError, call_command
from pyarrow import parquet

from domain.bar import BarSource, BarState
from domain.interval import Interval
from marketdata.repository import BarRepository
from symbols.models import Symbol
from tests.marketdata.builders import bar, streamed
from tests.marketdata.files.test_real_files import register

pytestmark = pytest.mark.django_db

GOOD = """time,open,high,low,close,volume
2026-01-05T00:00:00Z,100,102,99,101.5,10
2026-01-05T00:01:00Z,101.5,103,101,102,0.5
"""


@pytest.fixture
def bitcoin() -> Symbol:
    return register("TEST:BTCUSD", "24/7")


@pytest.fixture
def repository(mongo_database: Any) -> BarRepository:
    return BarRepository(mongo_database)


def stored(repository: BarRepository, symbol: Symbol, interval: Interval = Interval.M1) -> list[tuple[float, ...]]:
    rows = repository.rows(symbol.instrument(), interval, None, None)
    return [(row.open, row.high, row.low, row.close, row.volume) for row in rows]


def run(path: Path, *options: str, symbol: str = "TEST:BTCUSD", interval: str = "1m") -> None:
    call_command("import_bars", str(path), "--symbol", symbol, "--interval", interval, "--no-input", *options)


def refused(path: Path, *options: str, **series: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(path, *options, **series)
    return caught.value


def write(folder: Path, text: str, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_bars_are_stored_as_imported_and_final(tmp_path: Path, bitcoin: Symbol, repository: BarRepository) -> None:
    run(write(tmp_path, GOOD))
    assert stored(repository, bitcoin) == [(100, 102, 99, 101.5, 10), (101.5, 103, 101, 102, 0.5)]
    rows = list(repository.rows(bitcoin.instrument(), Interval.M1, None, None))
    assert {(row.source, row.state) for row in rows} == {(BarSource.IMPORT, BarState.FINAL)}


def test_a_second_time_nothing_is_written(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    run(write(tmp_path, GOOD))
    before = repository.series(bitcoin.instrument(), Interval.M1)
    run(write(tmp_path, GOOD), "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "symbol": "TEST:BTCUSD", "interval": "1m", "inserted": 0, "replaced": 0, "unchanged": 2,
    }  # fmt: skip
    assert repository.series(bitcoin.instrument(), Interval.M1) == before


def test_one_bad_row_keeps_all_out_and_every_bad_row_is_told(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path,
        GOOD
        + "2026-01-05T00:02:00Z,1,2,3,4,5\n"  # low above high
        + "2026-01-05T00:02:30Z,1,1,1,1,5\n"  # no start of a minute
        + "2026-01-05T00:01:00Z,1,1,1,1,5\n"  # again
        + "2026-01-05T00:04:00,1,1,1,1,5\n"  # no zone
        + "2026-01-05T00:05:00Z,1,one,1,1,5\n"
        + "2026-01-05T00:06:00Z,1,1,1,1,-5\n"
        + "2026-01-05T00:07:00Z,1,1,1,1,nan\n"
        + "2026-01-05T00:08:00Z,1,1,1,1\n"
        + "2026-01-05T00:09:00Z,1,1,1,1,\n",
    )
    error = refused(path)
    assert error.returncode == 1
    assert "9 of 11 rows are bad: nothing was imported" in str(error)
    told = capsys.readouterr().err
    for line, words in {
        4: "high and low do not enclose",
        5: "not the start of a 1m bar",
        6: "there twice: see line 3",
        7: "without a zone",
        8: "high is no number: 'one'",
        9: "negative volume",
        10: "not finite",
        11: "5 fields where the header has 6",
        12: "volume is empty",
    }.items():
        assert any(f"line {line}: " in each and words in each for each in told.splitlines()), (line, told)
    assert stored(repository, bitcoin) == []


def test_bad_rows_can_be_left_aside(tmp_path: Path, bitcoin: Symbol, repository: BarRepository) -> None:
    error = refused(write(tmp_path, GOOD + "2026-01-05T00:02:00Z,x,2,1,2,5\n"), "--skip-bad")
    assert error.returncode == 3
    assert "1 of 3 rows were left aside" in str(error)
    assert len(stored(repository, bitcoin)) == 2


def test_a_dry_run_writes_nothing(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    run(write(tmp_path, GOOD), "--dry-run")
    assert "2 new, 0 changed, 0 unchanged" in capsys.readouterr().err
    assert stored(repository, bitcoin) == []


def test_what_would_be_done_is_told_to_programs_too(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        "symbol": "TEST:BTCUSD",
        "interval": "1m",
        "bars": 2,
        "new": 2,
        "changed": 0,
        "unchanged": 0,
        "outranked": 0,
    }
    run(write(tmp_path, GOOD), "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out) == {"preview": told}
    refused(write(tmp_path, GOOD + "2026-01-05T00:02:00Z,x,2,1,2,5\n"), "--json")
    problem, preview = map(json.loads, capsys.readouterr().out.splitlines())
    assert (problem["problem"]["line"], preview) == (4, {"preview": told})


def test_a_bar_that_has_not_closed_yet_is_bad(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    today = datetime.now(UTC).date()
    head = "time,open,high,low,close\n"
    days = "".join(f"{today - timedelta(days=back)},1,1,1,1\n" for back in (2, 1, 0, -400))
    assert "2 of 4 rows are bad" in str(refused(write(tmp_path, head + days), interval="1d"))
    assert "line 4: this bar has not closed yet" in capsys.readouterr().err
    ancient = "0001-01-01T00:00:00Z,1,1,1,1\n9999-12-31T23:59:00Z,1,1,1,1\n1677-12-31T23:59:00Z,1,1,1,1\n"
    assert "3 of 3 rows are bad" in str(refused(write(tmp_path, head + ancient)))
    assert stored(repository, bitcoin) == []


def test_history_of_the_provider_stays_and_is_said_to_differ(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = bar(0, instrument=bitcoin.instrument(), price=50.0)
    repository.save(bitcoin.instrument(), Interval.M1, [theirs])
    run(write(tmp_path, GOOD))
    assert "1 differ from what the provider's history says, which stays" in capsys.readouterr().err
    assert stored(repository, bitcoin)[0][0] == 50.0


def test_an_import_replaces_an_import_and_shows_what_changes(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    run(write(tmp_path, GOOD))
    run(write(tmp_path, GOOD.replace("101.5,10", "101.25,10")))
    assert "100.0 102.0 99.0 101.5 10.0 -> 100.0 102.0 99.0 101.25 10.0" in capsys.readouterr().err
    assert stored(repository, bitcoin)[0][3] == 101.25
    row = next(iter(repository.rows(bitcoin.instrument(), Interval.M1, None, None)))
    assert row.revision == 1


def test_parquet_and_gzip_hold_the_same_bars(tmp_path: Path, bitcoin: Symbol, repository: BarRepository) -> None:
    table = pyarrow.table(
        {
            "open_time": pyarrow.array([datetime(2026, 1, 5, tzinfo=UTC)], pyarrow.timestamp("ns", tz="UTC")),
            "open": [100.0], "high": [102.0], "low": [99.0], "close": [101.5], "volume": [10.0], "trades": [7],
        }
    )  # fmt: skip
    parquet.write_table(table, tmp_path / "bars.parquet")
    run(tmp_path / "bars.parquet")
    assert stored(repository, bitcoin) == [(100, 102, 99, 101.5, 10)]
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(GOOD.encode()))
    run(tmp_path / "bars.csv.gz")
    assert len(stored(repository, bitcoin)) == 2


def test_a_file_may_say_itself_what_it_holds(tmp_path: Path, bitcoin: Symbol, repository: BarRepository) -> None:
    text = "symbol,interval,open_time,open,high,low,close,volume,trades,state,source,partial\n"
    text += "TEST:BTCUSD,1m,2026-01-05T00:00:00Z,1,1,1,1,5,,final,history,false\n"
    text += "TEST:BTCUSD,1h,2026-01-05T00:00:00Z,1,2,1,2,5,9,provisional,stream,true\n"
    call_command("import_bars", str(write(tmp_path, text)), "--no-input")
    assert stored(repository, bitcoin) == [(1, 1, 1, 1, 5)]
    row = next(iter(repository.rows(bitcoin.instrument(), Interval.H1, None, None)))
    assert (row.trades, row.state, row.partial) == (9, BarState.PROVISIONAL, True)


def test_the_coarser_intervals_are_made_on_demand(tmp_path: Path, bitcoin: Symbol, repository: BarRepository) -> None:
    run(write(tmp_path, GOOD), "--roll-up")
    for interval in list(Interval)[1:]:
        assert stored(repository, bitcoin, interval) == [(100, 103, 99, 102, 10.5)]
        row = next(iter(repository.rows(bitcoin.instrument(), interval, None, None)))
        assert (row.source, row.partial) == (BarSource.ROLLUP, True)  # two minutes of each are known


def minutes(*numbers: int, price: float = 100.0) -> str:
    """Rows of these minutes of 2026-01-05, which begin at ``price`` and end one higher."""
    moments = (datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=number) for number in numbers)
    rows = (f"{moment:%Y-%m-%dT%H:%MZ},{price},{price + 1},{price},{price + 1},1\n" for moment in moments)
    return GOOD.splitlines()[0] + "\n" + "".join(rows)


def coarse(repository: BarRepository, symbol: Symbol, interval: Interval = Interval.M5) -> list[tuple[Any, ...]]:
    rows = repository.rows(symbol.instrument(), interval, None, None)
    return [(row.open, row.close, row.volume, row.partial, row.state.value) for row in rows]


def test_coarser_bars_are_made_of_what_is_stored_as_well(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository
) -> None:
    run(write(tmp_path, minutes(0, 1, 2)), "--roll-up")
    assert coarse(repository, bitcoin) == [(100, 101, 3, True, "final")]
    run(write(tmp_path, minutes(3, 4, price=200)), "--roll-up")
    assert coarse(repository, bitcoin) == [(100, 201, 5, False, "final")]
    run(write(tmp_path, minutes(4, price=300)), "--roll-up")  # one that is mended
    assert coarse(repository, bitcoin) == [(100, 301, 5, False, "final")]
    theirs = bar(0, instrument=bitcoin.instrument(), price=50.0)
    repository.save(bitcoin.instrument(), Interval.M1, [theirs])
    run(write(tmp_path, minutes(0, 5)), "--roll-up")  # the provider's history stays, in what is made of it too
    assert coarse(repository, bitcoin) == [(50, 301, 14, False, "final"), (100, 101, 1, True, "final")]


def test_coarser_bars_of_bars_that_may_change_may_change(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository
) -> None:
    repository.save(bitcoin.instrument(), Interval.M1, [streamed(1, instrument=bitcoin.instrument())])
    run(write(tmp_path, minutes(0, 2, 3, 4)), "--roll-up")
    assert coarse(repository, bitcoin) == [(100, 101, 14, False, "provisional")]


def test_bars_that_still_run_are_not_made(tmp_path: Path, bitcoin: Symbol, repository: BarRepository) -> None:
    now = datetime.now(UTC)
    long_ago, just_now = (now - ago for ago in (timedelta(days=40), timedelta(minutes=3)))
    rows = "".join(f"{moment:%Y-%m-%dT%H:%MZ},1,1,1,1,1\n" for moment in (long_ago, just_now))
    run(write(tmp_path, GOOD.splitlines()[0] + "\n" + rows), "--roll-up")
    for interval in (Interval.W1, Interval.MN1):
        (made,) = repository.rows(bitcoin.instrument(), interval, None, None)
        assert made.open_time <= long_ago.timestamp()


@pytest.mark.parametrize(
    "bad", ["2026-01-05T00:07:00Z,1,2,3,4,5", "2026-01-05T00:07:30Z,1,1,1,1,1", "soon,1,1,1,1,1", "soon"]
)
def test_a_coarser_bar_with_a_bad_row_in_it_is_partial(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, bad: str
) -> None:
    first, second = minutes(*range(7)), minutes(*range(8, 15)).partition("\n")[2]
    assert refused(write(tmp_path, f"{first}{bad}\n{second}"), "--roll-up", "--skip-bad").returncode == 3
    assert [partial for *_, partial, _ in coarse(repository, bitcoin)] == [False, True, False]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", (), "is empty"),
        ("1,2,3,4,5\n", (), "a header line is expected"),
        ("time,open,high,low,close,adj\n", (), "unknown column 'adj'"),
        ("time_local,open,high,low,close\n", (), "say whose, for example --time-zone"),
        (GOOD, ("--time-zone", "Mars/Olympus"), "no such zone"),
        (GOOD, ("--column", "close"), "write FIELD=NAME"),
        (GOOD + '2026-01-05T00:02:00Z,"1\n', (), "line 4"),
        (GOOD.replace("0.5", "\udcff"), (), "1 of 2 rows are bad"),
    ],
)
def test_a_file_that_cannot_be_understood_says_why(
    tmp_path: Path, bitcoin: Symbol, repository: BarRepository, text: str, options: tuple[str, ...], words: str
) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert words in str(refused(path, *options))
    assert stored(repository, bitcoin) == []


def test_wrong_use_is_told_from_failure(tmp_path: Path, bitcoin: Symbol) -> None:
    good = write(tmp_path, GOOD)
    assert refused(good, symbol="TEST:NOBODY").returncode == 2
    assert refused(good, interval="7m").returncode == 2
    assert refused(tmp_path / "absent.csv").returncode == 1
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress(GOOD.encode() * 1000)[:-200])
    assert "line" in str(refused(torn))
