"""The schema over HTTP, asked for by several at once in a process that has not made it before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import threading, django
django.setup()
from django.test import RequestFactory
from pocketquant.urls import SchemaView
view, codes, ready = SchemaView.as_view(permission_classes=[], authentication_classes=[]), [], threading.Barrier(4)
def ask():
    ready.wait()
    codes.append(view(RequestFactory().get("/api/schema/")).status_code)
threads = [threading.Thread(target=ask) for _ in range(4)]
[one.start() for one in threads]
[one.join() for one in threads]
print(codes)
"""


def test_four_who_ask_at_once_for_the_first_schema_all_get_it():
    said = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert said.stdout.strip().endswith("[200, 200, 200, 200]"), said.stderr[-2_000:]
