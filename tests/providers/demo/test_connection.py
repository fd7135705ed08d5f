"""The wire, line by line, as other people's clients expect it. No socket here; test_server.py has one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.interval import Interval
from providers.demo import table
from providers.demo.clock import ManualClock
from providers.demo.market import DemoMarket
from providers.tradingview import codec
from tests.providers.demo.dialogue import ANONYMOUS, Dialogue, bars, chart_calls, named, quote_calls
from tests.providers.demo.refold import at

TUESDAY = at("2026-11-24T15:00:20").timestamp()  # New York is open, so are London and Chicago; Tokyo is not
PRICE = ("lp", "lp_time", "volume", "ch", "chp", "bid", "ask", "update_mode")


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock(TUESDAY)


@pytest.fixture(scope="module")
def market(clock) -> DemoMarket:
    return DemoMarket(1, clock=clock)


@pytest.fixture
def client(market, clock) -> Dialogue:
    clock.seconds = TUESDAY
    dialogue = Dialogue(market, clock)
    dialogue.say(ANONYMOUS)
    return dialogue


def loaded(client: Dialogue, symbol: str, resolution: str = "1", count: object = 10, *rest: object):
    return client.say(*chart_calls(symbol, resolution, count, *rest))


class TestHelloAndAuthentication:
    def test_hello_has_no_method_and_says_the_protocol(self, client):
        hello = json.loads(client.connection.hello())
        assert "m" not in hello
        assert hello["protocol"] == "json"
        assert hello["timestamp"] == int(TUESDAY)
        assert isinstance(hello["javastudies"], list)
        assert "redirect" not in hello

    def test_the_anonymous_token_is_not_answered_and_may_come_again(self, client):
        assert client.say(ANONYMOUS, ("set_locale", "en", "US"), ("set_data_quality", "low"), ANONYMOUS) == []
        assert not client.connection.is_over

    @pytest.mark.parametrize("token", ["", "nonsense", 7, None, "a.b.c", "e30.e30.x"])
    def test_a_bad_token_ends_the_connection(self, client, token):
        assert client.say(("set_auth_token", token)) == [{"m": "protocol_error", "p": ["bad auth token"]}]
        assert client.connection.is_over

    @pytest.mark.parametrize(("seconds", "accepted"), [(600, True), (-600, False)])
    def test_a_jwt_is_accepted_until_it_expires(self, client, seconds, accepted):
        claims = base64.urlsafe_b64encode(json.dumps({"exp": TUESDAY + seconds}).encode()).decode().rstrip("=")
        answer = client.say(("set_auth_token", f"h.{claims}.s"))
        assert (answer == []) is accepted

    @pytest.mark.parametrize("text", ["hello", "~m~5~m~{}", "~m~3~m~{,}", "~m~2~m~[]", '~m~7~m~{"m":1}'])
    def test_what_is_no_packet_or_no_call_ends_the_connection(self, client, text):
        assert client.send(text) == [{"m": "protocol_error", "p": ["wrong data"]}]
        assert client.connection.is_over

    def test_unknown_and_unserved_methods_are_passed_over(self, client):
        assert client.say(("create_study", "cs_1", "st1"), ("replay_create_session", "rs"), ("nonsense",)) == []
        assert not client.connection.is_over

    @pytest.mark.parametrize("echo", ["~m~4~m~~h~3", "~m~11~m~~m~4~m~~h~3"])
    def test_heartbeats_are_echoed_alone_or_in_their_own_packet(self, client, echo):
        assert client.send(echo) == []
        assert client.connection.last_echo == 3


class TestQuotes:
    def test_first_everything_asked_for_then_completed_then_only_what_changed(self, client):
        full, completed = client.say(*quote_calls("DEMO:BTCUSD", fields=PRICE))
        assert full["m"] == "qsd"
        assert set(full["p"][1]["v"]) == set(PRICE)
        assert completed == {"m": "quote_completed", "p": ["qs_1", "DEMO:BTCUSD"]}
        told = dict(full["p"][1]["v"])
        for session, quote in named(client.wait(20), "qsd"):
            assert session == "qs_1"
            assert quote["s"] == "ok"
            assert quote["v"]
            assert all(told[name] != value for name, value in quote["v"].items())
            told.update(quote["v"])
        assert told["lp"] != full["p"][1]["v"]["lp"]

    def test_the_key_comes_back_verbatim(self, client):
        keys = ['={"session" : "regular",  "symbol":"DEMO:AAPL"}', "demo:aapl", "AAPL", '={"symbol":"DEMO:BREZ"}']
        heard = client.say(*quote_calls(*keys, fields=("lp",)))
        assert [quote["n"] for _, quote in named(heard, "qsd")] == keys
        assert [key for _, key in named(heard, "quote_completed")] == keys

    def test_without_a_set_of_fields_all_are_told(self, client):
        heard = client.say(*quote_calls("DEMO:AAPL"))
        values = named(heard, "qsd")[0][1]["v"]
        assert {"lp", "bid", "description", "pricescale", "typespecs", "current_session", "prev_close_price"} <= set(
            values
        )
        assert values["rtc"] is None

    def test_volume_is_the_days_so_far_and_fields_come_alone(self, client):
        heard = client.say(*quote_calls("DEMO:BTCUSD", fields=PRICE)) + client.wait(60)
        updates = [quote["v"] for _, quote in named(heard, "qsd")]
        volumes = [update["volume"] for update in updates if "volume" in update]
        assert volumes == sorted(volumes)
        assert len(set(volumes)) == len(volumes)
        assert any("lp" not in update and "volume" in update for update in updates)
        assert any(set(update) <= {"bid", "ask"} for update in updates)

    def test_one_update_a_trade(self, client, market):
        client.say(*quote_calls("DEMO:BTCUSD", fields=("volume",)))
        heard = named(client.wait(30), "qsd")
        start = int(TUESDAY * 1e9) + 1
        assert len(heard) == sum(1 for _ in market.ticks("DEMO:BTCUSD", start, start + 30 * 10**9))

    def test_an_index_has_no_volume_and_no_book(self, client):
        values = named(client.say(*quote_calls("DEMO:DEMO500")), "qsd")[0][1]["v"]
        assert not {"volume", "bid", "ask"} & set(values)
        assert values["lp"] > 0

    def test_prices_and_times_are_the_markets(self, client, market):
        values = named(client.say(*quote_calls("DEMO:AAPL")), "qsd")[0][1]["v"]
        day = market.bars("DEMO:AAPL", Interval.D1, at("2026-11-20"), at("2026-11-25"), at("2026-11-24T15:00:20"))
        assert (values["open_price"], values["high_price"], values["low_price"], values["lp"], values["volume"]) == (
            day[-1].open, day[-1].high, day[-1].low, day[-1].close, day[-1].volume
        )  # fmt: skip
        assert values["prev_close_price"] == day[-2].close
        assert values["ch"] == pytest.approx(values["lp"] - values["prev_close_price"])
        assert isinstance(values["lp_time"], int)
        assert values["current_session"] == "market"
        assert values["open_time"] == int(day[-1].starts_at.timestamp())

    def test_a_closed_market_is_out_of_session(self, client):
        assert named(client.say(*quote_calls("DEMO:7203")), "qsd")[0][1]["v"]["current_session"] == "out_of_session"

    def test_a_delayed_symbol_says_so_and_its_times_are_old(self, client):
        values = named(client.say(*quote_calls("DEMO:VOD")), "qsd")[0][1]["v"]
        assert values["update_mode"] == "delayed_streaming_900"
        assert TUESDAY - 960 < values["lp_time"] <= TUESDAY - 900

    def test_an_unknown_symbol_is_an_error_of_its_key_alone(self, client):
        heard = client.say(*quote_calls("DEMO:NOSUCH", "NASDAQ:AAPL", "DEMO:BTCUSD", fields=("lp",)))
        errors = [quote for _, quote in named(heard, "qsd") if quote["s"] == "error"]
        assert errors == [
            {"n": key, "s": "error", "errmsg": "no_such_symbol", "v": {}} for key in ("DEMO:NOSUCH", "NASDAQ:AAPL")
        ]
        assert len(named(heard, "quote_completed")) == 3
        assert named(client.wait(5), "qsd")

    def test_the_old_flags_end_the_quote_session_and_nothing_else(self, client):
        heard = client.say(
            *chart_calls("DEMO:BTCUSD", "1", 3),
            *quote_calls("DEMO:BTCUSD", {"flags": ["force_permission"]}),
            ("quote_fast_symbols", "qs_1", "DEMO:BTCUSD"),
        )
        assert named(heard, "critical_error") == [["qs_1", "invalid_parameters", "quote_add_symbols"]]
        assert named(heard, "series_completed")
        assert not named(heard, "qsd")
        assert not client.connection.is_over
        assert named(client.say(*quote_calls("DEMO:BTCUSD", session="qs_2")), "qsd")

    def test_fast_and_hibernated_symbols_go_on(self, client):
        client.say(
            *quote_calls("DEMO:BTCUSD"), ("quote_fast_symbols", "qs_1", "DEMO:ETHUSD"), ("quote_hibernate_all", "qs_1")
        )
        assert named(client.wait(5), "qsd")

    def test_removed_symbols_and_deleted_sessions_are_not_told_of(self, client):
        client.say(*quote_calls("DEMO:BTCUSD", "DEMO:ETHUSD", fields=("lp",)))
        assert client.say(("quote_remove_symbols", "qs_1", "DEMO:BTCUSD")) == []
        assert {quote["n"] for _, quote in named(client.wait(10), "qsd")} == {"DEMO:ETHUSD"}
        assert client.say(("quote_delete_session", "qs_1")) == []
        assert client.wait(10) == []
        assert client.connection.follows() == set()

    def test_the_day_begins_anew_at_midnight(self, client):
        client.clock.seconds = at("2026-11-24T23:59:50").timestamp()
        before = named(client.say(*quote_calls("DEMO:BTCUSD")), "qsd")[0][1]["v"]
        updates = [quote["v"] for _, quote in named(client.wait(20), "qsd")]
        first = next(update for update in updates if "prev_close_price" in update)
        assert first["volume"] < before["volume"] / 2
        assert first["open_time"] == int(at("2026-11-25").timestamp())
        assert first["open_price"] > 0

    def test_the_close_of_a_session_is_told(self, client):
        client.clock.seconds = at("2026-11-24T20:59:57").timestamp()
        client.say(*quote_calls("DEMO:AAPL", fields=("current_session",)))
        assert [quote["v"] for _, quote in named(client.wait(6), "qsd")] == [{"current_session": "out_of_session"}]


class TestResolving:
    def test_what_a_symbol_is(self, client):
        info = named(loaded(client, "DEMO:AAPL"), "symbol_resolved")[0][2]
        assert info["full_name"] == info["pro_name"] == "DEMO:AAPL"
        assert (info["session"], info["timezone"], info["pricescale"], info["minmov"]) == (
            "0930-1600", "America/New_York", 100, 1
        )  # fmt: skip
        assert info["visible_plots_set"] == "ohlcv"
        assert info["has_intraday"] is True
        assert info["subsessions"][0]["id"] == "regular"

    @pytest.mark.parametrize(
        ("symbol", "session", "timezone"),
        [
            ("DEMO:BTCUSD", "24x7", "Etc/UTC"),
            ("DEMO:7203", "0900-1130,1230-1530", "Asia/Tokyo"),
            ("DEMO:ES1!", "1700-1600", "America/Chicago"),
            ("DEMO:EURUSD", "1700-1700", "America/New_York"),
        ],
    )
    def test_sessions(self, client, symbol, session, timezone):
        info = named(loaded(client, symbol), "symbol_resolved")[0][2]
        assert (info["session"], info["timezone"]) == (session, timezone)

    def test_special_ones(self, client):
        assert named(loaded(client, "DEMO:VOD"), "symbol_resolved")[0][2]["delay"] == 900
        heard = client.say(("resolve_symbol", "cs_1", "a", "DEMO:DEMO500"), ("resolve_symbol", "cs_1", "b", "BREZ"))
        index, stock = (params[2] for params in named(heard, "symbol_resolved"))
        assert index["visible_plots_set"] == "ohlc"
        assert "🥨" in stock["description"]

    @pytest.mark.parametrize(
        "spec",
        [
            "DEMO:BTCUSD",
            "BTCUSD",
            '={"symbol":"DEMO:BTCUSD"}',
            '={ "currency-id":"USD", "symbol" : "DEMO:BTCUSD" , "session":"extended"}',
            '={"replay":"rs_1","symbol":{"symbol":"DEMO:BTCUSD","adjustment":"splits"}}',
        ],
    )
    def test_every_way_to_name_a_symbol(self, client, spec):
        heard = client.say(("chart_create_session", "cs_1"), ("resolve_symbol", "cs_1", "sym", spec))
        assert named(heard, "symbol_resolved")[0][2]["full_name"] == "DEMO:BTCUSD"

    @pytest.mark.parametrize(
        "spec", ["DEMO:NOSUCH", "NYSE:BTCUSD", '{"symbol":"DEMO:BTCUSD"}', "={broken", "={}", "", 5, None]
    )
    def test_an_invalid_symbol(self, client, spec):
        heard = client.say(
            ("chart_create_session", "cs_1"),
            ("resolve_symbol", "cs_1", "sym", spec),
            ("create_series", "cs_1", "sds_1", "s1", "sym", "1", 10),
        )
        assert named(heard, "symbol_error") == [["cs_1", "sym", "invalid symbol"]]
        assert named(heard, "series_error")[0][:4] == ["cs_1", "sds_1", "s1", "resolve error"]
        assert not named(heard, "series_completed")

    def test_a_bad_time_zone_ends_its_session_alone(self, client):
        heard = client.say(
            ("chart_create_session", "cs_a"),
            ("switch_timezone", "cs_a", "Nowhere/Nowhere"),
            ("chart_create_session", "cs_b"),
            ("switch_timezone", "cs_b", "exchange"),
            ("switch_timezone", "cs_b", "Asia/Tokyo"),
            ("resolve_symbol", "cs_b", "sym", "DEMO:AAPL"),
        )
        assert named(heard, "critical_error") == [
            ["cs_a", "invalid timezone", 'method: switch_timezone. args: "[Nowhere/Nowhere]"']
        ]
        assert len(named(heard, "symbol_resolved")) == 1

    def test_chart_messages_carry_the_servers_time(self, client):
        for message in loaded(client, "DEMO:BTCUSD"):
            assert (message["t"], message["t_ms"]) == (int(TUESDAY), int(TUESDAY * 1000))


class TestSeries:
    def test_a_load_from_loading_to_completed(self, client):
        heard = loaded(client, "DEMO:BTCUSD", "60", 300, "")
        assert [message["m"] for message in heard] == [
            "symbol_resolved", "series_loading", "timescale_update", "series_completed"
        ]  # fmt: skip
        assert heard[1]["p"] == ["cs_1", "sds_1", "s1"]
        assert heard[3]["p"] == ["cs_1", "sds_1", "streaming", "s1", {"rt_update_period": 5}]
        series = heard[2]["p"][1]["sds_1"]
        assert [element["i"] for element in series["s"]] == list(range(300))
        assert series["t"] == "s1"
        assert series["lbs"]["bar_close_time"] == int(at("2026-11-24T16:00").timestamp())
        scale = heard[2]["p"][2]
        assert scale["changes"] == [element["v"][0] for element in series["s"]]

    def test_the_bytes_that_clients_with_regular_expressions_need(self, client):
        client.say(("chart_create_session", "cs_1"), ("resolve_symbol", "cs_1", "sym", "DEMO:BREZ"))
        packets = client.connection.receive(
            codec.encode_call("create_series", ["cs_1", "$prices", "s1", "sym", "1D", 2])
        )
        chart, load = next(client.connection.loads())
        packets += client.connection.finish(chart, lambda: chart.finish(load.run(client.market.now_ms())))
        update = next(packet for packet in packets if b"timescale_update" in packet).decode()
        assert '"$prices":{' in update
        assert '"s":[{"i":0,"v":[1795420800.0,' in update
        assert ": " not in update
        resolved = client.connection.receive(codec.encode_call("resolve_symbol", ["cs_1", "b", "DEMO:BREZ"]))
        assert "Größenwahn & Söhne AG 🥨".encode() in resolved[0]

    @pytest.mark.parametrize(
        ("code", "interval"),
        [*zip(["1", "3", "5", "15", "30", "45", "60", "120", "180", "240", "1D", "1W", "1M"], Interval, strict=True),
         ("1H", Interval.H1), ("2H", Interval.H2), ("3H", Interval.H3), ("4H", Interval.H4),
         ("D", Interval.D1), ("W", Interval.W1), ("M", Interval.MN1)],
    )  # fmt: skip
    @pytest.mark.parametrize("symbol", ["DEMO:AAPL", "DEMO:DEMO500"])
    def test_every_resolution_serves_the_markets_bars(self, client, market, symbol, code, interval):
        found = bars(loaded(client, symbol, code, 20))
        expected = market.bars(symbol, interval, at("2009-12-01"), at("2030-01-01"), at("2026-11-24T15:00:20"))[-20:]
        assert len(found) == 20
        for values, bar in zip(found, expected, strict=True):
            volume = [bar.volume] if market.listing(symbol).has_volume else []
            assert values == [bar.starts_at.timestamp(), bar.open, bar.high, bar.low, bar.close, *volume]

    def test_daily_bars_are_stamped_at_the_open_of_their_session(self, client):
        *_, last = bars(loaded(client, "DEMO:AAPL", "1D", 300))
        assert last[0] == at("2026-11-24T14:30").timestamp()
        summer = bars(client.say(*chart_calls("DEMO:AAPL", "1D", 120, session="cs_2")))[0]
        assert summer[0] % 86_400 == (13 * 60 + 30) * 60

    @pytest.mark.parametrize("code", ["3M", "6M", "12M"])
    def test_longer_spans_are_folded_from_months(self, client, code):
        found = bars(loaded(client, "DEMO:BTCUSD", code, 4))
        months = bars(client.say(*chart_calls("DEMO:BTCUSD", "1M", 60, session="cs_2")))
        inside = [month for month in months if found[-2][0] <= month[0] < found[-1][0]]
        assert len(inside) == int(code[:-1])
        assert found[-2][1:5] == [inside[0][1], max(m[2] for m in inside), min(m[3] for m in inside), inside[-1][4]]

    @pytest.mark.parametrize("code", ["15m", "XX", "1h", "1d", "", None, 15])
    def test_an_invalid_resolution_ends_the_session(self, client, code):
        heard = client.say(*chart_calls("DEMO:BTCUSD", code, 100), *chart_calls("DEMO:BTCUSD", "1", 5, session="cs_2"))
        session, text, info = named(heard, "critical_error")[0]
        assert (session, text) == ("cs_1", "invalid parameters")
        assert info == f'method: create_series. args: "[sds_1, s1, sym_1, {code}, 100]"'
        assert len(bars(heard)) == 5
        later = client.say(("create_series", "cs_1", "sds_1", "s1", "sym_1", "1", 5))
        assert later[0]["m"] == "protocol_error"
        assert later[0]["p"][0].startswith('{unknown_session_id,<<"create_series">>,["cs_1"')
        assert client.connection.is_over

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("20", "custom_resolution"),
            ("2D", "custom_resolution"),
            ("1S", "seconds_not_entitled"),
            ("S", "seconds_not_entitled"),
        ],
    )
    def test_resolutions_that_need_an_account(self, client, code, reason):
        heard = loaded(client, "DEMO:BTCUSD", code)
        assert named(heard, "series_error")[0][:4] == ["cs_1", "sds_1", "s1", reason]
        assert bars(client.say(("create_series", "cs_1", "sds_1", "s2", "sym_1", "1", 5)))

    def test_special_charts_need_an_account(self, client):
        spec = '={"symbol":{"symbol":"DEMO:BTCUSD"},"type":"BarSetRenko@tv-prostudies-40!","inputs":{}}'
        heard = client.say(
            ("chart_create_session", "cs_1"),
            ("resolve_symbol", "cs_1", "sym", spec),
            ("create_series", "cs_1", "sds_1", "s1", "sym", "1D", 5),
        )
        assert named(heard, "series_error")[0][3] == "study_not_auth:BarSetRenko@tv-prostudies-40!"

    @pytest.mark.parametrize("count", [0, -1, "ten", None, True, ["bar_count", "x", 3], ["count", 1, 2], 1.5])
    def test_a_count_that_makes_no_sense(self, client, count):
        assert named(loaded(client, "DEMO:BTCUSD", "1", count), "critical_error")[0][1] == "invalid parameters"

    def test_more_than_5000_bars_are_clipped_without_a_word(self, client):
        assert len(bars(loaded(client, "DEMO:BTCUSD", "1D", 20_000))) == 5_000

    def test_bars_that_end_at_a_moment(self, client):
        moment = int(at("2026-11-20").timestamp())
        found = bars(loaded(client, "DEMO:BTCUSD", "60", ["bar_count", moment, 48]))
        assert (len(found), found[-1][0]) == (48, moment)
        assert client.wait(5) == []  # history does not move

    def test_a_range(self, client):
        first, last = (int(at(text).timestamp()) for text in ("2026-11-10", "2026-11-12"))
        heard = loaded(client, "DEMO:BTCUSD", "60", 300, f"r,{first}:{last}")
        assert [value[0] for value in bars(heard)] == list(range(first, last + 1, 3_600))
        told = [message["m"] for message in heard]
        assert told[-3:] == ["timescale_update", "series_timeframe", "series_completed"]
        assert heard[-2] == {
            "m": "series_timeframe",
            "p": ["cs_1", "sds_1", "s1", 0, len(bars(heard)) - 1, f"r,{first}:{last}", True],
        }

    @pytest.mark.parametrize("span", ["12M", "5D", "1Y", "60", "LASTSESSION"])
    def test_a_timeframe(self, client, span):
        assert bars(loaded(client, "DEMO:BTCUSD", "1D", 300, span))

    @pytest.mark.parametrize("span", ["r,5", "yesterday", 7])
    def test_a_range_that_makes_no_sense(self, client, span):
        assert named(loaded(client, "DEMO:BTCUSD", "1D", 300, span), "critical_error")

    def test_series_then_range_sends_each_bar_once(self, client):
        first, last = (int(at(text).timestamp()) for text in ("2026-11-20", "2026-11-25"))
        heard = client.say(
            *chart_calls("DEMO:BTCUSD", "60", 10, ""),
            ("modify_series", "cs_1", "sds_1", "s2", "sym_1", "60", f"r,{first}:{last}"),
        )
        assert [params[3] for params in named(heard, "series_completed")] == ["s1", "s2"]
        times = [values[0] for values in bars(heard)]
        assert len(times) == len(set(times))
        assert min(times) == first

    def test_a_series_that_failed_comes_back_with_another_symbol(self, client):
        loaded(client, "DEMO:NOSUCH", "60", 7)
        heard = client.say(
            ("resolve_symbol", "cs_1", "sym_2", "DEMO:BTCUSD"),
            ("modify_series", "cs_1", "sds_1", "s1", "sym_2", "60", ""),
        )
        assert len(bars(heard)) == 7
        assert named(client.wait(2), "du")

    def test_a_series_that_fails_is_not_told_of_its_old_symbol(self, client):
        loaded(client, "DEMO:BTCUSD", "1", 5)
        heard = client.say(
            ("resolve_symbol", "cs_1", "sym_2", "DEMO:NOSUCH"),
            ("modify_series", "cs_1", "sds_1", "s2", "sym_2", "1", ""),
        )
        assert named(heard, "series_error") == [["cs_1", "sds_1", "s2", "resolve error", "demo-series-1"]]
        assert client.wait(2) == []
        assert len(bars(client.say(("modify_series", "cs_1", "sds_1", "s3", "sym_1", "1", "")))) == 5

    def test_failed_series_count_as_series(self, client):
        client.say(("chart_create_session", "cs_1"), ("resolve_symbol", "cs_1", "sym", "DEMO:NOSUCH"))
        calls = [("create_series", "cs_1", f"s{number}", "s1", "sym", "1", 5) for number in range(101)]
        reasons = [params[3] for params in named(client.say(*calls), "series_error")]
        assert reasons == ["resolve error"] * 100 + ["exceed limit of series"]

    def test_older_bars_on_request_until_there_are_none(self, client):
        loaded(client, "DEMO:BTCUSD", "240", 4_990)
        older = client.say(("request_more_data", "cs_1", "sds_1", 100))
        assert len(bars(older)) == 10
        assert max(element["i"] for element in named(older, "timescale_update")[0][1]["sds_1"]["s"]) == -1
        nothing = client.say(("request_more_data", "cs_1", "sds_1", 100))
        assert [message["m"] for message in nothing] == ["series_loading", "series_completed"]

    def test_pages_join_without_gap_or_overlap(self, client):
        calls = [("request_more_data", "cs_1", "sds_1", count) for count in (7, 1, 30)]
        heard = client.say(*chart_calls("DEMO:EURUSD", "5", 10), *calls)
        whole = bars(client.say(*chart_calls("DEMO:EURUSD", "5", 48, session="cs_2")))
        assert sorted(bars(heard)) == whole
        indexes = sorted(e["i"] for p in named(heard, "timescale_update") for e in p[1]["sds_1"]["s"])
        assert indexes == list(range(-38, 10))

    def test_another_resolution_starts_anew(self, client):
        loaded(client, "DEMO:BTCUSD", "60", 10)
        heard = client.say(("modify_series", "cs_1", "sds_1", "s2", "sym_1", "1D"))
        series = named(heard, "timescale_update")[0][1]["sds_1"]
        assert series["t"] == "s2"
        assert [element["i"] for element in series["s"]] == list(range(10))
        assert named(heard, "series_completed")[0][3] == "s2"

    def test_the_same_once_more_sends_an_empty_update(self, client):
        loaded(client, "DEMO:BTCUSD", "60", 10)
        heard = client.say(("modify_series", "cs_1", "sds_1", "s2", "sym_1", "60", "1D"))
        repeated = {values[0] for values in bars(heard)} & set(range(int(TUESDAY) - 9 * 3_600, int(TUESDAY)))
        assert not repeated
        assert named(heard, "series_completed")[0][3] == "s2"

    def test_first_bar_time(self, client):
        client.say(("chart_create_session", "cs_1"), ("resolve_symbol", "cs_1", "sym", "DEMO:BTCUSD"))
        heard = client.say(("get_first_bar_time", "cs_1", "sym", "1D"))
        assert named(heard, "first_bar_time") == [["cs_1", "sym", int(at("2010-01-01").timestamp())]]

    def test_tick_marks_move_nothing(self, client):
        loaded(client, "DEMO:BTCUSD")
        assert named(client.say(("request_more_tickmarks", "cs_1", "sds_1", 10)), "timescale_update")[0][1] == {}

    def test_removed_series_and_deleted_sessions_stop(self, client):
        loaded(client, "DEMO:BTCUSD")
        assert named(client.say(("remove_series", "cs_1", "sds_1")), "series_deleted") == [["cs_1", "sds_1"]]
        assert client.wait(5) == []
        assert client.say(("remove_series", "cs_1", "sds_1"), ("remove_series", "cs_9", "sds_1")) == []
        assert client.say(("chart_delete_session", "cs_1")) == []

    def test_many_sessions_use_the_same_ids(self, client):
        heard = client.say(
            *chart_calls("DEMO:BTCUSD", "1", 3, session="cs_a"), *chart_calls("DEMO:AAPL", "1", 4, session="cs_b")
        )
        counts = {params[0]: len(params[1]["sds_1"]["s"]) for params in named(heard, "timescale_update")}
        assert counts == {"cs_a": 3, "cs_b": 4}

    def test_out_of_memory_is_out_of_reach(self, client):
        client.say(("chart_create_session", "cs_1"), ("resolve_symbol", "cs_1", "sym", "DEMO:BTCUSD"))
        calls = [("create_series", "cs_1", f"s{number}", "s1", "sym", "1W", 1) for number in range(105)]
        heard = client.say(*calls)
        assert [params[3] for params in named(heard, "series_error")] == ["exceed limit of series"] * 5
        many = client.say(*quote_calls(*(f"DEMO:X{number}" for number in range(2_001))))
        assert named(many, "critical_error")


class TestLiveBars:
    def test_du_repeats_the_forming_bar_and_a_new_one_is_a_timescale_update(self, client, market):
        loaded(client, "DEMO:BTCUSD", "1", 3)
        heard = client.wait(102)
        state: dict[float, list[float]] = {}
        opened = []
        for message in heard:
            series = message["p"][1]["sds_1"]
            (element,) = series["s"]
            assert series["ns"]["indexes"] == "nochange"
            if message["m"] == "timescale_update":
                assert element["v"][0] not in state
                assert element["v"][5] == 0
                assert message["p"][2]["changes"] == [element["v"][0]]
                opened.append((element["i"], element["v"][0]))
            else:
                assert set(series) == {"s", "ns", "t", "lbs"}
                assert "t_ms" not in message
            state[element["v"][0]] = element["v"][1:]
        assert opened == [(3, at("2026-11-24T15:01").timestamp()), (4, at("2026-11-24T15:02").timestamp())]
        now = at("2026-11-24T15:02:02")
        for bar in market.bars("DEMO:BTCUSD", Interval.M1, at("2026-11-24T15:00"), now, now):
            assert state[bar.open_time.timestamp()] == [bar.open, bar.high, bar.low, bar.close, bar.volume]

    @pytest.mark.parametrize("span", ["", "r,{start}:{before}", "r,{after}:{after}"])
    @pytest.mark.parametrize("first_span", ["", "r,{start}:{before}"])
    def test_a_range_asked_while_a_bar_closes_loses_none_of_its_trades(self, client, market, first_span, span):
        start = int(at("2026-11-24T14:50").timestamp())
        moments = {"start": start, "before": start + 630, "after": int(TUESDAY) + 3_600}
        client.clock.seconds = at("2026-11-24T15:00:50").timestamp()
        heard = loaded(client, "DEMO:BTCUSD", "1", 3, first_span.format(**moments))
        client.clock.advance(15)  # a minute ends before anything more is told
        heard += client.say(("modify_series", "cs_1", "sds_1", "s2", "sym_1", "1", span.format(**moments)))
        heard += client.wait(60)
        held = {
            element["v"][0]: element["v"][1:]
            for message in heard
            if message.get("m") in ("timescale_update", "du")
            for element in message["p"][1]["sds_1"]["s"]
        }
        assert min(held) <= at("2026-11-24T15:00").timestamp()
        now = at("2026-11-24T15:02:05")
        for bar in market.bars("DEMO:BTCUSD", Interval.M1, at("2026-11-24T15:00"), at("2026-11-24T15:02"), now):
            if bar.open_time.timestamp() in held:
                values = [bar.open, bar.high, bar.low, bar.close, bar.volume]
                assert held[bar.open_time.timestamp()] == values

    @pytest.mark.parametrize("code", ["240", "1D", "1W", "1M", "12M"])
    def test_every_resolution_moves(self, client, code):
        before = bars(loaded(client, "DEMO:BTCUSD", code, 2))[-1]
        after = named(client.wait(5), "du")[-1][1]["sds_1"]["s"][0]["v"]
        assert after[0] == before[0]
        assert after[5] > before[5]

    def test_a_closed_market_stands_still(self, client):
        loaded(client, "DEMO:7203", "1", 5)
        assert client.wait(5) == []

    def test_a_five_value_series_stays_so(self, client):
        loaded(client, "DEMO:DEMO500", "1", 2)
        assert all(len(element["v"]) == 5 for m in client.wait(70) for element in m["p"][1]["sds_1"]["s"])

    def test_ticks_quotes_and_bars_agree(self, client, market):
        """The one-minute bar is what its quote updates aggregate to."""
        client.clock.seconds = at("2026-11-24T15:04:59.9").timestamp()
        first = named(client.say(*quote_calls("DEMO:BTCUSD", fields=("lp", "lp_time", "volume"))), "qsd")[0][1]["v"]
        last, volume, trades = first["lp"], first["volume"], []
        for _, quote in named(client.wait(60.2, 0.1), "qsd"):
            last = quote["v"].get("lp", last)
            first.update(quote["v"])
            if "volume" in quote["v"]:
                trades.append((first["lp_time"], last, round(quote["v"]["volume"] * 10_000) - round(volume * 10_000)))
                volume = quote["v"]["volume"]
        start = int(at("2026-11-24T15:05").timestamp())
        inside = [(price, size) for time, price, size in trades if start <= time < start + 60]
        bar = market.bars(
            "DEMO:BTCUSD", Interval.M1, at("2026-11-24T15:05"), at("2026-11-24T15:06"), at("2026-11-24T15:06")
        )[0]
        prices = [price for price, _ in inside]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (bar.open, bar.high, bar.low, bar.close)
        assert sum(size for _, size in inside) / 10_000 == bar.volume


class TestFaultsOfTheWire:
    def test_symbols_can_be_made_unknown(self, client):
        client.faults.set(symbol_errors=["DEMO:BTCUSD"])
        heard = client.say(*quote_calls("DEMO:BTCUSD"), *chart_calls("DEMO:BTCUSD"))
        assert named(heard, "qsd")[0][1]["s"] == "error"
        assert named(heard, "symbol_error")
        client.faults.clear()
        assert bars(client.say(*chart_calls("DEMO:BTCUSD", session="cs_2")))

    def test_series_can_be_refused(self, client):
        client.faults.set(series_errors=["DEMO:BTCUSD"])
        heard = client.say(*chart_calls("DEMO:BTCUSD"), *chart_calls("DEMO:ETHUSD", session="cs_2"))
        assert named(heard, "series_error")[0][0] == "cs_1"
        assert named(heard, "series_completed")[0][0] == "cs_2"

    def test_tokens_and_sessions_can_be_refused(self, client):
        client.faults.set(session_limit=True)
        assert (
            named(client.say(("chart_create_session", "cs_1")), "critical_error")[0][1] == "max sessions rate reached"
        )
        client.faults.set(refuse_token=True)
        assert client.say(ANONYMOUS)[0]["p"] == ["bad auth token"]

    def test_a_load_can_come_in_pieces(self, client):
        client.faults.set(updates_per_load=4)
        heard = loaded(client, "DEMO:BTCUSD", "1", 10)
        assert [len(params[1]["sds_1"]["s"]) for params in named(heard, "timescale_update")] == [3, 3, 3, 1]
        assert [element["i"] for p in named(heard, "timescale_update") for element in p[1]["sds_1"]["s"]] == list(
            range(10)
        )

    def test_a_load_can_repeat_and_exchange_bars(self, client):
        sound = bars(loaded(client, "DEMO:BTCUSD", "1", 5))
        client.faults.set(duplicate_bars=True, out_of_order_bars=True)
        spoiled = bars(client.say(*chart_calls("DEMO:BTCUSD", "1", 5, session="cs_2")))
        assert spoiled == [*sound[:3], sound[4], sound[3], sound[3]]

    def test_a_late_correction_changes_the_bar_before_the_last(self, client):
        before = bars(loaded(client, "DEMO:BTCUSD", "1", 3))
        (packet,) = client.connection.corrections(client.market.now_ms())
        element = json.loads(packet)["p"][1]["sds_1"]["s"][0]
        assert element["i"] == 1
        assert element["v"][0] == before[1][0]
        assert element["v"][2] > before[1][2]

    def test_rows_and_wire_agree_on_columns(self, client, market):
        rows = market.rows(market.listing("DEMO:BTCUSD"), Interval.M1, market.now_ms(), count=1)
        assert rows[0, table.END] - rows[0, table.START] == 60


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.sampled_from(["cs_1", "qs_1", "sym_1", "sds_1", "s1", "DEMO:BTCUSD", "1", "60", "1D", "r,0:99999999999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
METHODS = (
    "set_auth_token", "quote_create_session", "quote_delete_session", "quote_set_fields", "quote_add_symbols",
    "quote_remove_symbols", "chart_create_session", "chart_delete_session", "switch_timezone", "resolve_symbol",
    "create_series", "modify_series", "remove_series", "request_more_data", "request_more_tickmarks",
    "get_first_bar_time", "quote_fast_symbols", "nonsense",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(calls=st.lists(st.tuples(st.sampled_from(METHODS), st.lists(JSON, max_size=7)), max_size=6))
def test_no_call_however_odd_breaks_the_server(market, clock, calls):
    clock.seconds = TUESDAY
    client = Dialogue(market, clock)
    client.say(*quote_calls("DEMO:BTCUSD"), *chart_calls("DEMO:BTCUSD", "1", 3))
    for method, params in calls:
        text = json.dumps({"m": method, "p": params}, ensure_ascii=False)
        client.send(codec.encode(text.encode("utf-8", "replace")))
        client.wait(0.5)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=60))
def test_no_text_however_odd_breaks_the_server(market, clock, text):
    client = Dialogue(market, clock)
    client.send(text)
    client.send(codec.encode(text) if isinstance(text, str) and text.isprintable() else "")
