"""The stream's socket against a scripted server: reconnecting, backing off, watching. Time is the test's own."""

import asyncio
import contextlib
import http
import itertools
import logging
import random

import orjson
import pytest
from websockets.asyncio.server import serve

from domain.instrument import Instrument
from domain.tick import Tick
from providers.base import FeedEventKind
from providers.tradingview import codec
from providers.tradingview.backoff import LONGEST_NEARBY_SECONDS, Backoff
from providers.tradingview.client import Timing, TradingViewStream

T = 1_767_225_600
FAST = Timing(pulse_seconds=0.01)


class Service:
    """A server that answers as told: ``scripts`` holds a coroutine for each connection, the last for all later ones."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.connections = 0
        self.received = []
        self.origins = []
        self.refusals = []

    async def __aenter__(self):
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._answer, ping_interval=None, max_queue=None
        )
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/socket.io/websocket"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    def _answer(self, connection, request):
        self.origins.append(request.headers["Origin"])
        if self.refusals:
            status, headers = self.refusals.pop(0)
            response = connection.respond(status, "no\n")
            for name, value in headers.items():
                response.headers[name] = value
            return response
        return None

    async def _serve(self, socket):
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        self.received.append([])
        with contextlib.suppress(Exception):
            await script(Peer(socket, self.received[-1]))


class Peer:
    """The service's side of one connection."""

    def __init__(self, socket, received):
        self.socket = socket
        self.received = received

    async def call(self, method):
        """The next call of this method that the client makes."""
        while True:
            for payload in codec.decode(await self.socket.recv()).payloads:
                if codec.is_heartbeat(payload):
                    self.received.append(payload)
                    continue
                call = orjson.loads(payload)
                self.received.append(call)
                if call["m"] == method:
                    return call["p"]

    async def say(self, text):
        await self.socket.send(text)

    async def subscribe(self, *, lp=100.0, volume=1000, lp_time=T):
        """Wait for the subscription and answer it; returns its session."""
        session, *symbols = await self.call("quote_add_symbols")
        for symbol in symbols:
            value = {"n": symbol, "s": "ok", "v": {"lp": lp, "lp_time": lp_time, "volume": volume}}
            await self.say(codec.encode_call("qsd", [session, value]))
            await self.say(codec.encode_call("quote_completed", [session, symbol]))
        return session

    async def trade(self, session, volume, symbol="X:A"):
        await self.say(codec.encode_call("qsd", [session, {"n": symbol, "s": "ok", "v": {"volume": volume}}]))

    async def stay(self):
        await self.socket.wait_closed()


class Time:
    """A clock that the test moves, and a sleep that moves it instead of waiting."""

    def __init__(self):
        self.now_ns = T * 10**9
        self.slept = []

    def clock(self):
        return self.now_ns

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_ns += int(seconds * 1e9)
        await asyncio.sleep(0)


async def drop(peer):
    peer.socket.transport.abort()


async def quote(peer):
    session = await peer.subscribe()
    await peer.trade(session, 1001)
    await peer.stay()


@contextlib.asynccontextmanager
async def following(service, *symbols, time=None, token="", timing=FAST):
    time = time or Time()
    stream = TradingViewStream(
        service.url, token=token, random=dice(), clock=time.clock, sleep=time.sleep, timing=timing
    )
    stream.set_instruments([Instrument(symbol=symbol) for symbol in symbols or ["X:A"]])
    try:
        yield stream
    finally:
        await stream.close()


def dice():
    return random.Random(7).random


async def collect(stream, is_done, seconds=8):
    events = []
    async with asyncio.timeout(seconds):
        while not is_done(events):
            events.extend(await anext(stream))
    return events


def of(events, kind):
    return [event for event in events if getattr(event, "kind", None) is kind]


def has(kind, count=1):
    return lambda events: len(of(events, kind)) >= count


def has_ticks(count=1):
    return lambda events: sum(isinstance(event, Tick) for event in events) >= count


async def test_it_subscribes_streams_and_ends_when_closed():
    async with Service(quote) as service, following(service) as stream:
        events = await collect(stream, has_ticks())
        assert of(events, FeedEventKind.CONNECTED)
        await stream.close()
        async for _ in stream:  # what had arrived, then the end
            pass
    assert service.origins == ["https://www.tradingview.com"]


async def test_nothing_is_connected_before_something_is_followed():
    async with Service(quote) as service:
        stream = TradingViewStream(service.url, random=dice(), timing=FAST)
        first = asyncio.create_task(anext(stream))
        done, _ = await asyncio.wait([first], timeout=0.1)
        assert not done
        assert service.connections == 0
        stream.set_instruments([Instrument(symbol="X:A")])
        assert of(await first, FeedEventKind.CONNECTED)
        await stream.close()


async def test_heartbeats_are_echoed_at_once():
    async def beat(peer):
        await peer.subscribe()
        await peer.say("~m~4~m~~h~7")
        await peer.call("nothing")

    async with Service(beat) as service, following(service) as stream:
        reading = asyncio.create_task(collect(stream, lambda events: False, seconds=60))
        async with asyncio.timeout(5):
            while b"~h~7" not in (service.received or [[]])[0]:
                await asyncio.sleep(0.01)
        reading.cancel()


async def test_after_a_drop_it_subscribes_again_under_new_sessions():
    async def once(peer):
        await peer.subscribe()
        await drop(peer)

    async with Service(once, quote) as service, following(service) as stream:
        events = await collect(stream, has_ticks())
    [ended] = of(events, FeedEventKind.DISCONNECTED)
    assert ended.reason == "connection lost"
    assert 0.5 <= ended.retry_in_seconds <= 30
    created = [call["p"][0] for calls in service.received for call in calls if call["m"] == "quote_create_session"]
    assert len(set(created)) == 2


async def test_waits_grow_until_a_connection_has_proved_itself():
    time = Time()

    async def lasting(peer):
        session = await peer.subscribe()
        time.now_ns += 31 * 10**9  # lives long enough, but for the watchdog that sees fresh frames
        await peer.trade(session, 1001)
        await asyncio.sleep(0.2)
        await drop(peer)

    scripts = [drop] * 7 + [lasting] + [drop]
    timing = Timing(pulse_seconds=0.01, silence_seconds=300)
    async with Service(*scripts) as service, following(service, time=time, timing=timing) as stream:
        await collect(stream, has(FeedEventKind.DISCONNECTED, 9))
    assert time.slept[0] < 1
    assert 1.8 <= time.slept[6] <= 3  # as long as it gets with a server on this machine
    assert time.slept[7] < 1  # afresh after the proof
    assert time.slept[8] < time.slept[6]


async def test_a_connection_that_brings_nothing_proves_nothing():
    time = Time()

    async def mute(peer):
        await peer.call("quote_add_symbols")
        time.now_ns += 31 * 10**9
        await peer.say("~m~4~m~~h~1")
        await asyncio.sleep(0.05)
        await drop(peer)

    timing = Timing(pulse_seconds=0.01, silence_seconds=300)
    async with Service(mute) as service, following(service, time=time, timing=timing) as stream:
        await collect(stream, has(FeedEventKind.DISCONNECTED, 5))
    assert time.slept[4] > time.slept[0] * 2.5


@pytest.mark.parametrize(
    ("status", "headers", "least", "said"),
    [
        (http.HTTPStatus.TOO_MANY_REQUESTS, {}, 30, "429"),
        (http.HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "90"}, 90, "429"),
        (http.HTTPStatus.FORBIDDEN, {}, 300, "403"),
        (http.HTTPStatus.SERVICE_UNAVAILABLE, {}, 0.5, "503"),
    ],
)
async def test_refusals_at_the_door_are_waited_out_as_long_as_they_ask(status, headers, least, said):
    time = Time()
    async with Service(quote) as service, following(service, time=time) as stream:
        service.refusals = [(status, headers)]
        events = await collect(stream, has_ticks())
    [refused] = of(events, FeedEventKind.DISCONNECTED)
    assert said in refused.reason
    assert least <= refused.retry_in_seconds == time.slept[0]


async def test_a_bad_token_is_not_tried_in_a_loop():
    async def refuse(peer):
        await peer.call("set_auth_token")
        await peer.say(codec.encode_call("protocol_error", ["bad auth token"]))
        await peer.socket.close()

    time = Time()
    async with Service(refuse) as service, following(service, token="very-secret", time=time) as stream:
        events = await collect(stream, has(FeedEventKind.DISCONNECTED))
    assert "bad auth token" in events[-1].reason
    assert time.slept[0] >= 3600


async def test_the_token_is_never_told_or_logged(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("websockets.client", "websockets.server"):
        logging.getLogger(name).setLevel(logging.INFO)

    async with Service(drop, quote) as service, following(service, token="very-secret") as stream:
        events = await collect(stream, has_ticks())
    assert service.received[1][0] == {"m": "set_auth_token", "p": ["very-secret"]}
    assert "very-secret" not in caplog.text
    assert all("very-secret" not in repr(event) for event in events)


async def test_silence_of_the_socket_ends_it():
    time = Time()

    async def fall_silent(peer):
        await peer.subscribe()
        await asyncio.sleep(0.05)
        time.now_ns += 31 * 10**9
        await peer.stay()

    async with Service(fall_silent, quote) as service, following(service, time=time) as stream:
        events = await collect(stream, has_ticks())
    assert of(events, FeedEventKind.DISCONNECTED)[0].reason == "stalled: nothing received for 30 s"


async def test_heartbeats_do_not_make_a_dead_feed_look_alive():
    time = Time()

    async def beat_only(peer):
        await peer.subscribe()
        for number in itertools.count(1):
            await asyncio.sleep(0.1)
            time.now_ns += 10**9
            await peer.say(codec.heartbeat(number))

    async with Service(beat_only, quote) as service, following(service, time=time) as stream:
        events = await collect(stream, has_ticks())
    [ended] = of(events, FeedEventKind.DISCONNECTED)
    assert ended.reason == "stalled: no answer to a probe of X:A within 5 s"
    assert ended.time.timestamp() - of(events, FeedEventKind.SUBSCRIBED)[0].time.timestamp() <= 15


async def test_a_subscription_that_nobody_answers_is_a_dead_feed_though_heartbeats_come():
    time = Time()

    async def deaf_at_first(peer):
        await peer.call("quote_add_symbols")
        for number in itertools.count(1):
            await asyncio.sleep(0.05)
            time.now_ns += 10**9
            await peer.say(codec.heartbeat(number))

    began = time.now_ns
    async with Service(deaf_at_first, quote) as service, following(service, time=time) as stream:
        events = await collect(stream, has_ticks())
    [ended] = of(events, FeedEventKind.DISCONNECTED)
    assert ended.reason == "stalled: no answer to a probe of X:A within 5 s"
    assert ended.time.timestamp() - began / 10**9 <= 15


async def test_a_subscription_that_was_lost_by_a_provider_that_answers_again_is_a_dead_feed():
    time = Time()

    async def forgetful(peer):
        await peer.call("quote_add_symbols")
        await asyncio.sleep(0.05)
        time.now_ns += 9 * 10**9
        await peer.subscribe()  # the probe gets its answer
        await asyncio.sleep(0.05)
        time.now_ns += 6 * 10**9
        await peer.stay()

    async with Service(forgetful, quote) as service, following(service, time=time) as stream:
        events = await collect(stream, has_ticks())
    assert of(events, FeedEventKind.DISCONNECTED)[0].reason == "stalled: the subscription of X:A was never answered"


async def test_another_stream_goes_on_from_where_the_last_one_was_closed():
    async def trade_once(peer):
        session = await peer.subscribe(volume=1000)
        await peer.trade(session, 1007)
        await peer.stay()

    async def later(peer):
        session = await peer.subscribe(volume=1030, lp_time=T + 20)
        await peer.trade(session, 1031)
        await peer.stay()

    async with Service(trade_once, later) as service:
        async with following(service) as first:
            told = await collect(first, has_ticks())
        await first.close()
        left = first.baselines()
        async with following(service) as second:
            second.restore(left)
            second.set_instruments([])
            second.set_instruments([Instrument(symbol="X:A")])
            events = await collect(second, has_ticks())
    [missed] = of(events, FeedEventKind.GAP_VOLUME)
    assert missed.volume == 23
    [before] = [event for event in told if isinstance(event, Tick)]
    [after] = [event for event in events if isinstance(event, Tick)]
    assert (before.lots, after.lots) == (7 * 10**8, 10**8)


async def test_an_answered_probe_means_quiet():
    time = Time()

    async def quiet(peer):
        await peer.subscribe()
        await asyncio.sleep(0.1)  # until the client has taken it in
        time.now_ns += 10 * 10**9
        await peer.subscribe()  # the probe gets the same values
        await peer.call("quote_remove_symbols")
        await peer.stay()

    async with Service(quiet) as service, following(service, time=time) as stream:
        events = await collect(stream, has(FeedEventKind.PROBED))
    assert not of(events, FeedEventKind.DISCONNECTED)
    assert not [event for event in events if isinstance(event, Tick)]


async def test_a_probe_that_knows_more_than_we_were_told_means_deaf():
    time = Time()

    async def deaf(peer):
        await peer.subscribe()
        await asyncio.sleep(0.1)  # until the client has taken it in
        time.now_ns += 10 * 10**9
        await peer.subscribe(volume=1005)
        await asyncio.sleep(0.1)
        time.now_ns += 6 * 10**9
        await peer.stay()

    async with Service(deaf, quote) as service, following(service, time=time) as stream:
        events = await collect(stream, has(FeedEventKind.DISCONNECTED))
    assert events[-1].reason == "stalled: X:A traded and we were not told"


async def test_what_is_followed_changes_on_the_running_connection():
    async def serve_changes(peer):
        await peer.subscribe()
        session = await peer.subscribe()
        removed = await peer.call("quote_remove_symbols")
        assert removed[1:] == ["X:A"]
        await peer.trade(session, 1002, symbol="X:B")
        await peer.stay()

    async with Service(serve_changes) as service, following(service, "X:A") as stream:
        events = await collect(stream, has(FeedEventKind.SUBSCRIBED))
        stream.set_instruments([Instrument(symbol="X:A"), Instrument(symbol="X:B")])
        events += await collect(stream, has(FeedEventKind.SUBSCRIBED))
        stream.set_instruments([Instrument(symbol="X:B")])
        [tick] = [e for e in await collect(stream, has_ticks()) if isinstance(e, Tick)]
    assert tick.symbol == "X:B"
    assert service.connections == 1


async def test_an_address_where_nobody_listens_is_tried_again_and_again():
    time = Time()
    stream = TradingViewStream("ws://127.0.0.1:9/", random=dice(), clock=time.clock, sleep=time.sleep)
    stream.set_instruments([Instrument(symbol="X:A")])
    events = await collect(stream, has(FeedEventKind.DISCONNECTED, 3))
    await stream.close()
    assert all("cannot connect" in event.reason for event in of(events, FeedEventKind.DISCONNECTED))


async def test_a_message_too_large_to_take_ends_the_connection():
    async def flood(peer):
        await peer.subscribe()
        await peer.say("x" * (codec.MAX_MESSAGE_BYTES + 1))

    async with Service(flood, quote) as service, following(service) as stream:
        events = await collect(stream, has_ticks())
    assert of(events, FeedEventKind.DISCONNECTED)


@pytest.mark.untraced
async def test_a_consumer_that_does_not_read_holds_the_provider_back():
    sent = 0

    async def torrent(peer):
        nonlocal sent
        session = await peer.subscribe()
        for volume in range(1001, 60_001):
            await peer.trade(session, volume)
            sent += 1
        await peer.stay()

    timing = Timing(pulse_seconds=0.01, most_events=500)
    async with Service(torrent) as service, following(service, timing=timing) as stream:
        await collect(stream, has(FeedEventKind.SUBSCRIBED))
        before = -1
        async with asyncio.timeout(10):
            while before != sent:  # until TCP is full
                before = sent
                await asyncio.sleep(0.3)
        assert len(stream._events) <= 510
        assert sent < 59_000
        ticks = [e for e in await collect(stream, has_ticks(58_000), seconds=30) if isinstance(e, Tick)]
    assert all(tick.lots == 10**8 for tick in ticks)


def test_a_server_on_this_machine_is_never_kept_waiting_for_long():
    backoff = Backoff(lambda: 0.999, longest=LONGEST_NEARBY_SECONDS)
    assert max(backoff.next_seconds() for _ in range(20)) == 3
    assert backoff.next_seconds(300) >= 300  # what the service asks for counts all the same


@pytest.mark.parametrize("number", [0.0, 0.5, 0.999])
def test_waits_double_up_to_a_cap_whatever_the_dice(number):
    backoff = Backoff(lambda: number)
    waits = [backoff.next_seconds() for _ in range(12)]
    assert all(0.5 <= wait <= 30 for wait in waits)
    assert waits == sorted(waits)
    assert waits[-1] >= 18
    assert backoff.next_seconds(300) >= 300
    backoff.reset()
    assert backoff.next_seconds() < 1
