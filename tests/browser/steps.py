"""What tests do again and again: wait for a chart, read it, and make a gap in the store."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from playwright.sync_api import expect

from marketdata.mongo import connect
from marketdata.repository import BarRepository
from pocketquant.embedded.paths import mongodb_uri
from providers.demo import demo_instruments

PATIENT = 20_000
BITCOIN = "/chart/DEMO:BTCUSD"
PHONE = {"has_touch": True, "is_mobile": True}


def legend(page):
    return page.locator("#legend")


def wait_for_bars(page, label="1m"):
    expect(legend(page)).to_contain_text(re.compile(rf"^{label}\s*O"), timeout=PATIENT)


def wait_for_live(page, timeout=PATIENT):
    expect(page.locator("#live-word")).to_have_text("Live", timeout=timeout)


def loaded(page):
    return int(re.sub(r"\D", "", page.locator("#bars-loaded").inner_text().partition("loaded")[0]))


def rows(page):
    return [row.split("\t") for row in page.locator("#table-view").inner_text().splitlines()[1:]]


def forget_bars(system, symbol, interval, oldest, newest):
    """Takes the bars out of the store that opened from ``oldest`` until before ``newest`` intervals ago."""
    with closing(sqlite3.connect(f"file:{system.var}/pocketquant.sqlite3?mode=ro", uri=True)) as registry:
        [(key,)] = registry.execute("SELECT id FROM symbols_symbol WHERE code = ?", [symbol])
    [instrument] = [replace(each, id=key) for each in demo_instruments() if each.symbol == symbol]
    now = int(time.time()) // interval.seconds
    start, end = (datetime.fromtimestamp((now - n) * interval.seconds, UTC) for n in (oldest, newest))
    with connect(mongodb_uri(system.var)) as client:
        count = BarRepository(client["pocketquant"]).delete(instrument, interval, start, end)
    assert count == oldest - newest, "they were all there"
