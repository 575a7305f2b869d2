"""The database fails or is slow: nothing is acknowledged that is not stored, and WeCom's repeat is accepted later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from data.sqlite import sqlite_engine
from tests.callback.conftest import Target
from tests.callback.wecom import Sender, edit, event
from tests.conftest import Urls
from tests.postgres import Server

SENDER = Sender()


async def left_unanswered(target: Target, message: str) -> None:
    """WeCom sees a broken connection, not an answer."""
    before = target.unanswered()
    with pytest.raises(aiohttp.ClientError):
        await target.post(*SENDER.post(message))
    assert target.unanswered() == before + 1
    assert len(target.lines("unanswered")) == target.unanswered()


def nothing_escaped(target: Target) -> None:
    """No 5xx and no traceback of the callback server."""
    traces = [trace for trace in target.log.getvalue().splitlines() if "Traceback" in trace]
    assert not traces, traces[0].replace("\\n", "\n")
    assert "Error handling request" not in target.log.getvalue()


async def pragma(target: Target, statement: str) -> object:
    """Set something on the connection that stores callbacks."""

    def unit(session: Session) -> object:
        result = session.connection().execute(text(f"PRAGMA {statement}"))
        return result.scalar() if result.returns_rows else None

    return await target.bot.inbox.db.write_here(unit)


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_full_disk(target: Target) -> None:
    pages = await pragma(target, "page_count")
    await pragma(target, f"max_page_count={pages}")
    large = event("enter_agent", EventKey="x" * 150_000)
    await left_unanswered(target, large)
    assert "full" in target.lines("not_stored")[-1]
    async with target.http.get(target.bot.url + "/healthz") as response:
        assert response.status == 200
    await pragma(target, "max_page_count=1000000")
    assert (await target.post(*SENDER.post(large)))[0] == 200
    assert [each["repeats"] for each in await target.events()] == [0]
    nothing_escaped(target)


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_file_that_may_not_be_written(target: Target) -> None:
    await pragma(target, "query_only=ON")
    await left_unanswered(target, edit())
    assert (await target.post(*SENDER.post(edit())))[0] == 200, "with a connection of its own again"
    nothing_escaped(target)


@asynccontextmanager
async def _sqlite_locked(urls: Urls) -> AsyncIterator[None]:
    """Another process writes for a long time."""
    engine = sqlite_engine(Path(urls.inbox.removeprefix("sqlite:///")), writes=True)
    with engine.connect() as connection, connection.begin():
        yield
    engine.dispose()


@asynccontextmanager
async def _postgres_locked(urls: Urls) -> AsyncIterator[None]:
    connection = await asyncpg.connect(urls.inbox)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE inbox_events IN ACCESS EXCLUSIVE MODE")
    yield
    await transaction.rollback()
    await connection.close()


async def test_a_database_slower_than_the_deadline(target: Target, urls: Urls) -> None:
    locked = _sqlite_locked if urls.inbox.startswith("sqlite") else _postgres_locked
    async with locked(urls):
        target.bot.inbox.store_deadline_seconds = 0.3
        await left_unanswered(target, event("enter_agent"))
        target.bot.inbox.store_deadline_seconds = 60
    async with asyncio.timeout(60):
        # What was given up on is stored all the same once the database is free: the repeat is a repeat.
        while not await target.events():
            await asyncio.sleep(0.02)
    assert (await target.post(*SENDER.post(event("enter_agent"))))[0] == 200
    (stored,) = await target.events()
    assert stored["repeats"] == 1
    nothing_escaped(target)


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_a_postgresql_that_is_away(target: Target, urls: Urls, postgres: Server) -> None:
    name = urlsplit(urls.inbox).path[1:]
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        await _while_away(target, admin, name)
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
    assert (await target.post(*SENDER.post(edit())))[0] == 200
    async with target.http.get(target.bot.url + "/readyz") as response:
        assert response.status == 200
    nothing_escaped(target)


async def _while_away(target: Target, admin: Any, name: str) -> None:
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await left_unanswered(target, edit())
    async with target.http.get(target.bot.url + "/readyz") as response:
        assert response.status == 503
    async with asyncio.timeout(60):
        while not target.lines("claim_failed"):  # the dispatcher looks for work once a second, and must survive it too
            await asyncio.sleep(0.02)
