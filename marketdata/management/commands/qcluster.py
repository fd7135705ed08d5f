"""``manage.py qcluster``: the workers of the job queue; django-q2's own, but for what ``queue_cluster`` says."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django_q import cluster
from django_q.management.commands import qcluster

from marketdata.queue_cluster import MortalSentinel, wait_for_end


class Command(qcluster.Command):  # type: ignore[misc]  # django-q2 has no types
    help = "Start the workers of the job queue."

    def handle(self, *args: Any, **options: Any) -> None:
        cluster.Sentinel = MortalSentinel
        super().handle(*args, **options)
        if wait_for_end():
            raise CommandError("a process of the cluster was killed; start it again")
