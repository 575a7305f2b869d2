"""SQLite: readers in a few threads, one writer that commits in groups, and bulk writes copied out of its log beside it.

Whatever waits when the writer is free shares one transaction and one fsync, each unit but the first in a savepoint of
its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Transaction, exc
from sqlmodel import Session

from data.errors import StorageError, storage_error
from data.sqlite import CHECKPOINT_PAGES, copy_log, sqlite_engine
from data.units import T, Unit

#: A group of units is committed once it has run this long, so that no writer waits for more than some tens of ms.
GROUP_SECONDS = 0.02
READ_THREADS = 4
#: A commit on the event loop may take this long; after two in a row that took longer (one alone is a checkpoint), so
#: many are left to a thread.
QUICK_COMMIT_SECONDS = 0.003
LEFT_TO_THREAD = 100
#: Beside units that take long the log is copied so often, by another thread: else one commit in some dozens would copy
#: all of it, and wait for the disk.
COPY_SECONDS = 0.3
#: How SQLite says that it cannot be used: through SQLAlchemy, and past it.
SQLITE_FAULTS = (exc.OperationalError, sqlite3.OperationalError)


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
        #: Names of units that took long when they ran last: each is the first of its group.
        self._long: set[str] = set()
        self._copier = ThreadPoolExecutor(1, thread_name_prefix=f"copy-{path.stem}")
        self._copying: Future[None] | None = None
        self._copy_at = 0.0

    async def read(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, unit, args, kwargs)

    async def read_here(self, unit: Unit[T], /, *args: Any, **kwargs: Any) -> T:
        return self._read(unit, args, kwargs)

    def _read(self, unit: Unit[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        try:
            with Session(self._read_engine, expire_on_commit=False) as session:
                return unit(session, *args, **kwargs)
        except SQLITE_FAULTS as error:
            raise storage_error(error, str(self.path)) from error

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
                    failed = storage_error(error, str(self.path))
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
            done = [(None, storage_error(error, str(self.path)))] * len(group)
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
        """Run as many of a group as are quick, or its first, in one transaction; what became of those that were run."""
        done: _Done = []
        begun, started = False, time.monotonic()
        try:
            with self._write_engine.connect() as connection, connection.begin() as transaction:
                begun = True
                # The first in no savepoint: SQLite keeps a copy of each page that changes within one, and goes through
                # all of them after each statement. Where it fails, nobody else's work is undone with it.
                session = Session(bind=connection, expire_on_commit=False, join_transaction_mode="rollback_only")
                done.append(self._run_unit(session, group[0]))
                self._note_length(group[0], started)
                for waiting in group[1:]:
                    next_ = time.monotonic()
                    if not transaction.is_active or next_ - started > GROUP_SECONDS or _name_of(waiting) in self._long:
                        break
                    done.append(self._run_in_savepoint(connection, waiting))
                    self._note_length(waiting, next_)
        except Exception as error:  # noqa: BLE001 - the group failed as a whole: each of its callers is told
            failed = storage_error(error, str(self.path))
            # Not begun, such as behind another process that writes: no later unit would fare better.
            return [(None, failed)] * (max(len(done), 1) if begun else len(group))
        return done

    def _note_length(self, waiting: _Waiting, started: float) -> None:
        now = time.monotonic()
        if now - started < GROUP_SECONDS:
            self._long.discard(_name_of(waiting))
            return
        self._long.add(_name_of(waiting))
        if now >= self._copy_at and (self._copying is None or self._copying.done()):
            self._copy_at = now + COPY_SECONDS
            self._copying = self._copier.submit(copy_log, self._read_engine)

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
                return None, storage_error(error, str(self.path)) if _is_storage_fault(error) else error
        return result, None

    def plan_anew(self) -> None:
        # Whoever reads just now keeps the connection to the end of the unit; the writer learned it in telling.
        self._read_engine.dispose()
        self._here_is_old = True

    async def close(self) -> None:
        self._closed = True
        while self._flushing is not None:
            await asyncio.wait([self._flushing])
        for pool in (self._writer, self._copier, self._readers):
            await asyncio.to_thread(pool.shutdown)
        if self._here is not None:
            self._here.close()
        for engine in (self._read_engine, self._write_engine, self._here_engine):
            engine.dispose()


def _name_of(waiting: _Waiting) -> str:
    return getattr(waiting.unit, "__qualname__", "")


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


def _is_storage_fault(error: BaseException) -> bool:
    """Whether the database is at fault, and not what was asked of it."""
    return isinstance(error, SQLITE_FAULTS)
