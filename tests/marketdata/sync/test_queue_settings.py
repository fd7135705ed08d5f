"""The queue's settings are checked at start."""

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from marketdata.queue_settings import check_queue


def test_ours_are_right():
    check_queue(settings.Q_CLUSTER)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"timeout": 5}, "timeout 5 must be longer"),
        ({"timeout": None}, "timeout None must be longer"),
        ({"retry": 60}, "retry 60 must be longer than timeout 60"),
        ({"catch_up": True}, "catch_up must be off"),
        ({"ack_failures": False}, "ack_failures must be on"),
    ],
)
def test_what_would_run_tasks_twice_or_lose_them_is_refused(change, words):
    with pytest.raises(ImproperlyConfigured, match=words):
        check_queue(settings.Q_CLUSTER | change)
