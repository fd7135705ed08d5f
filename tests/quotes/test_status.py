"""What the three clocks make of a feed."""

from __future__ import annotations

import pytest

from domain.instrument import Instrument
from quotes.board import StatusBoard
from quotes.status import Endpoint, FeedState, Rhythm, Session, Status, judge

OPEN = Session(is_open=True)


def connected(alive_at: float) -> Endpoint:
    return Endpoint(connected=True, alive_at=alive_at)


def ticking(last_at: float, gap: float = 0.5) -> Rhythm:
    return Rhythm(last_at=last_at, gap=gap, heard=True)


def state(endpoint: Endpoint, rhythm: Rhythm, now: float, session: Session = OPEN) -> FeedState:
    return judge(endpoint, rhythm, session, now)[0]


def test_data_at_its_own_rhythm_is_live() -> None:
    assert state(connected(100.0), ticking(100.0), 101.0) is FeedState.LIVE


def test_a_feed_late_by_contract_is_delayed() -> None:
    rhythm = ticking(100.0)
    rhythm.delay_seconds = 900
    assert state(connected(100.0), rhythm, 101.0) is FeedState.DELAYED


@pytest.mark.parametrize("gap", [0.01, 0.5, 2.0, 30.0])
def test_a_feed_that_shows_no_life_is_stale_within_15_s_whatever_the_rhythm(gap: float) -> None:
    assert state(connected(100.0), ticking(100.0, gap), 114.0) is FeedState.STALE


def test_a_symbol_that_is_silent_while_the_provider_answers_a_probe_is_quiet() -> None:
    rhythm = ticking(100.0)
    rhythm.probed_at = 109.0
    assert state(connected(109.0), rhythm, 120.0) is FeedState.QUIET
    assert state(connected(109.0), rhythm, 150.0) is FeedState.QUIET
    assert state(connected(109.0), rhythm, 180.0) is FeedState.STALE  # asked at least once a minute


def test_a_symbol_that_is_silent_while_others_tick_is_quiet_and_stale_only_far_beyond_its_rhythm() -> None:
    assert state(connected(119.0), ticking(100.0, gap=1.0), 120.0) is FeedState.QUIET
    assert state(connected(144.0), ticking(100.0, gap=1.0), 145.0) is FeedState.STALE


def test_a_closed_market_is_closed_not_stale() -> None:
    assert state(connected(0.0), ticking(0.0), 1_000.0, Session(is_open=False)) is FeedState.CLOSED


def test_a_lost_connection_is_reconnecting_with_its_reason_and_offline_after_a_minute() -> None:
    endpoint = connected(100.0)
    endpoint.lost(100.0, "refused", None)
    assert judge(endpoint, ticking(100.0), OPEN, 101.0) == (FeedState.RECONNECTING, "refused")
    endpoint.lost(130.0, "refused again", None)
    assert judge(endpoint, ticking(100.0), OPEN, 161.0) == (FeedState.OFFLINE, "refused again")


def test_a_connection_alone_makes_no_symbol_live_or_quiet() -> None:
    endpoint, rhythm = connected(100.0), ticking(100.0)
    endpoint.lost(101.0, "stalled", None)
    endpoint.came_up(102.0)
    waiting = "connected again, but nothing was said of this symbol yet"
    for now in (102.1, 109.0, 115.0):
        assert judge(endpoint, rhythm, OPEN, now) == (FeedState.RECONNECTING, waiting)
    assert judge(endpoint, rhythm, OPEN, 161.0) == (FeedState.OFFLINE, waiting)
    rhythm.beat(161.5)
    assert state(endpoint, rhythm, 161.6) is FeedState.LIVE


def test_connections_that_bring_nothing_do_not_hide_for_how_long_a_provider_is_away() -> None:
    endpoint = connected(100.0)
    endpoint.lost(101.0, "stalled", None)
    for now in range(102, 170, 10):
        endpoint.came_up(now)
        endpoint.lost(now + 9, "stalled again", None)
    assert judge(endpoint, ticking(100.0), OPEN, 172.0) == (FeedState.OFFLINE, "stalled again")
    endpoint.came_up(175.0)
    endpoint.alive_at = 176.0
    endpoint.lost(180.0, "once more", None)
    assert judge(endpoint, ticking(176.0), OPEN, 181.0) == (FeedState.RECONNECTING, "once more")


def test_a_refused_symbol_is_an_error_until_data_comes() -> None:
    rhythm = ticking(100.0)
    rhythm.error = "no such symbol"
    assert judge(connected(100.0), rhythm, OPEN, 101.0) == (FeedState.ERROR, "no such symbol")
    rhythm.beat(102.0)
    assert state(connected(102.0), rhythm, 102.0) is FeedState.LIVE


class TestBoard:
    def test_it_tells_changes_only(self) -> None:
        told: list[tuple[str, Status]] = []
        board = StatusBoard(lambda symbol, status: told.append((symbol, status)))
        endpoint = connected(0.0)
        board.follow(Instrument(symbol="DEMO:BTCUSD", id=1), endpoint, 0.0)
        for second in range(20):
            board.review(float(second), 1_000.0 + second)
        assert [status.state for _, status in told] == [FeedState.LIVE, FeedState.STALE]
        board.heard("DEMO:BTCUSD", 20.0)
        board.review(20.0, 1_020.0)
        assert told[-1][1].state is FeedState.LIVE
        assert told[-1][1].since.timestamp() == 1_020.0

    def test_a_market_that_is_closed_says_when_it_opens(self) -> None:
        told: list[Status] = []
        board = StatusBoard(lambda _, status: told.append(status))
        board.follow(Instrument(symbol="NASDAQ:AAPL", id=1, calendar="XNYS"), connected(0.0), 0.0)
        saturday = 1_772_884_800.0  # 2026-03-07 12:00 UTC
        board.review(1.0, saturday)
        assert told[0].state is FeedState.CLOSED
        assert told[0].opens_at is not None
        assert told[0].opens_at.isoformat() == "2026-03-09T13:30:00+00:00"
