"""What newcomers read in Redis, and that it never looks younger than it is."""

from __future__ import annotations

import orjson

from quotes.standing import Standing
from tests.quotes.live import BTC, a_bar, a_quote


def test_what_is_written_anew_after_an_outage_is_as_old_as_it_was() -> None:
    standing = Standing(7)
    standing.latest((BTC, "quote"), a_quote())
    standing.latest((BTC, "5m"), a_bar())
    before = standing.take()
    after = standing.everything({})
    assert orjson.loads(before.quotes[BTC])["as_of"] == orjson.loads(after.quotes[BTC])["as_of"]
    assert orjson.loads(before.forming[BTC]["5m"]) == orjson.loads(after.forming[BTC]["5m"])


def test_what_could_not_be_written_is_written_after_the_outage() -> None:
    standing = Standing(7)
    standing.latest((BTC, "quote"), a_quote(last=101.0))
    standing.take()
    standing.latest((BTC, "quote"), a_quote(last=102.0))
    standing.drop()
    assert not standing.take()
    assert orjson.loads(standing.everything({}).quotes[BTC])["last"] == 102.0


def test_a_forming_bar_that_closed_does_not_come_back() -> None:
    standing = Standing(7)
    standing.latest((BTC, "1m"), a_bar())
    standing.take()
    standing.ended(BTC, "1m")
    assert standing.take().ended == {BTC: {"1m"}}
    assert not standing.everything({})
