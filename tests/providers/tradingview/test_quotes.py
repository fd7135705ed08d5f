"""What of a quote session's messages is a trade: the rules of volume, snapshot and session, case by case."""

import random
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.tick import Quote, Tick
from providers.base import FeedEvent, FeedEventKind
from providers.tradingview import codec
from providers.tradingview.session import StreamSession
from providers.tradingview.volume import to_lots

T = 1_767_225_600  # 2026-01-01 00:00 UTC
OPEN = int(datetime(2026, 3, 3, 14, 30, tzinfo=UTC).timestamp())  # New York opens
LOT = 10**8


class Wire:
    """A session as the service sees it: what it was asked, and messages sent to it."""

    def __init__(self, *instruments):
        self.session = StreamSession(random=random.Random(1).random)
        self.now_ns = T * 10**9
        self.session.follow(instruments, self.now_ns)
        self.connect()

    def connect(self):
        self.session.open(self.now_ns)
        self.calls = self.sent()

    def sent(self):
        return [
            orjson.loads(payload) for text in self.session.take_outgoing() for payload in codec.decode(text).payloads
        ]

    def session_of(self, symbol):
        return next(c["p"][0] for c in reversed(self.calls) if c["m"] == "quote_add_symbols" and symbol in c["p"])

    def receive(self, text):
        events = []
        self.session.receive(text.encode(), self.now_ns, events)
        return events

    def update(self, symbol="X:A", session=None, **fields):
        session = session or self.session_of(symbol)
        return self.receive(codec.encode_call("qsd", [session, {"n": symbol, "s": "ok", "v": fields}]))

    def complete(self, symbol="X:A", session=None):
        return self.receive(codec.encode_call("quote_completed", [session or self.session_of(symbol), symbol]))

    def snapshot(self, symbol="X:A", **fields):
        return self.update(symbol, **fields) + self.complete(symbol)


def wire(**details):
    return Wire(Instrument(symbol="X:A", **details))


def ready(**details):
    """A followed symbol: 100 at T, running volume 1,000."""
    feed = wire(**details)
    feed.snapshot(lp=100.0, lp_time=T, volume=1000)
    return feed


def ticks(events):
    return [(event.time_ns // 10**9, event.price, event.lots / LOT) for event in events if isinstance(event, Tick)]


def told(events):
    return [event.kind for event in events if isinstance(event, FeedEvent)]


# The conversation


def test_a_connection_begins_with_token_session_fields_and_symbols():
    feed = wire()
    assert [call["m"] for call in feed.calls] == [
        "set_auth_token", "set_locale", "quote_create_session", "quote_set_fields", "quote_add_symbols",
    ]  # fmt: skip
    assert feed.calls[0]["p"] == ["unauthorized_user_token"]
    assert feed.calls[4]["p"][1:] == ["X:A"]


def test_a_token_is_used_when_there_is_one():
    session = StreamSession(token="secret-token", random=random.random)
    session.open(0)
    assert "secret-token" in session.take_outgoing()[0]


def test_heartbeats_come_back_unchanged_even_between_data():
    feed = ready()
    feed.receive(codec.encode("~h~41", '{"m":"series_loading","p":[]}', "~h~42"))
    assert feed.session.take_outgoing() == ["~m~5~m~~h~41", "~m~5~m~~h~42"]


def test_sessions_get_new_ids_on_each_connection():
    feed = ready()
    old = feed.session_of("X:A")
    feed.connect()
    assert feed.session_of("X:A") != old
    assert feed.update(session=old, lp=5.0, lp_time=T + 9) == []


def test_many_symbols_are_spread_over_sessions_of_a_hundred():
    feed = Wire(*(Instrument(symbol=f"X:S{number}") for number in range(250)))
    sessions = [call["p"][0] for call in feed.calls if call["m"] == "quote_create_session"]
    assert len(sessions) == 3
    added = [symbol for call in feed.calls if call["m"] == "quote_add_symbols" for symbol in call["p"][1:]]
    assert sorted(added) == sorted(f"X:S{number}" for number in range(250))


def test_symbols_that_come_one_by_one_share_a_session():
    feed = wire()
    for number in range(20):
        feed.session.follow([Instrument(symbol="X:A"), *(Instrument(symbol=f"X:S{n}") for n in range(number))], 0)
    assert {call["m"] for call in feed.sent()} == {"quote_add_symbols"}


def test_a_symbol_that_is_no_longer_wanted_is_removed_and_late_messages_of_it_ignored():
    feed = Wire(Instrument(symbol="X:A"), Instrument(symbol="X:B"))
    feed.snapshot(lp=1.0, lp_time=T, volume=1)
    session = feed.session_of("X:A")
    feed.session.follow([Instrument(symbol="X:B")], feed.now_ns)
    assert [(call["m"], call["p"][1:]) for call in feed.sent()] == [("quote_remove_symbols", ["X:A"])]
    assert feed.update(session=session, lp=2.0, lp_time=T + 1, volume=2) == []
    feed.session.follow([], feed.now_ns)
    assert [call["m"] for call in feed.sent()] == ["quote_delete_session"]
    assert not feed.session.is_wanted


# Snapshot


def test_the_first_update_sets_the_baseline_and_makes_no_tick():
    events = wire().snapshot(lp=100.0, lp_time=T, volume=1000)
    assert told(events) == [FeedEventKind.SUBSCRIBED]
    assert events[0].volume == 1000


def test_a_snapshot_may_come_in_pieces():
    feed = wire()
    assert feed.update(volume=1000) == []
    assert feed.update(lp=100.0) == []
    assert feed.update(lp_time=T, bid=99.0) == []
    assert told(feed.complete()) == [FeedEventKind.SUBSCRIBED]
    assert ticks(feed.update(volume=1001)) == [(T, 100.0, 1)]


def test_a_change_before_the_snapshot_is_declared_whole_is_a_trade():
    feed = wire()
    feed.update(lp=100.0, lp_time=T, volume=1000)
    events = feed.update(lp=101.0, volume=1003)
    assert told(events) == [FeedEventKind.SUBSCRIBED]
    assert ticks(events) == [(T, 101.0, 3)]
    assert told(feed.complete()) == []


def test_an_old_price_that_comes_after_the_snapshot_is_no_trade():
    feed = wire()
    feed.snapshot(volume=1000)
    assert ticks(feed.update(lp=100.0, lp_time=T - 3600)) == []
    assert ticks(feed.update(lp=101.0, lp_time=T + 1, volume=1002)) == [(T + 1, 101.0, 2)]


def test_the_first_price_of_a_new_listing_is_a_trade():
    feed = wire()
    feed.snapshot(lp=None, volume=0)
    assert ticks(feed.update(lp=100.0, lp_time=T + 1, volume=5)) == [(T + 1, 100.0, 5)]


def test_volume_that_is_first_said_later_is_a_baseline():
    feed = wire()
    feed.snapshot(lp=100.0, lp_time=T)
    assert ticks(feed.update(volume=5000)) == []
    assert ticks(feed.update(volume=5001)) == [(T, 100.0, 1)]


# Trades


def test_of_a_time_with_a_fraction_the_second_counts():
    feed = ready()
    assert ticks(feed.update(lp=101.0, lp_time=T + 1.0, volume=1002)) == [(T + 1, 101.0, 2)]
    assert ticks(feed.update(lp=102.0, lp_time=T + 2.75, volume=1003)) == [(T + 2, 102.0, 1)]


def test_volume_growth_is_the_size_of_a_trade():
    feed = ready()
    assert ticks(feed.update(lp=101.0, lp_time=T + 1, volume=1002.5)) == [(T + 1, 101.0, 2.5)]


def test_volume_alone_is_a_trade_at_the_last_price():
    feed = ready()
    assert ticks(feed.update(volume=1001)) == [(T, 100.0, 1)]


def test_a_price_alone_is_a_trade_without_size():
    feed = ready()
    assert ticks(feed.update(lp=101.0)) == [(T, 101.0, 0)]


def test_a_time_alone_is_a_trade_at_the_last_price():
    feed = ready()
    assert ticks(feed.update(lp_time=T + 60)) == [(T + 60, 100.0, 0)]


def test_bid_or_ask_alone_is_a_quote_and_no_tick():
    feed = ready()
    feed.session.take_quotes(feed.now_ns)
    assert feed.update(bid=99.5, ask=100.5) == []
    [quote] = feed.session.take_quotes(feed.now_ns)
    assert isinstance(quote, Quote)
    assert (quote.last, quote.bid, quote.ask, quote.volume) == (100.0, 99.5, 100.5, 1000)


def test_a_repetition_is_no_trade():
    feed = ready()
    assert feed.update(lp=100.0, lp_time=T, volume=1000) == []


def test_an_index_trades_whenever_its_price_is_said():
    feed = wire(has_volume=False)
    feed.snapshot(lp=100.0, lp_time=T, volume=1e100)
    assert ticks(feed.update(lp=100.0)) == [(T, 100.0, 0)]
    assert ticks(feed.update(lp=100.5, lp_time=T + 1)) == [(T + 1, 100.5, 0)]
    assert ticks(feed.update(volume=1e100)) == []
    assert ticks(feed.update(bid=1.0)) == []


def test_trades_of_one_second_keep_their_order():
    feed = ready()
    events = [event for n in range(5) for event in feed.update(volume=1001 + n, lp=100.0 + n)]
    assert [event.key for event in events] == sorted({event.key for event in events})


def test_keys_never_repeat_across_connections():
    feed = ready()
    first = feed.update(volume=1001)
    feed.connect()
    feed.snapshot(lp=100.0, lp_time=T, volume=1001)
    second = feed.update(volume=1002)
    assert first[0].key < second[0].key


def test_a_late_trade_keeps_its_own_time():
    feed = ready()
    feed.update(lp_time=T + 5, volume=1001)
    assert ticks(feed.update(lp_time=T + 3, volume=1002)) == [(T + 3, 100.0, 1)]


# Running volume


def test_volume_below_half_is_a_new_session():
    feed = ready()
    assert ticks(feed.update(lp=101.0, lp_time=T + 1, volume=7)) == [(T + 1, 101.0, 7)]


def test_a_small_decrease_is_a_counted_correction():
    feed = ready()
    events = feed.update(lp=101.0, volume=990)
    assert told(events) == [FeedEventKind.CORRECTION]
    assert ticks(events) == [(T, 101.0, 0)]
    assert events[0].volume == 10
    assert ticks(feed.update(volume=991)) == [(T, 101.0, 1)]


def test_corrections_are_told_ever_more_rarely():
    feed = ready()
    events = [event for n in range(1, 33) for event in feed.update(volume=1000 - n)]
    assert len(events) == 6  # the 1st, 2nd, 4th, 8th, 16th and 32nd


@pytest.mark.parametrize(
    ("calendar", "before", "after", "is_reset"),
    [
        ("24/7", T + 86_399, T + 86_400, True),
        ("24/7", T + 10, T + 20, False),
        ("XNYS", OPEN + 23_000, OPEN + 86_400, True),  # the next morning
        ("XNYS", OPEN + 23_000, OPEN + 23_400 + 300, False),  # five minutes after the close
        ("XNYS", OPEN - 3_600, OPEN + 1, False),  # from before the open into it
        ("forex", OPEN, int(datetime(2026, 3, 3, 22, 0, 1, tzinfo=UTC).timestamp()), True),  # 17:00 New York
        ("CMES", OPEN, int(datetime(2026, 3, 3, 23, 0, 1, tzinfo=UTC).timestamp()), True),  # 17:00 Chicago
    ],
)
def test_a_decrease_across_a_session_boundary_is_a_reset(calendar, before, after, is_reset):
    feed = Wire(Instrument(symbol="X:A", calendar=calendar))
    feed.snapshot(lp=100.0, lp_time=before, volume=1000)
    events = feed.update(lp_time=after, volume=900)
    assert ticks(events) == [(after, 100.0, 900 if is_reset else 0)]
    assert told(events) == ([] if is_reset else [FeedEventKind.CORRECTION])


def test_volume_that_passed_while_away_belongs_to_the_gap():
    feed = ready()
    feed.connect()
    events = feed.snapshot(lp=105.0, lp_time=T + 30, volume=1250)
    assert told(events) == [FeedEventKind.SUBSCRIBED, FeedEventKind.GAP_VOLUME]
    assert events[1].volume == 250
    assert ticks(feed.update(volume=1251)) == [(T + 30, 105.0, 1)]


def test_after_a_gap_into_the_next_session_only_its_own_volume_is_known_to_be_missed():
    feed = ready()
    feed.connect()
    events = feed.snapshot(lp=105.0, lp_time=T + 86_400, volume=3000)
    assert events[1].volume == 3000


def test_a_gap_without_trades_is_none():
    feed = ready()
    feed.connect()
    assert told(feed.snapshot(lp=100.0, lp_time=T, volume=1000)) == [FeedEventKind.SUBSCRIBED]


def test_a_gap_is_told_even_if_volume_comes_after_the_snapshot():
    feed = ready()
    feed.connect()
    feed.snapshot(lp=100.0, lp_time=T)
    events = feed.update(volume=1040)
    assert told(events) == [FeedEventKind.GAP_VOLUME]
    assert ticks(events) == []


def test_a_gap_over_two_subscriptions_is_told_whole():
    feed = ready()
    feed.connect()
    feed.update(lp=105.0, lp_time=T + 30, volume=1250)  # and then the connection ended, before the snapshot was whole
    feed.connect()
    events = feed.snapshot(lp=105.0, lp_time=T + 40, volume=1300)
    assert [event.volume for event in events if event.kind is FeedEventKind.GAP_VOLUME] == [300]


def test_a_gap_is_told_where_the_first_price_of_the_new_snapshot_is_a_trade():
    feed = ready()
    feed.now_ns += 60 * 10**9
    feed.connect()
    feed.snapshot(volume=1250)  # no price yet
    events = feed.update(lp=105.0, lp_time=T + 61, volume=1251)
    assert [event.volume for event in events if isinstance(event, FeedEvent)] == [250]
    assert ticks(events) == [(T + 61, 105.0, 1)]


def resumed(feed, **details):
    """A stream of the next process, going on from where ``feed`` stands."""
    later = Wire()
    later.session.restore(feed.session.baselines())
    later.session.follow([Instrument(symbol="X:A", **details)], later.now_ns)
    later.connect()
    return later


def test_volume_that_passed_between_two_streams_belongs_to_the_gap():
    later = resumed(ready())
    events = later.snapshot(lp=105.0, lp_time=T + 30, volume=1250)
    assert told(events) == [FeedEventKind.SUBSCRIBED, FeedEventKind.GAP_VOLUME]
    assert events[1].volume == 250
    assert ticks(later.update(volume=1251)) == [(T + 30, 105.0, 1)]


def test_between_two_streams_a_new_session_may_have_begun():
    events = resumed(ready()).snapshot(lp=105.0, lp_time=T + 86_400, volume=3000)
    assert events[1].volume == 3000


def test_keys_never_repeat_across_streams():
    feed = ready()
    before = [event.key for volume in (1001, 1002, 1003) for event in feed.update(volume=volume)]
    later = resumed(feed)
    later.snapshot(lp=100.0, lp_time=T, volume=1003)
    [tick] = later.update(volume=1004)
    assert tick.key > max(before)


def test_a_baseline_in_another_lot_step_is_none():
    assert told(resumed(ready(), lots_per_unit=10).snapshot(lp=1.0, lp_time=T, volume=1250)) == [
        FeedEventKind.SUBSCRIBED
    ]


def test_a_stream_that_ended_within_a_snapshot_passes_on_where_the_one_before_stood():
    feed = ready()
    feed.connect()
    feed.update(lp=105.0, lp_time=T + 30, volume=1250)
    [left] = feed.session.baselines()
    assert (left.symbol, left.lots, left.second) == ("X:A", 1000 * LOT, T)


def test_a_baseline_waits_for_its_symbol_to_be_followed():
    feed, later = ready(), Wire()
    later.session.restore(feed.session.baselines())
    assert later.session.baselines() == feed.session.baselines()


@given(st.lists(st.integers(0, 10**11), min_size=2, max_size=30), st.sampled_from([1, 10, 10**4, 10**8]))
def test_sizes_add_up_to_the_running_volume_exactly(sizes, steps):
    feed = wire()
    running = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    feed.snapshot(lp=100.0, lp_time=T, volume=running[0] / steps)
    events = [event for total in running[1:] for event in feed.update(volume=total / steps)]
    assert [e.lots for e in events if isinstance(e, Tick)] == [size * (LOT // steps) for size in sizes[1:] if size]


@given(st.decimals(0, 10**6, places=8))
def test_lots_are_what_the_decimal_says(volume):
    assert to_lots(float(volume), LOT) == int(volume * LOT)


# Values


@pytest.mark.parametrize("nothing", [None, 1e100, -1e100, "12", True, [], {}])
def test_what_is_no_price_clears_the_price_and_makes_no_tick(nothing):
    feed = ready()
    assert ticks(feed.update(lp=nothing)) == []
    assert feed.session.take_quotes(feed.now_ns)[0].last is None
    assert ticks(feed.update(lp=101.0, lp_time=T + 1, volume=1001)) == [(T + 1, 101.0, 1)]


@pytest.mark.parametrize("nothing", [None, 1e100, -1, "12"])
def test_what_is_no_volume_changes_nothing(nothing):
    feed = ready()
    assert ticks(feed.update(volume=nothing, lp=101.0)) == [(T, 101.0, 0)]
    assert ticks(feed.update(volume=1002)) == [(T, 101.0, 2)]


def test_volume_without_a_price_waits_for_the_next_one():
    feed = ready()
    assert ticks(feed.update(lp=None, volume=1004)) == []
    assert ticks(feed.update(lp=102.0, lp_time=T + 2, volume=1005)) == [(T + 2, 102.0, 5)]


def test_prices_without_a_time_are_told_once_and_make_no_tick():
    feed = wire()
    feed.snapshot(lp=100.0, volume=10)
    assert told(feed.update(lp=101.0)) == [FeedEventKind.GARBAGE]
    assert feed.update(lp=102.0) == []


def test_prices_may_be_negative():
    feed = ready()
    assert ticks(feed.update(lp=-37.63, volume=1001)) == [(T, -37.63, 1)]


def test_keys_of_symbols_may_hold_any_text():
    feed = Wire(Instrument(symbol="KRX:삼성🚀"))
    feed.snapshot("KRX:삼성🚀", lp=1.0, lp_time=T, volume=1)
    assert ticks(feed.update("KRX:삼성🚀", volume=3)) == [(T, 1.0, 2)]


def test_a_delayed_feed_says_so():
    events = wire().update(lp=1.0, lp_time=T, update_mode="delayed_streaming_900")
    assert [(event.kind, event.delay_seconds) for event in events] == [(FeedEventKind.DELAYED, 900)]
    feed = wire(delay_seconds=900)
    assert told(feed.update(lp=1.0, lp_time=T, update_mode="delayed_streaming_900")) == []
    assert told(feed.update(update_mode="streaming")) == [FeedEventKind.DELAYED]


# Errors


def test_an_unknown_symbol_is_told_once_and_asked_again_much_later():
    feed = Wire(Instrument(symbol="X:A"), Instrument(symbol="X:B"))
    error = codec.encode_call(
        "qsd", [feed.session_of("X:A"), {"n": "X:A", "s": "error", "errmsg": "no_such_symbol", "v": {}}]
    )
    [event] = feed.receive(error)
    assert (event.kind, event.symbol, event.reason) == (FeedEventKind.SYMBOL_ERROR, "X:A", "no_such_symbol")
    assert feed.receive(error) == []
    feed.session.wake(feed.now_ns + 60 * 10**9)
    assert asked_for(feed, "X:A") == []
    feed.session.wake(feed.now_ns + 601 * 10**9)
    assert any(call["m"] == "quote_add_symbols" and "X:A" in call["p"] for call in feed.sent())


def test_snapshots_that_take_their_time_one_after_the_other_are_no_stall():
    symbols = [f"X:S{number}" for number in range(12)]
    feed = Wire(*(Instrument(symbol=symbol) for symbol in symbols))
    for done, symbol in enumerate(symbols, start=1):
        feed.now_ns += 2 * 10**9
        feed.snapshot(symbol, lp=1.0, lp_time=T, volume=1)
        for other in symbols[:done]:
            feed.update(other, volume=1 + done)
        feed.session.take_quotes(feed.now_ns)
        assert feed.session.wake(feed.now_ns) is None
        assert feed.sent() == []


def test_a_dead_session_is_made_anew_after_a_while_and_disturbs_no_other():
    feed = Wire(*(Instrument(symbol=f"X:S{number}") for number in range(150)))
    dead, alive = dict.fromkeys(call["p"][0] for call in feed.calls if call["m"] == "quote_create_session")
    events = feed.receive(codec.encode_call("critical_error", [dead, "invalid_parameters", "quote_add_symbols"]))
    assert told(events) == [FeedEventKind.SYMBOL_ERROR] * 100
    assert "invalid_parameters" in events[0].reason
    survivor = next(c["p"][1] for c in feed.calls if c["m"] == "quote_add_symbols" and c["p"][0] == alive)
    feed.snapshot(survivor, lp=1.0, lp_time=T, volume=1)
    assert ticks(feed.update(survivor, volume=2)) == [(T, 1.0, 1)]
    feed.session.wake(feed.now_ns + 4 * 10**9)
    assert feed.sent() == []
    feed.session.wake(feed.now_ns + 6 * 10**9)
    feed.calls = feed.sent()
    assert [call["m"] for call in feed.calls[:2]] == ["quote_create_session", "quote_set_fields"]
    feed.now_ns += 6 * 10**9
    feed.receive(codec.encode_call("critical_error", [feed.calls[0]["p"][0], "invalid_parameters", ""]))
    feed.session.wake(feed.now_ns + 9 * 10**9)
    assert "quote_add_symbols" not in asked_for(feed, "X:S7")  # twice dead: five seconds, then ten
    feed.session.wake(feed.now_ns + 10 * 10**9)
    assert "quote_add_symbols" in asked_for(feed, "X:S7")


def asked_for(feed, symbol):
    return [call["m"] for call in feed.sent() if symbol in call["p"]]


# Broken input: whatever arrives, nothing but ProtocolError leaves the session, and nothing grows


junk = st.one_of(
    st.binary(max_size=80),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
        max_leaves=8,
    ).map(lambda value: codec.encode_json(value).encode() if _fits(value) else b""),
)
methods = st.sampled_from(["qsd", "quote_completed", "critical_error", "symbol_error", "du", "hello", ""])


def _fits(value):
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@given(
    methods,
    st.lists(
        st.one_of(
            st.none(),
            st.integers(0, 9),
            st.text(max_size=5),
            st.dictionaries(
                st.sampled_from(["n", "s", "v", "errmsg", "x"]),
                st.one_of(
                    st.none(),
                    st.text(max_size=4),
                    st.just("X:A"),
                    st.dictionaries(
                        st.sampled_from(["lp", "lp_time", "volume", "bid", "update_mode"]),
                        st.one_of(st.none(), st.floats(allow_nan=False), st.integers(), st.text(max_size=3)),
                        max_size=3,
                    ),
                ),
                max_size=4,
            ),
        ),
        max_size=4,
    ),
)
@settings(max_examples=150)
def test_no_call_however_odd_breaks_the_session(method, params):
    feed = ready()
    session = feed.session_of("X:A")
    for text in [params, [session, *params]]:
        try:
            message = codec.encode_call(method, text)
        except TypeError:  # an integer beyond 64 bits, which orjson does not write
            continue
        feed.receive(message)
    before = feed.update(volume=1001) + feed.update(volume=1002)
    assert all(isinstance(event, (Tick, FeedEvent)) for event in before)


@given(st.lists(junk, max_size=10))
@settings(max_examples=150)
def test_garbage_is_counted_and_skipped(messages):
    feed = ready()
    for message in messages:
        feed.session.receive(message, feed.now_ns, [])
    assert ticks(feed.update(volume=1003)) == [(T, 100.0, 3)]


def test_garbage_floods_nobody():
    feed = ready()
    events = [event for _ in range(1000) for event in feed.receive("rubbish")]
    assert feed.session.garbage == 1000
    assert len(events) == 10
    assert not feed.session.outgoing


def test_nesting_without_end_is_garbage_too():
    feed = ready()
    assert told(feed.receive(codec.encode('{"m":"qsd","p":' + "[" * 100_000))) == [FeedEventKind.GARBAGE]
    assert told(feed.receive(codec.encode("[" * 100_000))) == [FeedEventKind.GARBAGE]


# The short way and the long way


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "volume": st.sampled_from([None, 1000, 1001, 1005.25, 900, 3, 1e100]),
                "lp": st.sampled_from([None, 100.0, 101, -2.5, 1e100]),
                "lp_time": st.sampled_from([T, T + 1, T + 2, T - 5, None]),
                "bid": st.sampled_from([None, 99.0]),
                "chp": st.sampled_from([1, "x"]),
            },
        ),
        max_size=12,
    )
)
def test_updates_read_the_same_however_they_are_written(updates):
    compact, spaced = ready(), ready()
    session = compact.session_of("X:A")
    for fields in updates:
        value = {"p": [session, {"n": "X:A", "s": "ok", "v": fields}], "m": "qsd"}
        loose = codec.encode(orjson.dumps(value, option=orjson.OPT_INDENT_2))
        assert compact.update(**fields) == spaced.receive(loose)
    assert compact.session.take_quotes(0) == spaced.session.take_quotes(0)
