"""Recordings of ticks: what is read exactly, what is refused with its place, and in what order it plays."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import threading
import time
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import UnreadableFile
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import key_time_ns
from providers.recording import fold_at_once, load
from providers.replay import Playback
from providers.tick_doubts import Doubts
from providers.tick_file import TickReader

SHARED = Path(os.environ.get("POCKETQUANT_SHARED", Path(__file__).parents[2] / "../shared"))
NOON = 1_570_752_000_000_000_000  # 2019-10-11T00:00:00Z
INSTRUMENT = Instrument(symbol="TEST:THING")


@pytest.fixture
def recorded(tmp_path):
    """Writes a file and gives its path."""

    def write(content: str | bytes, name: str = "ticks.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def trades(*lines: str, header: str = "ts_ns,price,size", end: str = "\n") -> str:
    return end.join([header, *lines, ""])


def rows(path: Path, **options) -> list[tuple[int, float, Decimal]]:
    """(ns after NOON, price, size) of each tick, in the order of the file."""
    found = []
    for piece in TickReader(**options).read(path):
        sizes = [Decimal(lots).scaleb(-piece.decimals) for lots in piece.lots.tolist()]
        times = [time_ns - NOON for time_ns in piece.time_ns.tolist()]
        found += zip(times, piece.prices.tolist(), sizes, strict=True)
    return found


ONE = [(5, 10.5, Decimal("0.25"))]


class TestWhatIsRead:
    @pytest.mark.parametrize(
        "content",
        [
            trades(f"{NOON + 5},10.5,0.25"),
            trades(f"{NOON + 5},10.5,0.25", end="\r\n"),
            trades(f"{NOON + 5},10.5,0.25", end="\r"),
            trades(f"{NOON + 5},10.5,0.25").rstrip("\n"),
            "\ufeff" + trades(f"{NOON + 5},10.5,0.25"),
            "\n\n" + trades("", f"{NOON + 5},10.5,0.25", "  ", ""),
            trades(f'"{NOON + 5}","10.5","0.25"', header='"ts_ns","price","size"'),
            trades(f'{NOON + 5},10.5,0.25,"a, b"', header="ts_ns,price,size,note"),
            trades(f"0.25,x_1,10.5,{NOON + 5}", header="Size,id, PRICE ,TS_NS"),
            trades(f" {NOON + 5} ,1.05e1,2.5E-1"),
            trades(f"{NOON + 5},+10.50,.25"),
            trades(f'{NOON + 5},10.5,0.25,5" pipe', header="ts_ns,price,size,note"),
            trades(f"{NOON + 5},10.5,0.25,Zürich", header="ts_ns,price,size,venue"),
        ],
    )
    def test_one_tick_written_in_many_ways_is_the_same_tick(self, recorded, content):
        assert rows(recorded(content)) == ONE

    def test_other_columns_may_hold_any_bytes(self, recorded):
        content = trades(f"{NOON + 5},10.5,0.25,", header="ts_ns,price,size,note").encode().rstrip() + b"\xff\xfe\n"
        assert rows(recorded(content)) == ONE

    @pytest.mark.parametrize("name", ["ticks.csv.gz", "ticks.csv", "ticks"])
    def test_gzip_is_known_by_its_bytes_and_may_have_several_members(self, recorded, name):
        content = gzip.compress(trades(f"{NOON + 5},10.5,0.25").encode()) + gzip.compress(f"{NOON + 6},11,1\n".encode())
        assert rows(recorded(content, name)) == [*ONE, (6, 11.0, Decimal(1))]

    @pytest.mark.parametrize(("price", "expected"), [("bid", 1.25), ("ask", 1.75), ("mid", 1.5), (None, 1.5)])
    def test_a_quote_has_the_price_asked_for_and_no_size(self, recorded, price, expected):
        path = recorded(trades(f"{NOON},1.25,1.75", header="ts_ns,bid,ask"))
        assert rows(path, price=price) == [(0, expected, Decimal(0))]

    def test_one_side_is_enough_when_only_that_is_asked_for(self, recorded):
        assert rows(recorded(trades(f"{NOON},1.25", header="ts_ns,bid")), price="bid") == [(0, 1.25, Decimal(0))]

    @pytest.mark.parametrize(
        "size",
        [
            "1e-05",
            "0.000000001",
            "123456789012345678.123456789",
            "1E+20",
            "0",
            "0.0",
            "-0",
            "1e30",
            "5e-40",
            "0e-999999999",
            "0e50",
            "1e00001",
        ],
    )
    def test_sizes_are_exact_decimals(self, recorded, size):
        [tick] = rows(recorded(trades(f"{NOON},1,{size}")))
        assert tick[2] == Decimal(size)

    @pytest.mark.parametrize(
        ("price", "expected"), [("-37.63", -37.63), ("0", 0.0), ("-0.0", 0.0), ("0e-999999999", 0)]
    )
    def test_prices_may_be_zero_or_negative(self, recorded, price, expected):
        [tick] = rows(recorded(trades(f"{NOON},{price},1")))
        assert str(tick[1]) == str(float(expected))  # no negative zero

    @pytest.mark.parametrize(
        ("bid", "ask", "middle"),
        [
            ("1.1", "1.3", 1.2),
            ("1.38697", "1.38704", 1.387005),
            ("-0.1", "-0.2", -0.15),
            ("-1", "1.0", 0.0),
            ("1e-30", "3e-30", 2e-30),
            ("0.1234567890123456789", "0.1234567890123456791", 0.123456789012345679),
            ("9007199254740993", "9007199254740995", 9007199254740994.0),
            ("1e15", "0.1", 500000000000000.05),
            ("0e-99999999999999999999", "0.0000000000000000002", 1e-19),
            (" 1.1 ", "1.3", 1.2),
        ],
    )
    def test_the_middle_is_that_of_the_decimals_written(self, recorded, bid, ask, middle):
        [tick] = rows(recorded(trades(f"{NOON},{bid},{ask}", header="ts_ns,bid,ask")))
        assert tick[1] == middle

    @given(
        st.lists(
            st.tuples(*[st.decimals(-(10**6), 10**6, allow_nan=False, places=places) for places in (5, 7)]), min_size=1
        )
    )
    @settings(max_examples=50, deadline=None)
    def test_every_middle_is_the_double_nearest_to_the_exact_one(self, tmp_path_factory, quotes):
        path = tmp_path_factory.mktemp("quotes") / "ticks.csv"
        path.write_text(trades(*(f"{NOON},{bid:f},{ask:f}" for bid, ask in quotes), header="ts_ns,bid,ask"))
        exact = [float((Fraction(bid) + Fraction(ask)) / 2) for bid, ask in quotes]
        assert [price for _, price, _ in rows(path)] == exact

    @pytest.mark.parametrize("packed", [bytes, gzip.compress])
    def test_a_pipe_is_opened_once(self, tmp_path, packed):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        content = packed(trades(f"{NOON + 5},10.5,0.25").encode())
        first, rest = content[:1], content[1:]  # a pipe may hand out a single byte

        def write() -> None:
            with pipe.open("wb", buffering=0) as file:
                file.write(first)
                file.write(rest)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        assert rows(pipe) == ONE
        writer.join(10)

    @given(st.lists(st.decimals(min_value=0, max_value=10**25, allow_nan=False, places=9), min_size=1, max_size=30))
    @settings(max_examples=50, deadline=None)
    def test_volume_is_the_exact_sum_of_the_sizes_written(self, tmp_path_factory, sizes):
        path = tmp_path_factory.mktemp("sizes") / "ticks.csv"
        path.write_text(trades(*(f"{NOON},1,{size}" for size in sizes)))
        fold, lots_per_unit = fold_at_once(INSTRUMENT, [path])
        [lots] = fold.bars()[Interval.D1].lots.tolist()
        assert Fraction(lots, lots_per_unit) == sum(map(Fraction, sizes))  # a Decimal sum would round

    def test_a_finer_size_later_on_changes_none_before_it(self, recorded):
        first = recorded(trades(f"{NOON},1,0.1", f"{NOON},1,7"), "a.csv")
        second = recorded(trades(f"{NOON},1,1e-12"), "b.csv")
        fold, lots_per_unit = fold_at_once(INSTRUMENT, [first, second])
        assert Decimal(fold.bars()[Interval.MN1].lots.tolist()[0]) / lots_per_unit == Decimal("7.100000000001")
        recording = load([first, second])
        assert [Decimal(lots) / recording.lots_per_unit for lots in recording.lots.tolist()] == [
            Decimal("0.1"),
            Decimal(7),
            Decimal("1e-12"),
        ]

    def test_more_lines_than_fit_one_piece(self, recorded):
        count = 120_001
        path = recorded(trades(*(f"{NOON + n},{1 + n % 7},1" for n in range(count))))
        assert [time_ns for time_ns, *_ in rows(path)] == list(range(count))

    def test_a_header_alone_is_a_recording_without_ticks(self, recorded):
        path = recorded("ts_ns,price,size\n")
        assert rows(path) == []
        assert len(load([path])) == 0


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("lines", "line", "complaint"),
        [
            (["1,2"], 2, "2 fields, the header has 3"),
            ([f"{NOON},1,1,1"], 2, "4 fields"),
            ([f"{NOON},1,1", "", "x,1,1"], 4, "ts_ns is not a time"),
            ([f"{NOON},1,1", f"{NOON},nan,1"], 3, "price is not a finite number: 'nan'"),
            ([f"{NOON},inf,1"], 2, "price"),
            ([f"{NOON},1e-400,1"], 2, "price"),
            ([f"{NOON},-1e100,1"], 2, "price"),
            ([f"{NOON},0x0,1"], 2, "price"),
            ([f"{NOON},1,0.{'0' * 45}1"], 2, "size"),
            ([f"{NOON},1,1e99999999999999999999"], 2, "size"),
            ([f"{NOON},1,1{' ' * 5000}"], 2, "longer than 4096"),
            ([f"{NOON},1e+100,1"], 2, "price"),
            ([f"{NOON},,1"], 2, "price"),
            ([f"{NOON},1_0,1"], 2, "price"),
            ([f"{NOON},１,1"], 2, "price"),
            ([f"{NOON},1,-0.1"], 2, "size is not a number from 0 up: '-0.1'"),
            ([f"{NOON},1,nan"], 2, "size"),
            ([f"{NOON},1,Infinity"], 2, "size"),
            ([f"{NOON},1,"], 2, "size"),
            ([f"{NOON},1,1e999"], 2, "size"),
            ([f"{NOON},1,1e-999"], 2, "size"),
            ([f"{NOON},1,1_000"], 2, "size"),
            (["-5,1,1"], 2, "ts_ns"),
            (["1.5e18,1,1"], 2, "ts_ns"),
            (["99999999999999999999,1,1"], 2, "ts_ns"),
            (["2019-10-11T00:00:00Z,1,1"], 2, "ts_ns"),
            ([f"{NOON},1,1", "ts_ns,price,size"], 3, "ts_ns"),
            ([f'{NOON},"1,1'], 2, "a quote that does not end in its line"),
        ],
    )
    def test_a_broken_line_is_named(self, recorded, lines, line, complaint):
        path = recorded(trades(*lines))
        with pytest.raises(UnreadableFile, match=complaint) as raised:
            rows(path)
        assert str(raised.value).startswith(f"{path}, line {line}: ")

    def test_a_field_with_a_line_break_is_named_where_it_begins(self, recorded):
        path = recorded(trades(f'{NOON},1,1,"a', 'b"', header="ts_ns,price,size,note"))
        with pytest.raises(UnreadableFile, match="line 2: a quote that does not end in its line"):
            rows(path)

    def test_a_broken_line_far_down_is_named_too(self, recorded):
        lines = [f"{NOON + n},1,1" for n in range(60_000)]
        lines[55_554] = "oops"
        with pytest.raises(UnreadableFile, match="line 55556: 1 fields"):
            rows(recorded(trades(*lines)))

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ("", "line 1: empty"),
            ("\n \n", "line 3: empty"),
            ("ts_ns,price\n1,2\n", "line 1: no column size"),
            ("ts_ns,bid\n1,2\n", "no column ask"),
            ("time,price,size\n", "no column ts_ns"),
            ("ts_ns,price,size,price\n", "two columns price"),
            (f"{NOON},1,1\n", "no column ts_ns"),
            (b"\x00\x01\x02", "no column ts_ns"),
        ],
    )
    def test_a_header_that_does_not_say_enough(self, recorded, content, complaint):
        with pytest.raises(UnreadableFile, match=complaint):
            rows(recorded(content))

    def test_trades_have_no_bid(self, recorded):
        complaint = "no column bid: the bid of quotes was asked for, and these are trades"
        with pytest.raises(UnreadableFile, match=complaint):
            rows(recorded(trades(f"{NOON},1,1")), price="bid")

    @pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
    def test_a_damaged_gzip_file_is_not_half_read_in_silence(self, recorded, damage):
        whole = gzip.compress(trades(*(f"{NOON + n * 7919},{n % 911},{n % 31}" for n in range(1, 20_000))).encode())
        damaged = {
            "cut": whole[: len(whole) // 2],
            "garbage": whole + b"not gzip",
            "flipped": whole[:5_000] + bytes([whole[5_000] ^ 255]) + whole[5_001:],
        }[damage]
        path = recorded(damaged, "ticks.csv.gz")
        with pytest.raises(UnreadableFile, match=rf"{path.name}, line \d+: "):
            rows(path)

    def test_a_cut_gzip_file_names_the_line_after_the_last_whole_one(self, recorded):
        path = recorded(gzip.compress(trades(f"{NOON},1,1", f"{NOON},1,1").encode())[:-8], "ticks.csv.gz")
        with pytest.raises(UnreadableFile, match="line 4: damaged or cut short"):
            rows(path)

    def test_files_that_cannot_be_opened(self, tmp_path):
        with pytest.raises(UnreadableFile, match="No such file"):
            rows(tmp_path / "absent.csv")
        with pytest.raises(UnreadableFile, match="directory"):
            rows(tmp_path)


class TestOrder:
    def test_lines_out_of_order_take_their_place_by_time_and_equal_times_keep_theirs(self, recorded):
        first = recorded(trades(f"{NOON + 9},1,1", f"{NOON + 3},2,1", f"{NOON + 9},3,1"), "a.csv")
        second = recorded(trades(f"{NOON + 3},4,1", f"{NOON + 9},5,1"), "b.csv")
        assert load([first, second]).prices.tolist() == [2.0, 4.0, 1.0, 3.0, 5.0]

    def test_a_venues_ids_do_not_reorder_equal_times(self, recorded):
        path = recorded(trades(f"{NOON},1,1,9", f"{NOON},2,1,3", header="ts_ns,price,size,id"))
        assert load([path]).prices.tolist() == [1.0, 2.0]

    async def test_it_plays_every_tick_once_in_order(self, recorded):
        path = recorded(trades(*(f"{NOON + n // 3},{n + 1},1" for n in range(25_000))))
        ticks = [tick async for batch in Playback(load([path]), "TEST:THING").batches() for tick in batch]
        assert [tick.price for tick in ticks] == [n + 1 for n in range(25_000)]
        assert all(a.key < b.key for a, b in pairwise(ticks))
        assert [key_time_ns(tick.key) for tick in ticks] == [NOON + n // 3 for n in range(25_000)]

    async def test_speed_divides_the_time_between_ticks(self, recorded):
        path = recorded(trades(*(f"{NOON + n * 10**9},1,1" for n in (0, 10, 20))))
        begun = time.monotonic()
        moments = [time.monotonic() - begun async for _ in Playback(load([path]), "TEST:THING", speed=100).batches()]
        assert moments[0] < 0.1 <= moments[1] < 0.2 <= moments[2]

    async def test_a_gap_of_two_centuries_ends_too(self, recorded):
        path = recorded(trades("0,1,1", f"{2**63 - 1},2,1"))
        playback = Playback(load([path]), "TEST:THING", speed=1e300)
        async with asyncio.timeout(5):
            ticks = [tick async for batch in playback.batches() for tick in batch]
        assert [tick.price for tick in ticks] == [1.0, 2.0]

    def test_sizes_finer_than_the_lot_step_are_rounded_and_counted(self, recorded):
        recording = load([recorded(trades(f"{NOON},1,0.004", f"{NOON},1,0.005", f"{NOON},1,0.01"))])
        coarse, rounded = recording.in_steps(100)
        assert coarse.lots.tolist() == [0, 1, 1]
        assert rounded == 2
        assert recording.in_steps(10**9)[0].lots.tolist() == [4 * 10**6, 5 * 10**6, 10**7]


class TestDoubts:
    def doubted(self, *paths: Path) -> list[str]:
        doubts = Doubts()
        load(paths, doubts=doubts)
        return doubts.words()

    def test_nothing_odd_is_nothing_said(self, recorded):
        assert self.doubted(recorded(trades(f"{NOON},1,1"))) == []

    def test_milliseconds_among_nanoseconds_are_named_with_their_line(self, recorded):
        good = recorded(trades(f"{NOON},1,1"), "a.csv")
        path = recorded(trades(f"{NOON},1,1", "", "1356998659486,10,1", f"{NOON},1,1", "1356998659487,10,1"), "b.csv")
        assert self.doubted(good, path) == [
            f"{path}, line 4: a tick of 1970-01-01 00:22 (and 1 more like it): are the times in ts_ns really nanoseconds?"
        ]

    def test_prices_that_are_not_above_zero_are_named_too(self, recorded):
        path = recorded(trades(f"{NOON},1,1", f"{NOON},-37.63,1"))
        assert self.doubted(path) == [f"{path}, line 3: a price of -37.63: taken as written"]


def shared(relative: str) -> Path:
    path = SHARED / "data" / relative
    if not path.exists():
        pytest.skip(f"the shared data folder beside the project has no {relative}")
    return path


class TestRealRecordings:
    @pytest.mark.parametrize("name", ["mtgox_btcusd_20130101", "binance_xrpeth_20191011_20191013"])
    def test_trades_give_the_expected_bars_of_all_13_intervals(self, name):
        expected = json.loads(shared(f"expected/bars13_{name}.json").read_text())["bars"]
        fold, lots_per_unit = fold_at_once(INSTRUMENT, [shared(f"ticks/{name}_trades.csv.gz")])
        found = fold.bars()
        assert set(expected) == {interval.value for interval in found}
        for interval, columns in found.items():
            bars = zip(*(column.tolist() for column in columns), strict=True)
            for (time_, *prices, volume, count), (key, _, _, o, h, low, c, lots, n) in zip(
                expected[interval.value], bars, strict=True
            ):
                assert time_ == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(key))
                assert [float(price) for price in prices] == [o, h, low, c]
                assert Decimal(lots) / lots_per_unit == Decimal(volume)
                assert count == n

    @pytest.mark.parametrize("side", ["bid", "ask"])
    def test_quotes_give_the_venues_own_minutes(self, side):
        recordings = sorted(shared("ticks").glob("*_quote_ticks.csv.gz"))
        compared = 0
        for path in recordings:
            bars_path = path.with_name(path.name.replace("_quote_ticks", "_quote_bars_1m"))
            if not bars_path.exists():
                continue
            header, *lines = gzip.decompress(bars_path.read_bytes()).decode().split()
            places = [
                header.split(",").index(name)
                for name in ("time", f"{side}_open", f"{side}_high", f"{side}_low", f"{side}_close")
            ]
            expected = [[line.split(",")[place] for place in places] for line in lines]
            fold, _ = fold_at_once(INSTRUMENT, [path], price=side)
            minutes = fold.bars()[Interval.M1]
            found = zip(minutes.key.tolist(), minutes.open, minutes.high, minutes.low, minutes.close, strict=True)
            for (time_, *prices), (key, *values) in zip(expected, found, strict=True):
                assert time_ == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(key))
                assert [float(price) for price in prices] == values
                compared += 1
        assert compared > 10_000

    @pytest.mark.parametrize(
        ("name", "share"), [("bac_20131010", 0.93), ("spy_20131007", 0.93), ("ibm_20131007", 0.73)]
    )
    def test_us_trades_give_nearly_the_vendors_minutes(self, name, share):
        # The vendor leaves some sale conditions out of its prices, by a rule that is not published.
        _, *lines = gzip.decompress(shared(f"ticks/us_{name}_bars_1m.csv.gz").read_bytes()).decode().split()
        expected = {line.split(",")[0]: tuple(map(float, line.split(",")[1:])) for line in lines}
        fold, lots_per_unit = fold_at_once(INSTRUMENT, [shared(f"ticks/us_{name}_trades.csv.gz")])
        minutes = fold.bars()[Interval.M1]
        volumes = [lots / lots_per_unit for lots in minutes.lots.tolist()]
        values = zip(minutes.open, minutes.high, minutes.low, minutes.close, volumes, strict=True)
        times = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(key)) for key in minutes.key.tolist())
        found = dict(zip(times, values, strict=True))
        assert expected.keys() <= found.keys()
        assert sum(found[one][4] == bar[4] for one, bar in expected.items()) >= len(expected) - 8
        for column in range(4):
            same = sum(found[one][column] == bar[column] for one, bar in expected.items())
            assert same >= share * len(expected)
