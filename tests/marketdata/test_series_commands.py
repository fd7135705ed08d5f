"""``coverage``, ``gaps`` and ``export_bars`` in a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from domain.bar import BarSource, BarState
from domain.interval import Interval
from marketdata.management.series import FAILED
from marketdata.repository import BarRepository
from symbols.models import Symbol
from tests.marketdata.builders import bar, streamed
from tests.marketdata.files.test_real_files import register

pytestmark = pytest.mark.django_db
FIRST = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=10)


@pytest.fixture
def repository(mongo_database: Any) -> BarRepository:
    return BarRepository(mongo_database)


@pytest.fixture
def bitcoin() -> Symbol:
    return register("TEST:BTCUSD", "24/7")


@pytest.fixture
def minutes(bitcoin: Symbol, repository: BarRepository) -> list[datetime]:
    """A hundred minutes without the 40th to 44th, one of them ours and not confirmed yet."""
    instrument = bitcoin.instrument()
    opens = [FIRST + timedelta(minutes=n) for n in range(100) if not 40 <= n < 45]
    bars = [bar(n, instrument=instrument, open_time=moment, price=0.1 * n + 7) for n, moment in enumerate(opens)]
    repository.save(instrument, Interval.M1, bars[:-1])
    repository.save(instrument, Interval.M1, [streamed(0, instrument=instrument, open_time=opens[-1], partial=True)])
    return opens


def test_coverage_is_told_in_a_line_a_series(minutes: list[datetime], capsys: pytest.CaptureFixture[str]) -> None:
    end = f"{FIRST + timedelta(minutes=100):%Y-%m-%dT%H:%MZ}"
    call_command("coverage", "TEST:BTCUSD", "--end", end)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13
    assert "95.00 %  95 of 100, 5 missing" in lines[0]
    assert "never asked for" in lines[1]
    call_command("coverage", "--json", "--interval", "1m", "--end", end)
    assert json.loads(capsys.readouterr().out)["missing"] == 5


def test_gaps_say_where_why_and_until_when(minutes: list[datetime], capsys: pytest.CaptureFixture[str]) -> None:
    end = f"{FIRST + timedelta(minutes=100):%Y-%m-%dT%H:%MZ}"
    call_command("gaps", "--interval", "1m", "--end", end)
    told = capsys.readouterr()
    start, last = FIRST + timedelta(minutes=40), FIRST + timedelta(minutes=44)
    assert f"5 bars  {start:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC: not asked; can be had until" in told.out
    assert "1 gaps, 5 bars" in told.err
    call_command("gaps", "--interval", "1m", "--start", end, "--end", "-1h", "--json")


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz", "bars.parquet"])
def test_what_is_exported_is_imported_unchanged(
    name: str, minutes: list[datetime], repository: BarRepository, bitcoin: Symbol, tmp_path: Path, capsys: Any
) -> None:
    call_command("export_bars", "TEST:BTCUSD", "--output", str(tmp_path / name))
    call_command("import_bars", str(tmp_path / name), "--no-input", "--json")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["inserted"], told["replaced"], told["unchanged"]) == (0, 0, 95)

    before = repository.between(bitcoin.instrument(), Interval.M1, None, None)
    repository.delete(bitcoin.instrument(), Interval.M1, None, None)
    call_command("import_bars", str(tmp_path / name), "--no-input", "--quiet")
    after = repository.between(bitcoin.instrument(), Interval.M1, None, None)
    assert [(b.open_time, b.open, b.high, b.low, b.close, b.volume, b.trades, b.state, b.partial) for b in after] == [
        (b.open_time, b.open, b.high, b.low, b.close, b.volume, b.trades, b.state, b.partial) for b in before
    ]
    assert {b.source for b in after} == {BarSource.IMPORT}
    assert after[-1].state is BarState.PROVISIONAL
    # And once more: the file that an import leaves is the same but for its source.
    call_command("export_bars", "TEST:BTCUSD", "--output", str(tmp_path / "again.csv"))
    call_command("import_bars", str(tmp_path / "again.csv"), "--no-input", "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["unchanged"] == 95


def test_a_folder_gets_a_file_for_each_series(
    minutes: list[datetime], bitcoin: Symbol, repository: BarRepository, tmp_path: Path
) -> None:
    instrument = bitcoin.instrument()
    opened = datetime(2026, 1, 1, tzinfo=UTC)
    repository.save(instrument, Interval.D1, [bar(0, instrument=instrument, interval=Interval.D1, open_time=opened)])
    call_command("export_bars", "TEST:BTCUSD", "--output", f"{tmp_path}/exports/", "--quiet")
    assert sorted(path.name for path in (tmp_path / "exports").iterdir()) == [
        "TEST-BTCUSD_1d.csv", "TEST-BTCUSD_1m.csv"
    ]  # fmt: skip
    with pytest.raises(CommandError, match="--force"):
        call_command("export_bars", "TEST:BTCUSD", "--output", f"{tmp_path}/exports/", "--quiet")
    call_command("export_bars", "TEST:BTCUSD", "--output", f"{tmp_path}/exports/", "--quiet", "--force")


def test_a_range_is_exported_to_stdout(minutes: list[datetime], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    start, end = (f"{minutes[n]:%Y-%m-%dT%H:%MZ}" for n in (10, 12))
    call_command("export_bars", "TEST:BTCUSD", "--interval", "1m", "--start", start, "--end", end, "--format", "ndjson")
    lines = capfdbinary.readouterr().out.splitlines()
    assert [json.loads(line)["open_time"] for line in lines] == [f"{minutes[n]:%Y-%m-%dT%H:%M:%SZ}" for n in (10, 11)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gaps", "TEST:NOBODY"], 2),
        (["coverage", "--interval", "7m"], 2),
        (["coverage", "--start", "now", "--end", "-1d"], 2),
        (["export_bars"], 2),
        (["export_bars", "TEST:BTCUSD", "--output", "bars.xls"], 2),
        (["export_bars", "TEST:BTCUSD", "--output", "bars.csv", "--format", "parquet"], 2),
        (["export_bars", "TEST:BTCUSD", "--output", "/proc/no/bars.csv"], 1),
    ],
)
def test_wrong_use_is_told_from_failure(minutes: list[datetime], arguments: list[str], code: int) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(*arguments)
    assert caught.value.returncode == code


def test_a_database_that_is_not_set_up_is_named_with_what_helps(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_self: object) -> None:
        raise OperationalError("no such table: symbols_symbol")

    monkeypatch.setattr("symbols.models.SymbolQuerySet.active", missing)
    with pytest.raises(CommandError, match=r"no such table.*`manage.py migrate`") as raised:
        call_command("gaps")
    assert raised.value.returncode == FAILED
