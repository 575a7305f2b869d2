"""The database: one way to read, one way to write, the same on SQLite and on PostgreSQL.

Queries are plain functions of a `Session` (`data/queries/`). `read` and `write` run one of them as a whole: on SQLite
in a thread, so that a unit of work costs one hop instead of one per statement; on PostgreSQL over asyncpg.

On SQLite all writes go through one writer that commits in groups: whatever waits when the writer is free shares one
transaction and one fsync, each unit in a savepoint of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Transaction, exc, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Session

from bot.errors import ConfigurationError
from data.errors import StorageError
from data.postgres import NOT_WRAPPED, postgres_engine
from data.sqlite import CHECKPOINT_PAGES, sqlite_engine

T = TypeVar("T")
Unit = Callable[..., T]

#: A group of units is committed once it has run this long, so that no writer waits for more than some tens of ms.
GROUP_SECONDS = 0.02
READ_THREADS = 4
#: Of the units on many rows so many run side by side on PostgreSQL; a third one adds nothing on two processors.
MANY_AT_A_TIME = 2
#: Between two of them is a rest, as a share of how long the first took, in which others' work catches up; a longer one
#: while somebody waits, as WeCom does for its callbacks.
REST, REST_IN_HURRY = 0.3, 2.0
LONGEST_REST_SECONDS = 0.3
HURRY_SECONDS = 0.5
#: A commit on the event loop may take this long; after two in a row that took longer (one alone is a checkpoint), so
#: many are left to a thread.
QUICK_COMMIT_SECONDS = 0.003
LEFT_TO_THREAD = 100
#: How SQLite says that it cannot be used: through SQLAlchemy, and past it.
SQLITE_FAULTS = (exc.OperationalError, sqlite3.OperationalError)
#: PostgreSQL's codes for "run it again": serialization failure and deadlock.
RUN_AGAIN = frozenset({"40001", "40P01"})
#: Classes of PostgreSQL's codes that are about the server: connection, resources, not ready, operator, system, itself.
UNAVAILABLE = frozenset({"08", "53", "55", "57", "58", "XX"})
#: The same as SQLAlchemy's classes; the driver's complaint about a connection that was cut in mid-word is internal.
AWAY = (exc.InterfaceError, exc.OperationalError, exc.InternalError)


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


@dataclass(slots=True)
class _Waiting:
    unit: Unit[Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: asyncio.Future[Any]
    here: bool = False


#: What became of each unit of a group: its result, or the error that its caller is told.
_Done = list[tuple[Any, BaseException | None]]


class SqliteDatabase:
    """SQLite: readers in a few threads, one writer that commits in groups."""

    dialect = "sqlite"

    def __init__(self, path: Path, checkpoint_pages: int = CHECKPOINT_PAGES) -> None:
        self.path = path
        self._write_engine = sqlite_engine(path, writes=True, checkpoint_pages=checkpoint_pages)
        self._read_engine = sqlite_engine(path, writes=False)
        #: For the event loop, which may not wait for another process. One connection of it is kept: to take one from
        #: the pool and to give it back takes as long as several rows.
        self._here_engine = sqlite_engine(path, writes=True, wait_seconds=0, checkpoint_pages=checkpoint_pages)
        self._here: Connection | None = None
        self._here_is_old = False
        self._closed = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"write-{path.stem}")
        self._readers = ThreadPoolExecutor(READ_THREADS, thread_name_prefix=f"read-{path.stem}")
        self._waiting: deque[_Waiting] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self._left_to_thread = 0
        self._was_slow = False

    async def read(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, unit, args, kwargs)

    async def read_here(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return self._read(unit, args, kwargs)

    def _read(self, unit: Unit[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        try:
            with Session(self._read_engine, expire_on_commit=False) as session:
                return unit(session, *args, **kwargs)
        except SQLITE_FAULTS as error:
            raise _storage_error(error, str(self.path)) from error

    async def write(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return await self._queue(unit, args, kwargs, here=False)

    async def write_many(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return await self.write(unit, *args, **kwargs)

    async def write_here(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return await self._queue(unit, args, kwargs, here=True)

    def _queue(self, unit: Unit[T], args: tuple[Any, ...], kwargs: dict[str, Any], *, here: bool) -> asyncio.Future[T]:
        if self._closed:
            raise StorageError(f"The database {self.path} is closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(unit, args, kwargs, future, here))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name=f"write {self.path.name}")
        return future

    async def _flush(self) -> None:
        try:
            while self._waiting:
                waiting = [each for each in self._waiting if not each.future.done()]
                self._waiting.clear()
                try:
                    await self._run_waiting(waiting)
                except Exception as error:  # noqa: BLE001 - nobody may wait for ever
                    failed = _storage_error(error, str(self.path))
                    _tell(waiting, [(None, failed)] * len(waiting))
        finally:
            self._flushing = None

    async def _run_waiting(self, waiting: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        first = [each for each in waiting if each.here]
        if first and not await self._run_here(first):
            _tell(first, await loop.run_in_executor(self._writer, self._run_group, first))
        group = [each for each in waiting if not each.future.done()]
        if group:
            done = await loop.run_in_executor(self._writer, self._run_group, group)
            _tell(group, done)
            # What did not fit into this group goes first in the next one.
            self._waiting.extendleft(reversed(group[len(done) :]))

    async def _run_here(self, group: list[_Waiting]) -> bool:
        """Run a group on the event loop. False: another process writes just now, and the loop may not wait for it."""
        try:
            if self._here_is_old and self._here is not None:
                self._here.invalidate()
                self._here = None
            self._here_is_old = False
            connection = self._here = self._here or self._here_engine.connect()
            with connection.begin() as transaction:
                if len(group) == 1:
                    session = Session(bind=connection, expire_on_commit=False, join_transaction_mode="rollback_only")
                    done = [self._run_unit(session, group[0])]
                else:
                    done = [self._run_in_savepoint(connection, waiting) for waiting in group]
                if transaction.is_active:
                    await self._commit_here(transaction)
        except Exception as error:  # noqa: BLE001 - the group failed as a whole: each of its callers is told
            if self._here is not None:
                self._here.invalidate()
                self._here = None
            if getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            done = [(None, _storage_error(error, str(self.path)))] * len(group)
        _tell(group, done)
        return True

    async def _commit_here(self, transaction: Transaction) -> None:
        if self._left_to_thread:
            self._left_to_thread -= 1
            await asyncio.get_running_loop().run_in_executor(self._writer, transaction.commit)
            return
        started = time.monotonic()
        transaction.commit()
        slow = time.monotonic() - started > QUICK_COMMIT_SECONDS
        if slow and self._was_slow:
            self._left_to_thread = LEFT_TO_THREAD
        self._was_slow = slow

    def _run_group(self, group: list[_Waiting]) -> _Done:
        done: _Done = []
        begun, started = False, time.monotonic()
        try:
            with self._write_engine.connect() as connection:
                if len(group) == 1:  # nobody shares its transaction: no savepoint
                    return [self._run_unit(Session(bind=connection, expire_on_commit=False), group[0])]
                with connection.begin():
                    begun = True
                    for waiting in group:
                        done.append(self._run_in_savepoint(connection, waiting))
                        if time.monotonic() - started > GROUP_SECONDS:
                            break
        except Exception as error:  # noqa: BLE001 - the group failed as a whole: each of its callers is told
            failed = _storage_error(error, str(self.path))
            # Not begun, such as behind another process that writes: no later unit would fare better.
            return [(None, failed)] * (max(len(done), 1) if begun else len(group))
        return done

    def _run_in_savepoint(self, connection: Connection, waiting: _Waiting) -> tuple[Any, BaseException | None]:
        # The session's commit and its rollback end only the savepoint.
        session = Session(bind=connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        result, error = self._run_unit(session, waiting)
        if not _driver(connection).in_transaction:
            # A full disk makes SQLite give up the whole transaction, with what the units before this one wrote.
            raise error or StorageError("The transaction was rolled back.")
        return result, error

    def _run_unit(self, session: Session, waiting: _Waiting) -> tuple[Any, BaseException | None]:
        with session:
            try:
                result = waiting.unit(session, *waiting.args, **waiting.kwargs)
                session.commit()
            except Exception as error:  # noqa: BLE001 - it is the caller's, who awaits the future
                session.rollback()
                return None, _storage_error(error, str(self.path)) if _is_storage_fault(error) else error
        return result, None

    def plan_anew(self) -> None:
        # Whoever reads just now keeps the connection to the end of the unit; the writer learned it in telling.
        self._read_engine.dispose()
        self._here_is_old = True

    async def close(self) -> None:
        self._closed = True
        while self._flushing is not None:
            await asyncio.wait([self._flushing])
        for pool in (self._writer, self._readers):
            await asyncio.to_thread(pool.shutdown)
        if self._here is not None:
            self._here.close()
        for engine in (self._read_engine, self._write_engine, self._here_engine):
            engine.dispose()


def _tell(group: list[_Waiting], done: _Done) -> None:
    for waiting, (result, error) in zip(group, done, strict=False):
        if waiting.future.done():  # its caller gave up
            continue
        if isinstance(error, StopIteration):  # a future does not take it
            waiting.future.set_exception(RuntimeError("The unit of work let StopIteration out."))
        elif error is not None:
            waiting.future.set_exception(error)
        else:
            waiting.future.set_result(result)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


class PostgresDatabase:
    """PostgreSQL over asyncpg: units run side by side, each in a transaction of its own."""

    dialect = "postgresql"
    #: When somebody waited last, whichever of the process's databases it was for: they share a server and a loop.
    _hurried_at = float("-inf")

    def __init__(self, url: str, pool_size: int) -> None:
        self._engine = postgres_engine(url, pool_size)
        self._many, self._alone = asyncio.Semaphore(MANY_AT_A_TIME), asyncio.Semaphore(1)

    async def read(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return await self._run(unit, args, kwargs, keep=False)

    async def read_here(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return await self.read(unit, *args, **kwargs)

    async def write(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        for pause in (0.01, 0.05, 0.2):
            try:
                return await self._run(unit, args, kwargs, keep=True)
            except exc.DBAPIError as error:
                if _sqlstate(error) not in RUN_AGAIN:
                    raise
                await asyncio.sleep(pause)
        return await self._run(unit, args, kwargs, keep=True)

    async def write_many(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        in_hurry = time.monotonic() - PostgresDatabase._hurried_at < HURRY_SECONDS
        if in_hurry:
            return await self._write_rested(self._alone, REST_IN_HURRY, unit, args, kwargs)
        return await self._write_rested(self._many, REST, unit, args, kwargs)

    async def _write_rested(
        self, turns: asyncio.Semaphore, rest: float, unit: Unit[T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        await turns.acquire()
        began = time.monotonic()
        try:
            return await self.write(unit, *args, **kwargs)
        finally:
            seconds = min((time.monotonic() - began) * rest, LONGEST_REST_SECONDS)
            asyncio.get_running_loop().call_later(seconds, turns.release)

    async def write_here(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        PostgresDatabase._hurried_at = time.monotonic()
        return await self.write(unit, *args, **kwargs)

    async def _run(self, unit: Unit[T], args: tuple[Any, ...], kwargs: dict[str, Any], *, keep: bool) -> T:
        try:
            async with AsyncSession(self._engine, expire_on_commit=False, sync_session_class=Session) as session:
                result = await session.run_sync(unit, *args, **kwargs)
                if keep:
                    await session.commit()
                return result
        except (OSError, exc.TimeoutError, *AWAY, *NOT_WRAPPED) as error:
            raise _storage_error(error, "PostgreSQL") from error
        except exc.DBAPIError as error:
            # asyncpg's refusals to connect and its end of a connection have no class of their own here.
            if error.connection_invalidated or _sqlstate(error)[:2] in UNAVAILABLE:
                raise _storage_error(error, "PostgreSQL") from error
            raise

    def plan_anew(self) -> None:
        """Its connections learn of it by themselves."""

    async def close(self) -> None:
        await self._engine.dispose()


def _sqlstate(error: exc.DBAPIError) -> str:
    """PostgreSQL's code of an error; empty where there is none."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def _is_storage_fault(error: BaseException) -> bool:
    """Whether the database is at fault, and not what was asked of it."""
    return isinstance(error, SQLITE_FAULTS)


def _storage_error(error: BaseException, where: str) -> StorageError:
    cause = next(iter(str(getattr(error, "orig", None) or error).splitlines()), type(error).__name__)
    return StorageError(
        f"The database {where} could not be used ({cause}).",
        "Check that its disk has room, that its file may be written and that its server runs.",
    )


def ping(session: Session) -> None:
    """Raises when the database does not answer."""
    session.execute(text("SELECT 1"))
