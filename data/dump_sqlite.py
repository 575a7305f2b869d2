"""Backups of SQLite files: both copied as they were at one instant while the bot writes, and new files made of that."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from data import migrate
from data.dumps import Manifest, Reader, Writer, sync_folder, tables_of
from data.errors import StorageError
from data.migrate import Tree
from data.sqlite import RESTORED

#: What lies beside a file that is being restored: a new one that is made, and the old one that it has replaced.
MAKING, BEFORE = ".restoring", ".before-restore"


def dump(paths: dict[Tree, Path], writer: Writer, now: datetime) -> Manifest:
    """Copy both databases. Raises StorageError, also for a file that is damaged.

    The inbox is looked at first, the main file a moment later: an event that was acknowledged by then waits in the
    inbox, or what was made of it is in the main file. The other way round one could be done in the inbox whose effects
    are not in the main file: it would be lost. One that is in both is handled again, which does nothing twice.
    """
    with contextlib.ExitStack() as stack:
        trees: tuple[Tree, ...] = ("inbox", "main")
        looks = {tree: stack.enter_context(_look(paths[tree])) for tree in trees}
        revisions = {}
        for tree in trees:
            asked = f"SELECT version_num FROM alembic_version_{tree}"  # noqa: S608 - our word
            (revisions[tree],) = map(str, _asked(looks[tree], asked, paths[tree]))
        for tree in trees:
            for answer in _asked(looks[tree], "PRAGMA quick_check(1)", paths[tree]):
                if answer != "ok":
                    raise _damaged(paths[tree], str(answer))
            for name, columns in tables_of(tree).items():
                asked = f"SELECT {_names(columns)} FROM {name}"  # noqa: S608 - names of our tables
                with _faults(paths[tree]):
                    writer.add(tree, name, columns, looks[tree].execute(asked))
        return writer.finish(made_at=now, dialect="sqlite", revisions=revisions)


@contextlib.contextmanager
def _look(path: Path) -> Iterator[sqlite3.Connection]:
    """A file as it is now, whatever is written meanwhile."""
    if not path.exists():
        raise StorageError(f"There is no database {path}.", "Start the bot once, or see [database].")
    with _faults(path), contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        yield connection


def _asked(connection: sqlite3.Connection, query: str, path: Path) -> list[object]:
    with _faults(path):
        return [row[0] for row in connection.execute(query)]


def _names(columns: list[str]) -> str:
    return ", ".join(f'"{each}"' for each in columns)


@contextlib.contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, cause: str) -> StorageError:
    return StorageError(f"{path} cannot be read whole ({cause}).", "Keep the file, and restore the last good backup.")


def beside(path: Path, what: str) -> Path:
    """The name of what lies beside a database's file."""
    return path.with_name(path.name + what)


async def make(path: Path, tree: Tree, reader: Reader) -> Path:
    """A new file beside `path` with the tables of the backup's version and its rows, brought to this version."""
    new = beside(path, MAKING)
    remove(new)
    url = f"sqlite:///{new}"
    await migrate.upgrade(url, tree, reader.manifest.revisions[tree])
    with _faults(new), contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
        # Nobody uses it yet: what a power cut would spoil is made again.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for table in reader.manifest.tables:
            if table.tree != tree:
                continue
            connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - a name of one of our tables
            into = f"INSERT INTO {table.name} ({_names(table.columns)}) VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608
            for rows in reader.rows(table):
                connection.executemany(into, rows)
        connection.execute("COMMIT")
    await migrate.upgrade(url, tree)
    return new


def close(path: Path) -> None:
    """All of a file's rows are in the file itself, on the disk, and are what they should be."""
    with _faults(path), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((answer,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if answer != "ok":
            raise _damaged(path, str(answer))
    for each in ("-wal", "-shm"):
        beside(path, each).unlink(missing_ok=True)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """A file and what SQLite keeps beside it."""
    for each in ("", "-wal", "-shm"):
        beside(path, each).unlink(missing_ok=True)


def put_in_place(inbox: Path, main: Path) -> None:
    """Let both new files take the places of the old ones, which are kept beside them.

    While one is called `.restored` the databases are refused (`data.migrate.prepare`), for they may be of two times: a
    process that died between the two is made up for by restoring once more.
    """
    for path in (inbox, main):
        beside(path, MAKING).rename(beside(path, RESTORED))
    sync_folder(main.parent)
    for path in (inbox, main):
        _set_aside(path)
        beside(path, RESTORED).rename(path)
        sync_folder(path.parent)


def _set_aside(path: Path) -> None:
    if path.exists():
        # What the old file's log holds belongs to it, and would spoil the new one.
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        old = beside(path, BEFORE)
        remove(old)
        for each in ("-wal", "-shm", ""):
            if beside(path, each).exists():
                beside(path, each).rename(beside(old, each))
    for each in ("-wal", "-shm"):
        beside(path, each).unlink(missing_ok=True)
