"""Keeping what changed in the sample company: in a SQLite file, or nowhere."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from bot.sandbox.errors import WorldError

Record = TypeVar("Record")


@cache
def _build_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Reader and writer of one kind of record; building one is slow, so each is built once."""
    return _build_adapter(kind)


def to_json(record: object) -> str:
    """A record as JSON text."""
    return _adapter(type(record)).dump_json(record).decode()


def to_dict(record: object) -> dict[str, Any]:
    """A record as plain JSON values."""
    made: dict[str, Any] = _adapter(type(record)).dump_python(record, mode="json")
    return made


class Journal:
    """Remembers nothing: the world of a test lives as long as the test."""

    def put(self, kind: str, key: str, record: object) -> None:
        """Note that `record` is now what `kind`/`key` holds. The object may change until the next flush."""

    def drop(self, kind: str, key: str) -> None:
        """Note that `kind`/`key` is gone."""

    def load(self, kind: str, type_: type[Record]) -> Iterator[tuple[str, Record]]:
        """What was kept, in the order in which it was first written."""
        return iter(())

    def put_bytes(self, key: str, data: bytes) -> None:
        """Keep a file's bytes."""

    def get_bytes(self, key: str) -> bytes | None:
        return None

    def flush(self) -> int:
        """Write what was noted; how many records that were."""
        return 0

    def close(self) -> None:
        self.flush()


class MemoryJournal(Journal):
    """Keeps files, and nothing else, for as long as the process lives."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def put_bytes(self, key: str, data: bytes) -> None:
        self._files[key] = data

    def get_bytes(self, key: str) -> bytes | None:
        return self._files.get(key)


@dataclass(slots=True, frozen=True)
class Batch:
    """Rows to write, (kind, key, value; None to delete), and the world they belong to: a reset makes them void."""

    generation: int
    rows: list[tuple[str, str, str | None]]


class SqliteJournal(Journal):
    """Keeps every change in one SQLite file, written in small batches by `flush` (safe to call from a thread).

    Raises WorldError when the file was made for another sample company.
    """

    def __init__(self, path: Path, identity: dict[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, str], object | None] = {}
        self._unwritten: list[tuple[str, str, str | None]] = []
        self._generation = 0
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(
            "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
            "CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,"
            " value TEXT NOT NULL, UNIQUE (kind, key));"
            "CREATE TABLE IF NOT EXISTS file (key TEXT PRIMARY KEY, data BLOB NOT NULL);"
        )
        self.meta = dict(self._db.execute("SELECT name, value FROM meta"))
        for name, value in identity.items():
            if self.meta.get(name, value) != value:
                self._db.close()
                raise WorldError(
                    f"{path} holds another sample company: its {name} is {self.meta[name]}, not {value}.",
                    "Use the same values, or remove the file to begin anew.",
                )
        self.meta = {**identity, **self.meta}
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", identity.items())

    def set_meta(self, name: str, value: str) -> None:
        """Keep one setting of the world itself; written with the next flush."""
        self.meta[name] = value
        self._pending[("meta", name)] = value

    def put(self, kind: str, key: str, record: object) -> None:
        self._pending[(kind, key)] = record

    def drop(self, kind: str, key: str) -> None:
        self._pending[(kind, key)] = None

    def load(self, kind: str, type_: type[Record]) -> Iterator[tuple[str, Record]]:
        adapter = _adapter(type_)
        for key, value in self._db.execute("SELECT key, value FROM record WHERE kind = ? ORDER BY id", (kind,)):
            yield key, adapter.validate_json(value)

    def put_bytes(self, key: str, data: bytes) -> None:
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO file VALUES (?, ?)", (key, data))

    def get_bytes(self, key: str) -> bytes | None:
        with self._lock:
            row = self._db.execute("SELECT data FROM file WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def take(self) -> Batch:
        """Turn what was noted into rows to write: on the thread that changes the records."""
        pending, self._pending = self._pending, {}
        unwritten, self._unwritten = self._unwritten, []
        rows = [
            (kind, key, None if record is None else str(record) if kind == "meta" else to_json(record))
            for (kind, key), record in pending.items()
        ]
        return Batch(self._generation, unwritten + rows)

    def give_back(self, batch: Batch) -> None:
        """Rows could not be written: they go first the next time."""
        if batch.generation == self._generation:
            self._unwritten = batch.rows + self._unwritten

    def write(self, batch: Batch) -> None:
        """Write rows in one transaction: may run on any thread."""
        if not batch.rows:
            return
        with self._lock, self._db:
            if batch.generation != self._generation:
                return
            for kind, key, value in batch.rows:
                if kind == "meta":
                    self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
                elif value is None:
                    self._db.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))
                else:
                    self._db.execute(
                        "INSERT INTO record (kind, key, value) VALUES (?, ?, ?)"
                        " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                        (kind, key, value),
                    )

    def flush(self) -> int:
        batch = self.take()
        self.write(batch)
        return len(batch.rows)

    def clear(self) -> None:
        """Forget everything but what the sample company is."""
        self._pending.clear()
        self._unwritten.clear()
        with self._lock, self._db:
            self._generation += 1
            self._db.execute("DELETE FROM record")
            self._db.execute("DELETE FROM file")

    def close(self) -> None:
        self.flush()
        with self._lock:
            self._db.close()
