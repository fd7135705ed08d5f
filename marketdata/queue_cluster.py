"""The job queue's cluster, which ends when one of its processes is killed, so that it can be started anew.

Its workers take tasks from a ``multiprocessing.Queue``, under a lock that they share. A worker that is killed while it
waits (by the system for want of memory, say) takes the lock with it: all the others would wait for ever, without a
word. Whatever the killed cluster had in hand is taken up again by the next one, within seconds.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.process import BaseProcess

import structlog
from django_q.cluster import Sentinel

log = structlog.get_logger(__name__)


class MortalSentinel(Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """Replaces workers that timed out or are due; ends, and the others with it, where one was killed."""

    def reincarnate(self, process: BaseProcess) -> None:
        if process.is_alive() or process.exitcode == 0:
            super().reincarnate(process)
            return
        log.critical("queue_process_killed", pid=process.pid, exit_code=process.exitcode)
        sys.exit(1)  # its children are daemons: multiprocessing ends them


def wait_for_end() -> int:
    """Until the cluster's processes have ended; the highest of their exit codes, 1 for one that was killed."""
    codes = [0]
    for child in multiprocessing.active_children():
        child.join()
        codes.append(child.exitcode or 0)
    return max(code if code >= 0 else 1 for code in codes)
