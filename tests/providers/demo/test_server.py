"""The demo market on a real port: sockets, heartbeats, faults, budgets, HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from domain.errors import InvalidRequest
from domain.interval import Interval
from providers.demo.clock import ManualClock, scaled_clock
from providers.demo.faults import ONE_SHOT, SWITCHES, Faults
from providers.demo.market import DemoMarket
from tests.providers.demo.dialogue import ANONYMOUS, Caller, bars, chart_calls, named, quote_calls
from tests.providers.demo.fixtures import RunningDemoMarket
from tests.providers.demo.refold import at


@pytest.fixture
def caller(demo_market):
    with Caller(demo_market.url) as found:
        yield found


@pytest.fixture(scope="module")
def shared_lively_market():
    demo = RunningDemoMarket(
        DemoMarket(1, clock=scaled_clock(20), always_open=True), step_seconds=0.01, heartbeat_seconds=0.05
    )
    demo.start()
    yield demo
    demo.stop()


@pytest.fixture
def lively(shared_lively_market):
    """A market whose time runs so fast that there is always something to tell, with a heart that beats as fast."""
    yield shared_lively_market
    shared_lively_market.faults.clear()


@pytest.fixture
def lively_caller(lively):
    with Caller(lively.url) as found:
        yield found


def get(url: str, method: str = "GET", **headers: str) -> tuple[int, object]:
    """Status and JSON (or text) of a request."""
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310  # http on loopback
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
            status, text = response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except json.JSONDecodeError:
        return status, text


def base(demo) -> str:
    return f"http://127.0.0.1:{demo.server.port}"


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def pass_time(demo, clock: ManualClock, seconds: float) -> None:
    """Until a step of the server has told what happened meanwhile."""
    clock.advance(seconds)
    assert eventually(lambda: demo.server.now_ms >= demo.market.now_ms())


class TestSockets:
    def test_hello_comes_first_and_at_once(self, demo_market):
        began = time.monotonic()
        with Caller(demo_market.url) as caller:
            assert next(caller.messages(2))["protocol"] == "json"
        assert time.monotonic() - began < 1

    def test_everything_at_once_is_answered(self, caller):
        caller.say(ANONYMOUS, *quote_calls("DEMO:BTCUSD", "DEMO:AAPL"), *chart_calls("DEMO:BTCUSD", "1", 20))
        heard = caller.until_called("series_completed")
        assert heard[0]["protocol"] == "json"
        assert len(bars(heard)) == 20
        caller.until(lambda message: message.get("m") == "qsd" and len(message["p"][1]["v"]) < 10)

    def test_any_query_and_two_origins_are_fine(self, demo_market):
        origins = [("Origin", "https://www.tradingview.com"), ("Origin", "https://data.tradingview.com")]
        with Caller(f"{demo_market.url}?from=chart%2F&date=2026&type=chart", additional_headers=origins) as caller:
            caller.until(lambda message: "session_id" in message)

    def test_what_is_streamed_folds_to_what_is_served(self, start_demo_market):
        """Every trade of some minutes over the wire, and the minutes' history over the wire: bit for bit the same."""
        clock = ManualClock(at("2026-11-24T15:00:00").timestamp() - 0.5)
        demo = start_demo_market(clock=clock, step_seconds=0.005)
        with Caller(demo.url) as caller:
            caller.say(*quote_calls("DEMO:BTCUSD", fields=("lp", "lp_time", "volume")))
            caller.until_called("quote_completed")
            for _ in range(61):
                pass_time(demo, clock, 3)
            caller.say(*chart_calls("DEMO:BTCUSD", "1", 10))
            heard = caller.until_called("series_completed")
        served = {values[0]: values[1:] for values in bars(heard)}
        folded: dict[int, list[float]] = {}
        state: dict[str, float] = {}
        first = True
        for payload in caller.packets:
            message = json.loads(payload) if payload.startswith(b"{") else {}
            if message.get("m") != "qsd":
                continue
            values = message["p"][1]["v"]
            passed = round(values.get("volume", 0) * 10_000) - round(state.get("volume", 0) * 10_000)
            state.update(values)
            if first or "volume" not in values:
                first = False
                continue
            minute, price = int(state["lp_time"]) // 60 * 60, state["lp"]
            bar = folded.setdefault(minute, [price, price, price, price, 0])
            bar[1], bar[2], bar[3], bar[4] = max(bar[1], price), min(bar[2], price), price, bar[4] + passed
        minutes = [int(at(f"2026-11-24T15:0{minute}").timestamp()) for minute in range(3)]
        for minute in minutes:
            *prices, steps = folded[minute]
            assert served[minute] == [*prices, steps / 10_000]

    def test_conflation_merges_trades_into_fewer_updates(self, start_demo_market):
        def count(conflate: int) -> int:
            clock = ManualClock(at("2026-11-24T15:00:30").timestamp())
            demo = start_demo_market(clock=clock, conflate=conflate, step_seconds=0.005)
            with Caller(demo.url) as caller:
                caller.say(*quote_calls("DEMO:BTCUSD", fields=("volume",)))
                caller.until_called("quote_completed")
                for _ in range(20):
                    pass_time(demo, clock, 1)
                caller.say(*chart_calls("DEMO:BTCUSD", "1", 1))
                return len(named(caller.until_called("series_completed"), "qsd"))

        assert count(4) < count(1) / 2

    def test_a_load_does_not_hold_up_quotes_or_other_sessions(self, lively, lively_caller):
        lively.faults.set(load_delay_seconds=8)
        lively_caller.say(*chart_calls("DEMO:BTCUSD", "1", 5), *quote_calls("DEMO:BTCUSD"))
        heard = [message for _ in range(3) for message in lively_caller.until_called("qsd")]
        assert not named(heard, "series_completed")

    def test_an_unknown_session_ends_the_connection(self, caller):
        caller.say(("create_series", "cs_x", "s", "s1", "sym", "1", 5))
        heard = caller.until_called("protocol_error")
        assert heard[-1]["p"][0].startswith("{unknown_session_id")
        with pytest.raises(ConnectionClosed):
            caller.socket.recv(timeout=3)

    def test_tapes_that_nobody_follows_are_dropped(self, start_demo_market):
        demo = start_demo_market(step_seconds=0.005)
        with Caller(demo.url) as caller:
            caller.say(*quote_calls("DEMO:BTCUSD"))
            caller.until_called("quote_completed")
            assert demo.server._tapes
        assert eventually(lambda: not demo.server._tapes and not demo.server.client_count)

    def test_a_clock_that_jumps_ends_connections_instead_of_flooding_them(self, start_demo_market):
        clock = ManualClock(at("2026-11-24T12:00").timestamp())
        demo = start_demo_market(clock=clock)
        with Caller(demo.url) as caller:
            caller.say(*quote_calls("DEMO:BTCUSD"))
            caller.until_called("quote_completed")
            clock.advance(3_600)
            with pytest.raises(ConnectionClosed):
                list(caller.messages(5))


class TestHeartbeats:
    def test_they_count_up_in_messages_of_their_own(self, start_demo_market):
        demo = start_demo_market(heartbeat_seconds=0.1)
        with Caller(demo.url) as caller:
            list(caller.messages(0.6))
            beats = [packet for packet in caller.packets if packet.startswith(b"~h~")]
        assert beats[:4] == [b"~h~1", b"~h~2", b"~h~3", b"~h~4"]

    def test_a_client_that_echoes_stays_and_one_that_does_not_is_closed(self, start_demo_market):
        demo = start_demo_market(heartbeat_seconds=0.05, echo_seconds=0.4)
        with Caller(demo.url) as faithful, Caller(demo.url) as silent:
            silent.echoes = False
            is_silent_closed = threading.Event()
            listener = threading.Thread(target=lambda: faithful.until(lambda _: is_silent_closed.is_set()))
            listener.start()
            began = time.monotonic()
            with pytest.raises(ConnectionClosed):
                list(silent.messages(5))
            assert 0.3 < time.monotonic() - began < 3
            is_silent_closed.set()
            faithful.say(*quote_calls("DEMO:BTCUSD"))
            listener.join(10)
            faithful.until_called("quote_completed")


def drained(caller: Caller) -> int:
    """How many packets came, once nothing but heartbeats comes any more."""
    while list(caller.messages(0.2)):
        pass
    return len(caller.packets)


class TestFaults:
    def test_a_stall_stops_data_and_answers_but_not_heartbeats(self, lively, lively_caller):
        lively_caller.say(*quote_calls("DEMO:BTCUSD"))
        lively_caller.until_called("quote_completed")
        lively.faults.set(stall=True)
        before = drained(lively_caller)
        lively_caller.say(*chart_calls("DEMO:BTCUSD"))
        assert list(lively_caller.messages(0.5)) == []
        assert all(packet.startswith(b"~h~") for packet in lively_caller.packets[before:])
        assert len(lively_caller.packets) > before + 3
        lively.faults.clear()
        lively_caller.until_called("qsd")

    def test_silence_stops_everything(self, lively, lively_caller):
        lively_caller.until(lambda message: "session_id" in message)
        lively.faults.set(silence=True)
        before = drained(lively_caller)
        lively_caller.say(*quote_calls("DEMO:BTCUSD"))
        assert list(lively_caller.messages(0.3)) == []
        assert len(lively_caller.packets) == before

    def test_no_heartbeat_stops_heartbeats_alone(self, lively):
        lively.faults.set(no_heartbeat=True)
        with Caller(lively.url) as caller:
            caller.say(*quote_calls("DEMO:BTCUSD"))
            assert len(list(caller.messages(0.4))) > 2
            assert not any(packet.startswith(b"~h~") for packet in caller.packets)

    def test_a_muted_symbol_dies_alone(self, lively, lively_caller):
        lively_caller.say(*quote_calls("DEMO:BTCUSD", "DEMO:ETHUSD"))
        lively_caller.until(lambda message: message.get("m") == "quote_completed" and message["p"][1] == "DEMO:ETHUSD")
        lively.faults.set(muted_symbols=["DEMO:BTCUSD"])
        muted_at = lively.market.now_ms() / 1_000
        later = Counter()

        def is_enough(message):
            values = message["p"][1]["v"] if message.get("m") == "qsd" else {}
            later[message["p"][1]["n"]] += values.get("lp_time", 0) > muted_at + 2
            return later["DEMO:ETHUSD"] > 20

        lively_caller.until(is_enough)
        assert later["DEMO:BTCUSD"] == 0

    @pytest.mark.parametrize(("switch", "status"), [("rate_limit", 429), ("forbidden", 403), ("require_origin", 403)])
    def test_upgrades_are_refused(self, demo_market, switch, status):
        demo_market.faults.set(**{switch: True})
        with pytest.raises(InvalidStatus) as refused, Caller(demo_market.url):
            pass
        assert refused.value.response.status_code == status
        assert (refused.value.response.headers.get("Retry-After") == "30") is (switch == "rate_limit")

    def test_an_origin_of_the_service_passes_where_one_is_required(self, demo_market):
        demo_market.faults.set(require_origin=True)
        with Caller(demo_market.url, origin="https://fr.tradingview.com") as caller:
            caller.until(lambda message: "session_id" in message)

    @pytest.mark.parametrize("name", ["garbage", "bad_json"])
    def test_garbage_comes_between_sound_packets(self, lively, lively_caller, name):
        lively_caller.say(*quote_calls("DEMO:BTCUSD"))
        lively_caller.until_called("quote_completed")
        lively.faults.inject(name)
        lively_caller.until(lambda message: bool(lively_caller.faults))
        assert len(lively_caller.faults) == 1
        lively_caller.until_called("qsd")

    @pytest.mark.parametrize("name", ["wrong_length", "truncated"])
    def test_a_packet_that_is_cut_is_lost_and_the_next_is_sound(self, lively, lively_caller, name):
        lively_caller.say(*quote_calls("DEMO:BTCUSD"))
        lively_caller.until_called("quote_completed")
        lively.faults.inject(name, count=2)
        lively_caller.until(lambda message: len(lively_caller.faults) == 2)
        assert all("cut short" in str(fault) for fault in lively_caller.faults)
        lively_caller.until_called("qsd")

    @pytest.mark.parametrize("name", ["drop", "close", "protocol_error"])
    def test_connections_end_and_new_ones_are_served(self, demo_market, caller, name):
        caller.until(lambda message: "session_id" in message)
        demo_market.faults.inject(name)
        with pytest.raises(ConnectionClosed) as ended:
            list(caller.messages(5))
        assert (ended.value.rcvd is None) is (name == "drop")
        with Caller(demo_market.url) as again:
            again.say(*quote_calls("DEMO:BTCUSD"))
            again.until_called("quote_completed")

    def test_a_late_correction_reaches_live_series(self, demo_market, caller):
        caller.say(*chart_calls("DEMO:BTCUSD", "1", 3))
        times = [values[0] for values in bars(caller.until_called("series_completed"))]
        demo_market.faults.inject("late_correction")
        caller.until(lambda m: m.get("m") == "du" and m["p"][1]["sds_1"]["s"][0]["v"][0] == times[-2])

    def test_slow_frames_and_glued_packets(self, demo_market):
        demo_market.faults.set(frame_delay_seconds=0.3, glue=True)
        with Caller(demo_market.url) as caller:
            caller.say(*quote_calls("DEMO:BTCUSD", "DEMO:ETHUSD"))
            began = time.monotonic()
            caller.until_called("quote_completed")
            assert time.monotonic() - began > 0.3
        demo_market.faults.set(frame_delay_seconds=0.0)
        with Caller(demo_market.url) as caller:
            caller.socket.recv(timeout=5)
            caller.say(*quote_calls("DEMO:BTCUSD", "DEMO:ETHUSD"))
            assert caller.socket.recv(timeout=5).count("~m~") > 2

    def test_unknown_names_and_wrong_values_are_refused(self):
        faults = Faults()
        for switches in (
            {"stal": True},
            {"stall": "yes"},
            {"stall": 1},
            {"load_delay_seconds": -1},
            {"symbol_errors": "X"},
        ):
            with pytest.raises(InvalidRequest):
                faults.set(**switches)
        with pytest.raises(InvalidRequest, match="drop"):
            faults.inject("explode")
        assert faults.state() == Faults().state()


class TestFaultsOverHttp:
    def test_switches_are_read_and_set(self, demo_market):
        status, state = get(f"{base(demo_market)}/faults")
        assert status == 200
        assert set(state) == set(SWITCHES)
        status, state = get(
            f"{base(demo_market)}/faults?stall=on&load_delay_seconds=1.5&symbol_errors=DEMO:X,DEMO:Y", "POST"
        )
        assert (status, state["stall"], state["symbol_errors"]) == (200, True, ["DEMO:X", "DEMO:Y"])
        assert demo_market.faults.load_delay_seconds == 1.5
        assert get(f"{base(demo_market)}/faults?clear=1", "POST")[1]["stall"] is False

    def test_one_shots_are_injected(self, demo_market, caller):
        caller.until(lambda message: "session_id" in message)
        assert get(f"{base(demo_market)}/faults?inject=drop", "POST")[0] == 200
        with pytest.raises(ConnectionClosed):
            list(caller.messages(5))

    @pytest.mark.parametrize(
        "query", ["stall=perhaps", "nonsense=1", "inject=explode", "count=x", "load_delay_seconds=soon"]
    )
    def test_mistakes_are_told(self, demo_market, query):
        status, text = get(f"{base(demo_market)}/faults?{query}", "POST")
        assert status == 400
        assert "takes" in text or "unknown fault" in text

    def test_pages_in_a_browser_may_not(self, demo_market):
        assert get(f"{base(demo_market)}/faults?stall=1", "POST", Origin="https://evil.example")[0] == 403
        assert get(f"{base(demo_market)}/faults?stall=1", "POST", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
        assert get(f"{base(demo_market)}/faults?stall=1")[0] == 405
        assert demo_market.faults.stall is False

    def test_every_one_shot_has_its_test(self):
        assert set(ONE_SHOT) == {
            "drop", "close", "garbage", "bad_json", "wrong_length", "truncated", "protocol_error", "late_correction"
        }  # fmt: skip


class TestBudgets:
    def test_a_client_that_does_not_read_is_cut_off(self, start_demo_market):
        demo = start_demo_market(always_open=True, budget_bytes=200_000)
        slow = socket.create_connection(("127.0.0.1", demo.server.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with Caller(demo.url, sock=slow) as caller, Caller(demo.url) as other:
            assert eventually(lambda: demo.server.client_count == 2)
            for number in range(60):
                caller.say(*chart_calls("DEMO:BTCUSD", "1", 5_000, session=f"cs_{number}"))
            assert eventually(lambda: demo.server.client_count == 1, 30)
            other.say(*quote_calls("DEMO:BTCUSD"))
            other.until_called("quote_completed")
            with pytest.raises(ConnectionClosed):
                list(caller.messages(5))

    def test_too_many_clients_are_refused(self, start_demo_market):
        demo = start_demo_market(max_clients=2)
        with Caller(demo.url), Caller(demo.url), pytest.raises(InvalidStatus) as refused, Caller(demo.url):
            pass
        assert refused.value.response.status_code == 429

    @pytest.mark.untraced
    def test_hundreds_of_trades_a_second_are_told_of_in_time(self, start_demo_market):
        demo = start_demo_market(synthetic_count=60, ticks_a_second=5.0)
        symbols = [f"DEMO:SYN{n:04}" for n in range(1, 61)]
        with Caller(demo.url) as caller:
            caller.say(*quote_calls(*symbols, fields=("lp", "lp_time", "volume")))
            left = set(symbols)

            def is_last(message):
                if message.get("m") == "quote_completed":
                    left.discard(message["p"][1])
                return not left

            caller.until(is_last, 60)
            counted = Counter()

            def is_enough(message):
                counted[message.get("m")] += 1
                return counted["qsd"] == 300

            updates = named(caller.until(is_enough), "qsd")
            assert time.time() - max(quote["v"].get("lp_time", 0) for _, quote in updates) < 3


class TestSearch:
    def found(self, demo, query: str) -> list[dict]:
        status, answer = get(f"{base(demo)}/symbol_search/v3/?{query}")
        assert status == 200
        return answer["symbols"]

    def test_by_ticker_by_name_and_with_exchange(self, demo_market):
        assert [row["symbol"] for row in self.found(demo_market, "text=btcusd")] == ["BTCUSD"]
        assert [row["symbol"] for row in self.found(demo_market, "text=Microsoft")] == ["MSFT"]
        assert [row["symbol"] for row in self.found(demo_market, "text=AAPL&exchange=DEMO&search_type=stocks")] == [
            "AAPL"
        ]
        assert [row["symbol"] for row in self.found(demo_market, f"text={quote('トヨタ')}")] == ["7203"]
        assert self.found(demo_market, "text=AAPL&exchange=NASDAQ") == []
        assert self.found(demo_market, "text=AAPL&search_type=crypto") == []
        assert self.found(demo_market, "text=nosuchthing") == []

    def test_rows_hold_what_clients_join_to_a_symbol(self, demo_market):
        (row,) = self.found(demo_market, "text=BTCUSD&search_type=undefined")
        assert (row["prefix"], row["exchange"], row["type"], row["currency_code"]) == ("DEMO", "DEMO", "spot", "USD")

    def test_matches_are_marked_on_request(self, demo_market):
        (row,) = self.found(demo_market, "text=btc&hl=1")
        assert row["symbol"] == "<em>BTC</em>USD"
        assert "<em>" not in self.found(demo_market, "text=btc")[0]["symbol"]

    def test_pages(self, start_demo_market):
        demo = start_demo_market(synthetic_count=120)
        first = get(f"{base(demo)}/symbol_search/v3/?text=SYN")[1]
        assert (len(first["symbols"]), first["symbols_remaining"]) == (50, 70)
        last = get(f"{base(demo)}/symbol_search/v3/?text=SYN&start=100")[1]
        assert (len(last["symbols"]), last["symbols_remaining"]) == (20, 0)

    @pytest.mark.parametrize("path", ["/symbol_search", "/symbol_search/"])
    def test_the_legacy_endpoint_answers_a_bare_list(self, demo_market, path):
        status, rows = get(f"{base(demo_market)}{path}?text=ETHUSD&hl=1&exchange=&lang=en&type=&domain=production")
        assert status == 200
        assert [row["symbol"] for row in rows] == ["<em>ETHUSD</em>"]


class TestOtherPages:
    def test_a_one_shot_quote(self, demo_market):
        status, values = get(
            f"{base(demo_market)}/symbol?symbol=DEMO%3ABTCUSD&fields=close,currency,volume,nonsense&no_404=true"
        )
        assert status == 200
        assert values["close"] > 0
        assert (values["currency"], values["nonsense"]) == ("USD", None)

    def test_a_one_shot_quote_of_nothing(self, demo_market):
        assert get(f"{base(demo_market)}/symbol?symbol=DEMO:NOSUCH&no_404=true") == (200, None)
        assert get(f"{base(demo_market)}/symbol?symbol=DEMO:NOSUCH") == (404, {"code": "symbol_not_exists"})

    def test_a_symbols_page_exists_if_the_symbol_does(self, demo_market):
        assert get(f"{base(demo_market)}/symbols/DEMO-BTCUSD/")[0] == 200
        assert get(f"{base(demo_market)}/symbols/DEMO:BTCUSD")[0] == 200
        assert get(f"{base(demo_market)}/symbols/NASDAQ:AAPL")[0] == 404

    def test_the_rest(self, demo_market):
        assert get(f"{base(demo_market)}/quote_token/") == (200, "unauthorized_user_token")
        assert get(f"{base(demo_market)}/")[0] == 200
        assert get(f"{base(demo_market)}/nonsense")[0] == 404
        assert get(f"{base(demo_market)}/socket.io/websocket")[0] == 426
        assert get(f"{base(demo_market)}/symbol_search", "POST")[0] == 405


def test_history_over_the_wire_is_the_markets(demo_market, caller):
    caller.say(*chart_calls("DEMO:ETHUSD", "5", 50))
    found = bars(caller.until_called("series_completed"))[:-1]
    span = (at("2020-01-01"), at("2040-01-01"), datetime.now(UTC))
    expected = demo_market.market.bars("DEMO:ETHUSD", Interval.M5, *span)
    by_time = {bar.open_time.timestamp(): [bar.open, bar.high, bar.low, bar.close, bar.volume] for bar in expected}
    assert all(by_time[values[0]] == values[1:] for values in found)
