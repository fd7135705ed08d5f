from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import Client

from quotes.status import FeedState, Status
from tests.quotes.live import BTC, TEN, a_publisher, a_quote, registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


@pytest.fixture
def owner(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_user("owner"))
    registered()
    return client


def get(client: Client, query: str) -> Any:
    return client.get(f"/api/v1/quotes{query}")


async def publish() -> None:
    async with a_publisher() as publisher:
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        publisher.quote(a_quote(), watched=False)
        await publisher.heartbeat([BTC])
        await publisher.flush()


def test_a_quote_comes_with_its_age_and_the_state_of_its_feed(owner: Client) -> None:
    async_to_sync(publish)()
    answer = get(owner, f"?symbols={BTC}").json()
    quote = answer["quotes"][0]
    assert (quote["symbol"], quote["quote"]["last"], quote["status"]["state"]) == (BTC, 101.0, "live")
    assert quote["quote"]["as_of"] <= answer["as_of"]


def test_without_a_streamer_the_feed_is_offline_and_the_quote_unknown(owner: Client) -> None:
    quote = get(owner, f"?symbols={BTC}").json()["quotes"][0]
    assert quote["quote"] is None
    assert (quote["status"]["state"], quote["status"]["reason"]) == ("offline", "no streamer is running")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "name 1 to 100 symbols"),
        ("?symbols=,", 400, "name 1 to 100 symbols"),
        (f"?symbol={BTC}", 400, "did you mean"),
        ("?symbols=DEMO:NOPE", 404, "DEMO:NOPE"),
    ],
)
def test_bad_input_is_answered_with_what_is_wrong(owner: Client, query: str, status: int, words: str) -> None:
    answer = get(owner, query)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert words in answer.content.decode()


def test_strangers_are_refused(client: Client) -> None:
    assert get(client, f"?symbols={BTC}").status_code in (401, 403)
