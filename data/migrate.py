"""Migrations, run from code: two trees (`main`, `inbox`), because on SQLite the inbox is a file of its own.

Here is whether a database is of this version; `data/revisions.py` changes it, and is loaded where that is to be done.
`python -m data.migrate "what changed"` writes the migration that takes the tables to what the models say.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, MetaData, exc, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from data.errors import SchemaError, StorageError
from data.models import inbox_metadata
from data.sqlite import RESTORED, sqlite_engine

Tree = Literal["main", "inbox"]
T = TypeVar("T")

TREES: dict[Tree, MetaData] = {"main": SQLModel.metadata, "inbox": inbox_metadata}


def folder_of(tree: Tree) -> Path:
    """Where the migration scripts of one tree are."""
    return Path(__file__).parent / "migrations" / tree


@cache
def revisions_of(tree: Tree) -> tuple[str, ...]:
    """The revisions of one tree that this version knows, the newest last: each file is named after its own."""
    return tuple(sorted(path.stem for path in (folder_of(tree) / "versions").glob("*.py")))


@cache
def tables_ever(tree: Tree) -> frozenset[str]:
    """Every table that a revision of one tree has made; some are not used any more, and still there."""
    scripts = (path.read_text("utf-8") for path in (folder_of(tree) / "versions").glob("*.py"))
    return frozenset(name for script in scripts for name in re.findall(r"create_table\(\s*['\"](\w+)", script))


async def upgrade(url: str, tree: Tree, to: str | None = None) -> None:
    """Bring the tables to this version, or only to revision `to`.

    Raises SchemaError when the database is newer than this version.
    """
    from data import revisions

    def work(connection: Connection) -> None:
        revisions.lock(connection)
        at = _revision(connection, tree)
        if at is not None:
            _refuse_newer(tree, at)
        revisions.upgrade(connection, tree, to or revisions_of(tree)[-1])

    await _with_connection(url, work)


async def revision(url: str, tree: Tree) -> str | None:
    """The revision the tables are at; None when there are none yet."""
    return await _with_connection(url, lambda connection: _revision(connection, tree))


def _revision(connection: Connection, tree: Tree) -> str | None:
    table = f"alembic_version_{tree}"
    if not inspect(connection).has_table(table):
        return None
    return connection.execute(text(f"SELECT version_num FROM {table}")).scalar_one_or_none()  # noqa: S608 - our word


async def differences(url: str, tree: Tree) -> list[Any]:
    """How the database's tables differ from the models; a test holds this empty."""
    from data import revisions

    return await _with_connection(url, lambda connection: revisions.differences(connection, tree))


async def prepare(url: str, tree: Tree) -> None:
    """Make the tables of an empty database; refuse one of another version, which a person should upgrade.

    Raises SchemaError, naming the command that helps.
    """
    _refuse_half_restored(url, tree)
    at = await revision(url, tree)
    head = revisions_of(tree)[-1]
    if at is None:
        await upgrade(url, tree)
    elif at != head:
        _refuse_newer(tree, at)
        raise SchemaError(
            f"The {tree} database is at revision {at}, this version needs {head}.",
            "Make a backup, then run: siyu migrate",
        )


def _refuse_half_restored(url: str, tree: Tree) -> None:
    if url.startswith("sqlite:///") and Path(url.removeprefix("sqlite:///") + RESTORED).exists():
        raise SchemaError(
            f"A restore of the {tree} database ended before it was in place.", "Once more: siyu restore FILE --yes"
        )


def _refuse_newer(tree: Tree, at: str) -> None:
    if at not in revisions_of(tree):
        raise SchemaError(
            f"The {tree} database was written by a newer version (revision {at}).",
            "Install that version again, or restore the backup made before it.",
        )


async def _with_connection(url: str, work: Callable[[Connection], T]) -> T:
    try:
        if url.startswith("sqlite:///"):
            return await asyncio.to_thread(_on_sqlite, Path(url.removeprefix("sqlite:///")), work)
        engine = create_async_engine("postgresql+asyncpg://" + url.split("://", 1)[1])
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()
    except (OSError, exc.OperationalError, exc.InterfaceError) as error:
        raise StorageError(
            f"The database could not be opened ({str(error).splitlines()[0]}).",
            "Check the address in [database], that the server runs and that the user may create tables.",
        ) from error


def _on_sqlite(path: Path, work: Callable[[Connection], T]) -> T:
    engine = sqlite_engine(path, writes=True)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


async def write_revision(tree: Tree, message: str) -> Path | None:
    """Write the migration from the newest revision to the models; None when nothing changed. For developers."""
    from data import revisions

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/now.db"
        await upgrade(url, tree)
        return await _with_connection(url, lambda connection: revisions.write(connection, tree, message))


if __name__ == "__main__":
    for each in TREES:
        written = asyncio.run(write_revision(each, sys.argv[1]))
        sys.stdout.write(f"{each}: {written or 'no change'}\n")
