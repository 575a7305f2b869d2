"""The database: one way to read, one way to write, the same on SQLite and on PostgreSQL.

Queries are plain functions of a `Session` (`data/queries/`). `read` and `write` run one of them as a whole: on SQLite
in a thread, so that a unit of work costs one hop instead of one per statement; on PostgreSQL over asyncpg.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import text
from sqlmodel import Session

from bot.errors import ConfigurationError
from data.postgres_database import PostgresDatabase
from data.sqlite import CHECKPOINT_PAGES
from data.sqlite_database import SqliteDatabase
from data.units import T, Unit


class Database(Protocol):
    """Runs units of work. A unit is `unit(session, *args, **kwargs)`; what it returns must not need the session."""

    dialect: str

    async def read(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a unit that only reads. Raises StorageError when the database cannot be reached."""

    async def read_here(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        """As `read`, for a few rows by their keys that somebody waits for; on SQLite it runs on the event loop."""

    async def write(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a unit and make it durable before returning; if it raises, nothing of it remains."""

    async def write_many(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        """As `write`, for a unit on hundreds of rows that nobody waits for.

        On PostgreSQL a few at a time, with rests between: more of them make the database no quicker, and whoever
        stores a callback shares its processors and the event loop with all of them.
        """

    async def write_here(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        """As `write`, for a unit of a statement or two on few rows that many wait for, such as storing callbacks.

        On SQLite it runs on the event loop and before other units: to hand it to a thread costs more than it takes,
        for the two share one interpreter. Where the disk is slow, only the commit is left to a thread.
        """

    def plan_anew(self) -> None:
        """Have statements planned by what the planner knows now: SQLite's connections learn it when they are opened."""

    async def close(self) -> None:
        """Finish what runs and let go of the database."""


def open_database(url: str, *, pool_size: int = 20, checkpoint_pages: int = CHECKPOINT_PAGES) -> Database:
    """The database at `sqlite:///path` or `postgresql://…`; its tables are made by `data.migrate`.

    `pool_size` is of PostgreSQL, `checkpoint_pages` of SQLite.
    """
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")), checkpoint_pages)
    if url.startswith(("postgresql://", "postgres://")):
        return PostgresDatabase(url, pool_size)
    raise ConfigurationError(
        f"database.url starts with {url.split(':', 1)[0]!r}, which is not supported.",
        "Write sqlite:///path/to/file or postgresql://user:password@host/name.",
    )


def ping(session: Session) -> None:
    """Raises when the database does not answer."""
    session.execute(text("SELECT 1"))
