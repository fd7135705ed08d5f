"""Columns are long enough for what is kept in them: SQLite does not look, PostgreSQL refuses."""

from __future__ import annotations

from django.apps import apps

from domain.interval import Interval

OURS = ("accounts", "symbols", "marketdata", "quotes", "web")


def test_every_interval_fits_its_column():
    columns = [
        field
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for field in model._meta.fields
        if field.name == "interval"
    ]
    assert columns
    for column in columns:
        assert max(len(interval.value) for interval in Interval) <= column.max_length, column
