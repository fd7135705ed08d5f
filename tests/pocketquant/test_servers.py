"""The servers that the tests run on are real ones."""

from __future__ import annotations

from pocketquant.embedded.paths import run_dir


def test_mongodb_keeps_transactions(mongo_database):
    with mongo_database.client.start_session() as session, session.start_transaction():
        mongo_database.bars.insert_one({"_id": 1}, session=session)
    assert mongo_database.bars.count_documents({}) == 1


def test_mongodb_keeps_all_its_sockets_in_our_private_folder(settings, mongo_database):
    """In /tmp, one that another account left there would keep it from starting."""
    sockets = run_dir(settings.VAR_DIR).glob("*.sock")
    assert {"mongod.sock", "mongodb-27017.sock"} <= {socket.name for socket in sockets}


def test_each_test_has_an_empty_database(mongo_database):
    names = mongo_database.list_collection_names()
    assert "bars" in names
    assert {name: mongo_database[name].count_documents({}) for name in names} == dict.fromkeys(names, 0)


def test_valkey_answers(redis_client):
    redis_client.set("key", "value")
    assert redis_client.get("key") == b"value"


def test_django_cache_is_there(redis_client):
    from django.core.cache import cache

    cache.set("key", "value")
    assert cache.get("key") == "value"
