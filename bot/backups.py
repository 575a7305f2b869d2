"""Backups of both databases in one file, and what is restored from one."""

from __future__ import annotations

import asyncio
import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, tzinfo
from functools import partial
from pathlib import Path
from threading import Event
from typing import NamedTuple

from sqlalchemy.exc import DatabaseError

from bot.config import Settings
from data import dump_postgres, dump_sqlite, migrate
from data.db import open_database
from data.dumps import Manifest, Reader, Writer
from data.errors import ConflictError, SchemaError, StorageError
from data.migrate import Tree
from data.queries.restores import Gone, read_gone, settle_restored
from data.rules.schedule import last_daily

SQLITE = "sqlite:///"
#: What backups are called in the folder of `backup.folder`; others in it are left alone.
NAME = re.compile(r"siyu-(\d{8}T\d{6}Z)\.zip")
STAMP = "%Y%m%dT%H%M%SZ"


class Found(NamedTuple):
    """A backup in the folder, as its name says."""

    path: Path
    made_at: datetime
    size_bytes: int


def name_for(now: datetime) -> str:
    """What a backup of an instant is called."""
    return f"siyu-{now.astimezone(UTC).strftime(STAMP)}.zip"


def list_backups(folder: Path) -> list[Found]:
    """The backups in a folder, the newest first. Raises StorageError where it cannot be looked into."""
    found = []
    try:
        for path in folder.iterdir() if folder.is_dir() else ():
            if match := NAME.fullmatch(path.name):
                made_at = datetime.strptime(match[1], STAMP).replace(tzinfo=UTC)
                found.append(Found(path, made_at, path.stat().st_size))
    except (OSError, ValueError) as error:
        raise StorageError(f"The folder {folder} cannot be looked into ({error}).", "See backup.folder.") from error
    return sorted(found, key=lambda each: each.made_at, reverse=True)


def is_due(at: str, zone: tzinfo, now: datetime, newest: datetime | None, wanted_at: datetime | None) -> bool:
    """Whether a backup is to be made: none since the last time of the day at which one is, or since somebody wanted
    one."""
    since = [last_daily(time.fromisoformat(at), zone, now)] if at else []
    since += [wanted_at] if wanted_at is not None else []
    return any(newest is None or newest < each for each in since)


def remove_old(folder: Path, keep: int) -> int:
    """Keep the newest; how many others are removed."""
    old = list_backups(folder)[keep:]
    for each in old:
        each.path.unlink(missing_ok=True)
    return len(old)


def _urls(settings: Settings) -> dict[Tree, str]:
    return {"main": settings.database.url, "inbox": settings.inbox_url}


def _paths(settings: Settings) -> dict[Tree, Path]:
    return {tree: Path(url.removeprefix(SQLITE)) for tree, url in _urls(settings).items()}


def _is_missing(url: str) -> bool:
    """Whether it is an SQLite file that is not there: to look at its tables would make it."""
    return url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists()


def _is_sqlite(settings: Settings) -> bool:
    kinds = {url.startswith(SQLITE) for url in _urls(settings).values()}
    if len(kinds) > 1:
        raise StorageError(
            "One database is SQLite and the other PostgreSQL: that is not backed up together.",
            "Let [database] name two of a kind.",
        )
    return kinds.pop()


async def make_backup(settings: Settings, path: Path, now: datetime) -> Manifest:
    """Write a backup of both databases to a new file, beside whatever the bot does. Raises StorageError, SchemaError.

    It is made in a thread with a loop of its own: to write a million rows takes a while. If this is cancelled, the
    thread ends soon and leaves no file.
    """
    urls, stop = _urls(settings), Event()
    is_sqlite = _is_sqlite(settings)
    for tree, url in urls.items():
        await _refuse_other_version(tree, url)

    def make() -> Manifest:
        with Writer(path, stop) as writer:
            if is_sqlite:
                return dump_sqlite.dump(_paths(settings), writer, now)
            return asyncio.run(dump_postgres.dump(urls, writer, now))

    try:
        return await asyncio.to_thread(make)
    except asyncio.CancelledError:
        stop.set()
        raise


async def _refuse_other_version(tree: Tree, url: str) -> None:
    if _is_missing(url):
        raise StorageError(f"There is no {tree} database yet.", "The first start of the bot makes it.")
    at, head = await migrate.revision(url, tree), migrate.revisions_of(tree)[-1]
    if at != head:
        raise SchemaError(
            f"The {tree} database is at revision {at}, this version is made for {head}.",
            "Make the backup with the version that runs on it.",
        )


async def restore(settings: Settings, path: Path, now: datetime, *, by: str, replace: bool) -> Manifest:
    """Put a backup in the place of both databases; what is there is lost (on SQLite it is kept beside).

    Everything is looked at before anything is touched. Raises BackupError, SchemaError for a backup of a newer version,
    and ConflictError while a bot runs, or where there is something and it is not to be replaced.
    """
    is_sqlite = _is_sqlite(settings)
    with Reader(path) as reader:
        manifest = reader.manifest
        for tree, at in manifest.revisions.items():
            if at not in migrate.revisions_of(tree):
                raise SchemaError(
                    f"The backup was made by a newer version (revision {at}).", "Install that version, then restore."
                )
        await asyncio.to_thread(reader.verify)
        settle = partial(settle_restored, made_at=manifest.made_at, now=now, by=by)
        if is_sqlite:
            with claimed(_paths(settings)["inbox"]):
                if any(each.exists() for each in _paths(settings).values()) and not replace:
                    raise _would_replace(manifest)
                await _restore_files(settings, reader, partial(settle, gone=await _read_gone(settings)))
        else:
            urls = _urls(settings)
            for url in dict.fromkeys(urls.values()):
                await dump_postgres.refuse_in_use(url)
            there = [await migrate.revision(url, tree) for tree, url in urls.items()]
            if any(there) and not replace:
                raise _would_replace(manifest)
            for tree, at_now in zip(urls, there, strict=True):
                if at_now is not None and at_now not in migrate.revisions_of(tree):
                    raise SchemaError(
                        f"The {tree} database was written by a newer version (revision {at_now}).",
                        "Make an empty database, name it in [database] and restore into that.",
                    )
            await dump_postgres.load(urls, reader, partial(settle, gone=await _read_gone(settings)))
        return manifest


async def _read_gone(settings: Settings) -> Gone | None:
    """Who was erased, by what is replaced; None where that cannot be read."""
    url = settings.database.url
    if _is_missing(url):
        return None
    try:
        if await migrate.revision(url, "main") != migrate.revisions_of("main")[-1]:
            return None
        db = open_database(url, pool_size=1)
        try:
            return await db.read(read_gone)
        finally:
            await db.close()
    except (StorageError, DatabaseError):
        # What is damaged is often why there is a restore.
        return None


def _would_replace(manifest: Manifest) -> ConflictError:
    return ConflictError(
        f"There are databases already: they would be replaced by the backup of {manifest.made_at:%Y-%m-%d %H:%M} UTC "
        f"({manifest.rows:,} rows), which is in order.",
        "Say --yes to replace them.",
    )


async def _restore_files(settings: Settings, reader: Reader, settle: dump_postgres.Settle) -> None:
    paths = _paths(settings)
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        new = {tree: await dump_sqlite.make(path, tree, reader) for tree, path in paths.items()}
        db = open_database(f"{SQLITE}{new['main']}")
        try:
            await db.write(settle)
        finally:
            await db.close()
        for path in new.values():
            await asyncio.to_thread(dump_sqlite.close, path)
    except BaseException:
        for path in paths.values():
            dump_sqlite.remove(dump_sqlite.beside(path, dump_sqlite.MAKING))
        raise
    dump_sqlite.put_in_place(paths["inbox"], paths["main"])


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """No bot runs on this SQLite file, and none starts meanwhile. Raises ConflictError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError(f"A bot is running on {path}.", "Stop it first.") from None
        yield
