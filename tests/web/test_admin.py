"""The registry in the admin: seen by the owner, changed where that is safe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django_q.models import Schedule

from domain.interval import Interval
from marketdata import runs
from tests.web.test_chart_page import make_symbol


@pytest.fixture
def owner(client, db):
    client.force_login(get_user_model().objects.create_superuser("chief"))
    return client


def test_symbols_are_listed_with_a_way_to_their_chart(owner):
    make_symbol("DEMO:BTCUSD", name="Bitcoin")
    text = owner.get("/admin/symbols/symbol/").content.decode()
    assert "DEMO:BTCUSD" in text
    assert 'href="/chart/DEMO:BTCUSD"' in text


def test_following_is_switched_and_what_the_provider_said_is_not(owner):
    symbol = make_symbol("DEMO:BTCUSD", name="Bitcoin", tick_size=0.01)
    form = {"name": "Coin", "status": "active", "tick_size": "7", "code": "DEMO:OTHER"}  # no "streaming": unticked
    assert owner.post(f"/admin/symbols/symbol/{symbol.pk}/change/", form).status_code == 302
    symbol.refresh_from_db()
    assert (symbol.name, symbol.streaming, symbol.tick_size, symbol.code) == ("Coin", False, 0.01, "DEMO:BTCUSD")


def test_nothing_is_added_or_deleted_here(owner):
    symbol = make_symbol("DEMO:BTCUSD")
    assert owner.get("/admin/symbols/symbol/add/").status_code == 403
    assert owner.post(f"/admin/symbols/symbol/{symbol.pk}/delete/", {"post": "yes"}).status_code == 403
    assert owner.get("/admin/symbols/exchange/").status_code == 200


def test_the_admin_is_closed_to_readers(client, db):
    client.force_login(get_user_model().objects.create_user("reader"))
    assert client.get("/admin/symbols/symbol/").status_code in (302, 403)


def test_the_admin_bears_our_name_mark_and_colours(owner):
    text = " ".join(owner.get("/admin/").content.decode().split())
    assert re.search(r"<title> ?Site administration \| PocketQuant ?</title>", text)
    assert '<link rel="icon" href="/static/img/mark.svg"' in text
    blue = ", ".join(str(channel) for channel in bytes.fromhex(_shades("primary")["600"][1:]))
    assert re.search(rf"--color-primary-600: ?(rgb\({blue}\)|{_shades('primary')['600']})", text)


@pytest.mark.parametrize(
    ("scale", "shade", "theme", "token"),
    [
        ("base", "900", "dark", "panel-bg"),
        ("base", "950", "dark", "bg"),
        ("base", "800", "dark", "line"),
        ("base", "50", "light", "bg"),
        ("base", "200", "light", "line"),
        ("primary", "500", "dark", "accent"),
        ("primary", "600", "light", "accent"),
    ],
)
def test_its_colours_are_those_of_the_pages(scale, shade, theme, token):
    tokens = Path(settings.BASE_DIR, "static/css/tokens.css").read_text().split(f'[data-theme="{theme}"] {{')[1]
    assert f"--{token}: {_shades(scale)[shade]};" in tokens.split("}")[0]


def _shades(scale):
    return settings.UNFOLD["COLORS"][scale]


def test_runs_and_their_series_are_seen_linked_and_left_as_they_are(owner, mongo_database):
    symbol = make_symbol("DEMO:BTCUSD", provider="demo")
    run, _ = runs.start(runs.Order(series=[(symbol, Interval.H1)]))
    assert f'href="/sync/{run.pk}/"' in owner.get("/admin/marketdata/syncrun/").content.decode()
    items = owner.get("/admin/marketdata/syncitem/").content.decode()
    assert "DEMO:BTCUSD" in items
    assert f'href="/sync/{run.pk}/"' in items
    assert owner.post(f"/admin/marketdata/syncrun/{run.pk}/delete/", {"post": "yes"}).status_code == 403
    assert owner.get("/admin/marketdata/syncrun/add/").status_code == 403


def test_schedules_are_seen_and_edited(owner):
    schedule = Schedule.objects.create(name="a test", func="math.sqrt", schedule_type=Schedule.DAILY)
    assert "a test" in owner.get("/admin/django_q/schedule/").content.decode()
    page = owner.get(f"/admin/django_q/schedule/{schedule.pk}/change/")
    assert page.status_code == 200
    form = {"name": "a test", "func": "math.sqrt", "schedule_type": Schedule.HOURLY, "repeats": "-1"}
    form |= {"next_run_0": "2030-01-01", "next_run_1": "00:00:00"}
    assert owner.post(f"/admin/django_q/schedule/{schedule.pk}/change/", form).status_code == 302
    schedule.refresh_from_db()
    assert schedule.schedule_type == Schedule.HOURLY
