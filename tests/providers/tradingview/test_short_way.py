"""Updates take a short way where they look as usual. Whatever is sent, it tells the same as the long way."""

import random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from providers.tradingview.codec import decode, encode
from providers.tradingview.session import StreamSession

SYMBOLS = ("DEMO:BTCUSD", "DEMO:AAPL", "DEMO:BREZ", "DEMO:삼성", "DEMO:INDEX")
INSTRUMENTS = [Instrument(symbol=symbol, has_volume=symbol != "DEMO:INDEX") for symbol in SYMBOLS]

prices = st.sampled_from([10.0, 10.25, 11.5, -3.0, 0.0, 1e100, None])
volumes = st.sampled_from([5.0, 5.5, 6.25, 100.0, 52_041_106.0, 2e8, 1e15, 1e100, -1.0, None])
seconds = st.sampled_from([1_772_000_001, 1_772_000_002, 1_772_000_061, 1_771_999_000, None])
fields = st.fixed_dictionaries(
    {},
    optional={
        "volume": volumes,
        "lp": prices,
        "lp_time": seconds,
        "bid": prices,
        "ask": prices,
        "high_price": prices,
        "update_mode": st.sampled_from(["streaming", "delayed_streaming_900", None]),
        "ch": st.just(0.5),
        "description": st.just("Größe 🥨"),
    },
)
updates = st.lists(st.tuples(st.sampled_from(SYMBOLS), fields), max_size=40)


def subscribed():
    """A session that has a snapshot of every symbol, and the name of its quote session."""
    session = StreamSession(random=random.Random(1).random)
    session.follow(INSTRUMENTS, 0)
    session.open(0)
    calls = [orjson.loads(payload) for text in session.take_outgoing() for payload in decode(text).payloads]
    name = next(call["p"][0] for call in calls if call["m"] == "quote_add_symbols")
    for symbol in SYMBOLS:
        first = {"lp": 10.0, "lp_time": 1_772_000_000, "volume": 4.0, "bid": 9.5}
        session.receive(encode(payload(name, symbol, first)).encode(), 0, [])
        session.receive(encode(orjson.dumps({"m": "quote_completed", "p": [name, symbol]})).encode(), 0, [])
    return session, name


def payload(name, symbol, changed, between=b""):
    """An update as the service writes it; with blanks ``between`` it is the same JSON, but looks unusual."""
    body = orjson.dumps({"n": symbol, "s": "ok", "v": changed})
    return b'{"m":"qsd","p":[' + orjson.dumps(name) + b"," + between + body + b"]}"


def told(session, messages):
    events = []
    for message in messages:
        session.receive(message, 0, events)
    return events, session.take_quotes(0)


@settings(max_examples=150, deadline=None)
@given(updates, st.integers(1, 7))
def test_any_updates_tell_the_same_on_both_ways(sent, glued):
    short, name = subscribed()
    long, _ = subscribed()
    sent = sent * 2  # the second time every beginning has been seen before
    payloads = [payload(name, symbol, changed) for symbol, changed in sent]
    usual = [encode(*payloads[at : at + glued]).encode() for at in range(0, len(payloads), glued)]
    unusual = [encode(payload(name, symbol, changed, b" ")).encode() for symbol, changed in sent]
    assert told(short, usual) == told(long, unusual)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 200), st.integers(0, 255))
def test_a_known_beginning_makes_no_broken_message_readable(place, byte):
    session, name = subscribed()
    good = encode(payload(name, "DEMO:BTCUSD", {"volume": 5.0, "lp": 11.0})).encode()
    for _ in range(2):
        session.receive(good, 0, [])
    broken = bytearray(good)
    broken[place % len(good)] = byte
    reference, _ = subscribed()
    reference.receive(good, 0, [])
    reference._known.clear()
    reference._known_inside.clear()
    assert told(session, [bytes(broken)])[0] == told(reference, [bytes(broken)])[0]
