"""The servers that the tests run on are real ones."""

from __future__ import annotations


def test_mongodb_keeps_transactions(mongo_database):
    with mongo_database.client.start_session() as session, session.start_transaction():
        mongo_database.bars.insert_one({"_id": 1}, session=session)
    assert mongo_database.bars.count_documents({}) == 1


def test_each_test_has_an_empty_database(mongo_database):
    assert mongo_database.list_collection_names() == []


def test_valkey_answers(redis_client):
    redis_client.set("key", "value")
    assert redis_client.get("key") == b"value"


def test_django_cache_is_there(redis_client):
    from django.core.cache import cache

    cache.set("key", "value")
    assert cache.get("key") == "value"
