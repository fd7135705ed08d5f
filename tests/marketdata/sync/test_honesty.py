"""What an item and its run say when something goes wrong on the way: in plain words, at once, and not for ever."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from domain.interval import Interval
from marketdata import mongo, runs
from marketdata.models import SyncItem, SyncLane
from marketdata.processes import own_name
from marketdata.sync_chunk import Chunk
from marketdata.tasks import work
from pocketquant.embedded.sockets import wait_until_ready
from symbols.models import Symbol
from symbols.services import add_symbol
from tests.providers.demo.fixtures import RunningDemoMarket
from tests.quotes.running import wait_for

M1, H1, D1 = Interval.M1, Interval.H1, Interval.D1
pytestmark = pytest.mark.django_db(transaction=True)


def order(*series):
    return runs.start(runs.Order(series=series))[0]


def working(**options):
    """A chunk of work in a thread of its own."""
    thread = threading.Thread(target=lambda: (Chunk("demo", own_name(), **options).run(), connection.close()))
    thread.start()
    return thread


def test_while_mongodb_is_away_items_wait_and_say_so_and_go_on_by_themselves(alone, impatient, demo_market):
    mongo.database()
    demo_market.faults.set(load_delay_seconds=0.2)
    run = order(*((alone, interval) for interval in list(Interval)[-6:]))
    chunk = working(seconds=1.5)
    wait_for(lambda: run.items.filter(state="completed").exists(), 10, "a series is done")
    impatient.stop()
    try:
        chunk.join(20)
        waiting = run.items.exclude(state="completed")
        assert set(waiting.values_list("state", "failures")) == {("pending", 0)}
        said = set(waiting.exclude(started_at=None).values_list("reason", flat=True))
        assert said
        assert all("MongoDB did not acknowledge" in words or "MongoDB does not answer" in words for words in said)
    finally:
        impatient.start()
        wait_until_ready(impatient)

    def is_done() -> bool:
        SyncItem.objects.filter(state="pending").update(due_at=timezone.now())
        Chunk("demo", own_name(), seconds=20).run()
        run.refresh_from_db()
        return run.is_finished

    wait_for(is_done, 60, "the run ends, once what the lost connection held is let go")
    assert (run.state, run.reason) == ("completed", "")


def test_a_worker_that_never_reached_mongodb_says_so_and_fails_nothing(alone, impatient, settings):
    settings.MONGODB_URI = "mongodb://127.0.0.1:9/?directConnection=true"
    run = order((alone, H1))
    [task, *_] = OrmQ.objects.all()
    assert work(*task.task["args"]) == 0
    item = run.items.get()
    assert (item.state, item.failures) == ("pending", 0)
    assert item.reason.startswith("MongoDB does not answer: ")
    assert "Topology" not in item.reason
    assert set(SyncLane.objects.values_list("owner", flat=True)) == {""}


@pytest.mark.parametrize("fault", ["garbage", "bad_json", "wrong_length", "truncated", "protocol_error"])
def test_an_answer_that_cannot_be_read_is_said_and_tried_again_and_stores_nothing(
    alone, demo_market: RunningDemoMarket, repository, fault
):
    demo_market.faults.set(load_delay_seconds=0.1)
    run = order((alone, H1))
    chunk, item = working(), run.items.get
    while chunk.is_alive():
        demo_market.faults.inject(fault)
        chunk.join(0.01)
    assert (item().state, item().failures, item().is_set_aside, item().inserted) == ("error", 1, False, 0)
    assert "unreadable" in item().reason or "ended the conversation" in item().reason
    assert repository.series(alone.instrument(), H1) is None
    SyncItem.objects.update(due_at=timezone.now())
    Chunk("demo", own_name()).run()
    assert (item().state, item().failures) == ("completed", 0)


def test_a_run_whose_symbol_is_retired_on_the_way_says_that_it_is_not_whole(alone, demo_market):
    ether, _ = add_symbol(code="DEMO:ETHUSD", streaming=False)
    run = order((alone, H1), (ether, H1), (ether, D1))
    Symbol.objects.filter(pk=ether.pk).update(status=Symbol.Status.RETIRED)
    Chunk("demo", own_name()).run()
    run.refresh_from_db()
    assert (run.state, run.reason) == ("partial", "2 series cancelled: the symbol is retired")
    assert sorted(run.items.values_list("state", flat=True)) == ["cancelled", "cancelled", "completed"]
    again = order((ether, H1))
    Chunk("demo", own_name()).run()
    again.refresh_from_db()
    assert (again.state, again.reason) == ("cancelled", "1 series cancelled: the symbol is retired")
