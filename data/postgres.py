"""PostgreSQL as this program uses it."""

from __future__ import annotations

import time
from typing import Any

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

#: What SQLAlchemy lets through as it is: the driver's own errors while a connection is made or a transaction begins.
#: Nothing was asked of the database yet, so they are always about the database.
NOT_WRAPPED = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    AsyncAdapt_asyncpg_dbapi.Error,
)
#: A connection that has rested for so long is asked whether it is still there.
ASKED_AFTER_SECONDS = 1.0


def postgres_engine(url: str, pool_size: int) -> AsyncEngine:
    """An engine at `postgresql://…` over asyncpg, with at most so many connections."""
    engine = create_async_engine(
        "postgresql+asyncpg://" + url.split("://", 1)[1],
        pool_size=pool_size,
        max_overflow=0,
        pool_recycle=1800,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkin", _note_rest)
    event.listen(engine.sync_engine, "checkout", _ask_after_rest)
    return engine


def _note_rest(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _ask_after_rest(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """A connection that has rested may have been cut meanwhile: it is asked before it is used, and made anew if so.

    To ask takes three exchanges, as many as a unit of one statement; SQLAlchemy's own `pool_pre_ping` asks every time.
    What is cut while it is in use fails the one unit that finds it out, as a server does that goes away.
    """
    since = record.info.get("rests_since")
    if since is None or time.monotonic() - since < ASKED_AFTER_SECONDS:
        return
    try:
        connection.ping()
    except (OSError, *NOT_WRAPPED) as error:
        raise exc.DisconnectionError from error
