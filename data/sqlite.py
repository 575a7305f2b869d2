"""SQLite as this program uses it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, FromClause, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

#: Bulk writes touch a thousand pages of 4 KiB in a commit, many of them again in the next: with SQLite's usual 1,000
#: every commit would copy all of them, too, and wait for the disk three times.
CHECKPOINT_PAGES = 4_000
#: Of the inbox, where commits are small and callbacks wait for each: SQLite's usual.
INBOX_CHECKPOINT_PAGES = 1_000
#: What a file is called that a restore has made, until it is in the place of the old one (`data/dump_sqlite.py`).
RESTORED = ".restored"


class _HintingCompiler(SQLiteCompiler):
    """Writes the hints of `with_hint`, such as INDEXED BY, which SQLAlchemy leaves out on SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


def sqlite_engine(
    path: Path, *, writes: bool, wait_seconds: float = 30, checkpoint_pages: int = CHECKPOINT_PAGES
) -> Engine:
    """An engine on one SQLite file: WAL, full durability, foreign keys, transactions begun explicitly.

    `wait_seconds`: for another process that writes. `checkpoint_pages`: the commit that makes the write-ahead log so
    long copies it into the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": wait_seconds, "check_same_thread": False}, hide_parameters=True
    )
    engine.dialect.statement_compiler = _HintingCompiler

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        # Bulk writes touch pages all over the indexes: with the usual 2 MB each is read from the file again and again.
        cache_kib = 131_072 if writes else 8_192
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            f"wal_autocheckpoint={checkpoint_pages}",
            f"cache_size=-{cache_kib}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.connection.driver_connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def copy_log(engine: Engine) -> None:
    """Copy what is committed from the write-ahead log to the file, as far as no reader needs it: beside the writer."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.OperationalError:
        # It only spares the writer's commits the work: what is wrong with the disk, they say to those who wait.
        connection.invalidate()
    finally:
        connection.close()
