"""Orders to the queue: one for a hole of many symbols, none lost, none too often."""

import asyncio

import pytest
from django.db import DatabaseError

from quotes.syncs import SyncOrders
from quotes.threads import WorkerThread


class Queue:
    """Takes orders, or is away; ``now`` is the clock of whoever orders."""

    def __init__(self):
        self.now, self.is_away, self.orders, self.on_order = 1_000.0, False, [], lambda: None
        self.thread = WorkerThread("sql")
        self.syncs = SyncOrders(self.take, self.thread, clock=lambda: self.now)

    def take(self, symbols):
        self.on_order()
        if self.is_away:
            raise DatabaseError("away")
        self.orders.append(symbols)

    def after(self, seconds):
        self.now += seconds
        asyncio.run(self.syncs.ask())
        return self.orders


@pytest.fixture
def queue():
    found = Queue()
    yield found
    found.thread.close()


def test_symbols_that_come_one_after_the_other_are_ordered_together(queue):
    for symbol in "ABC":
        queue.syncs.want(symbol)
        assert queue.after(1.0) == []
    assert queue.after(1.0) == [["A", "B", "C"]]
    assert queue.after(100.0) == [["A", "B", "C"]]


def test_a_stream_of_newcomers_does_not_hold_up_the_first(queue):
    for symbol in "ABCDE":
        queue.syncs.want(symbol)
        queue.after(1.0)
    assert queue.orders == [["A", "B", "C", "D", "E"]]


def test_each_symbol_is_ordered_once_a_minute_at_most(queue):
    queue.syncs.want("A")
    queue.after(5.0)
    queue.syncs.want("A")
    assert queue.after(50.0) == [["A"]]
    assert queue.after(11.0) == [["A"], ["A"]]


def test_what_is_wanted_while_it_is_ordered_is_ordered_again(queue):
    queue.syncs.want("A")
    queue.on_order = lambda: queue.syncs.want("A")
    queue.after(5.0)
    queue.on_order = lambda: None
    assert queue.after(70.0) == [["A"], ["A"]]


def test_an_order_waits_for_a_database_that_is_away(queue):
    queue.syncs.want("A")
    queue.is_away = True
    assert queue.after(5.0) == []
    queue.is_away = False
    assert queue.after(0.25) == [["A"]]
