"""The bars move to another MongoDB."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from pymongo.database import Database
from pymongo.errors import InvalidName, InvalidURI, PyMongoError

from domain.errors import InvalidRequest, PocketQuantError
from marketdata.collections import COPIED, ensure
from marketdata.copying import Copied, copy_collection, forget_columns
from marketdata.mongo import Document, connect, database
from marketdata.progress import progress

EXAMPLES = """examples:
  manage.py copy_store --to 'mongodb://db.example:27017/?replicaSet=rs0'
  manage.py copy_store --to 'mongodb://127.0.0.1:27017/?directConnection=true' --dry-run

Copies bars, their revisions, series and coverage from the MongoDB in use. It may be run again: what is equal is not
written twice, so copy once while everything runs, stop PocketQuant, copy the rest, and start it with MONGODB_URI.
The registry and the other tables in SQL stay where they are: bars are named by the registry's ids.
exit code: 0 the target holds the same, 1 failed, 2 wrong use, 3 the target holds more than that, 130 interrupted.
"""
_FAILED, _WRONG_USE, _EXTRA, _INTERRUPTED = 1, 2, 3, 130


class Command(BaseCommand):
    help = EXAMPLES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--to", required=True, metavar="URI", help="mongodb://… of a replica set")
        parser.add_argument("--database", default=settings.MONGODB_DATABASE, help="its name there (%(default)s)")
        parser.add_argument("--remove-extra", action="store_true", help="take away what only the target holds")
        parser.add_argument("--dry-run", action="store_true", help="compare only, write nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object a collection")
        parser.add_argument("--quiet", action="store_true", help="no progress and no words")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            copied = self._copy(options)
        except (InvalidRequest, InvalidURI, InvalidName) as error:
            raise CommandError(f"--to: {error}", returncode=_WRONG_USE) from error
        except (PocketQuantError, PyMongoError) as error:
            raise CommandError(f"{error}; run it again to go on", returncode=_FAILED) from error
        except KeyboardInterrupt as error:
            raise CommandError("interrupted; run it again to go on", returncode=_INTERRUPTED) from error
        extra = sum(each.extra for each in copied)
        if extra and not options["remove_extra"]:
            words = f"the target holds {extra:,} documents that are not here; --remove-extra takes them away"
            raise CommandError(words, returncode=_EXTRA)

    def _copy(self, options: dict[str, Any]) -> list[Copied]:
        source, is_quiet = database(), options["quiet"] or options["json"]
        copied = []
        with _opened(options["to"], options["database"], source) as target:
            if not options["dry_run"]:
                ensure(target)
                forget_columns(target)
            for name in COPIED:
                total = source[name].estimated_document_count()
                with progress(total, f"documents of {name}", is_quiet=is_quiet) as shown:
                    found = copy_collection(
                        source,
                        target,
                        name,
                        removes_extra=options["remove_extra"],
                        is_dry=options["dry_run"],
                        advanced=shown.advance,
                    )
                self._tell(found, options)
                copied.append(found)
            if not options["dry_run"]:
                forget_columns(target)  # what somebody packed there meanwhile
        return copied

    def _tell(self, found: Copied, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(orjson.dumps(found._asdict()).decode())
        elif not options["quiet"]:
            would = "would be " if options["dry_run"] else ""
            self.stderr.write(
                f"{found.collection}: {found.read:,} documents, {found.inserted:,} {would}new, "
                f"{found.replaced:,} {would}replaced, {found.same:,} equal"
            )


@contextmanager
def _opened(uri: str, name: str, source: Database[Document]) -> Iterator[Database[Document]]:
    """The target. Raises InvalidRequest if it is the source itself, StoreUnavailable."""
    if urlsplit(uri).scheme not in ("mongodb", "mongodb+srv"):
        raise InvalidRequest("write mongodb://HOST:PORT/?replicaSet=NAME, or mongodb+srv://…")
    client = connect(uri)
    try:
        target = client[name]
        if _place(target) == _place(source):
            raise InvalidRequest("this is the MongoDB in use, and its database: nothing to copy")
        yield target
    finally:
        client.close()


def _place(place: Database[Document]) -> tuple[str, Any]:
    """What tells one database from another, however it is reached: replica sets have an id of their own."""
    found = place.client.admin.command("hello")
    return place.name, (found.get("topologyVersion") or {}).get("processId")
