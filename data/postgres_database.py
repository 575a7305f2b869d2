"""PostgreSQL: units run side by side over asyncpg, those on many rows a few at a time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Session

from data.errors import storage_error
from data.postgres import NOT_WRAPPED, postgres_engine
from data.units import T, Unit

#: Of the units on many rows so many run side by side on PostgreSQL; a third one adds nothing on two processors.
MANY_AT_A_TIME = 2
#: Between two of them is a rest, as a share of how long the first took, in which others' work catches up; a longer one
#: while somebody waits, as WeCom does for its callbacks.
REST, REST_IN_HURRY = 0.3, 2.0
LONGEST_REST_SECONDS = 0.3
HURRY_SECONDS = 0.5
#: PostgreSQL's codes for "run it again": serialization failure and deadlock.
RUN_AGAIN = frozenset({"40001", "40P01"})
#: Classes of PostgreSQL's codes that are about the server: connection, resources, not ready, operator, system, itself.
UNAVAILABLE = frozenset({"08", "53", "55", "57", "58", "XX"})
#: The same as SQLAlchemy's classes; the driver's complaint about a connection that was cut in mid-word is internal.
AWAY = (exc.InterfaceError, exc.OperationalError, exc.InternalError)


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
            raise storage_error(error, "PostgreSQL") from error
        except exc.DBAPIError as error:
            # asyncpg's refusals to connect and its end of a connection have no class of their own here.
            if error.connection_invalidated or _sqlstate(error)[:2] in UNAVAILABLE:
                raise storage_error(error, "PostgreSQL") from error
            raise

    def plan_anew(self) -> None:
        """Its connections learn of it by themselves."""

    async def close(self) -> None:
        await self._engine.dispose()


def _sqlstate(error: exc.DBAPIError) -> str:
    """PostgreSQL's code of an error; empty where there is none."""
    return str(getattr(error.orig, "sqlstate", None) or "")
