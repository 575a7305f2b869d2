"""Calls to other programs over real HTTP: signed, repeated until taken, and nowhere that nobody meant."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlmodel import Session

from bot import webhooks
from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import AppSettings, CompanySettings, JourneysSettings, Settings
from bot.context import Context
from bot.metrics import Metrics
from bot.webhook_edits import add_webhook
from data.db import Database
from data.models import WebhookCall
from data.queries import webhooks as rows
from data.queries.webhooks import CallState
from data.rules.webhooks import WebhookDraft, signature
from scheduler.webhooks import AT_ONCE, send_webhooks

SECRET = "a secret of the tests"
ON_SQLITE = pytest.mark.parametrize("urls", ["sqlite"], indirect=True)


@dataclass
class Shop:
    """The other program. `status`: what it answers, by path; where there is nothing it hangs up."""

    url: str = ""
    status: dict[str, int] = field(default_factory=dict)
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    #: What happens while it answers a path.
    meanwhile: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append((request.path, dict(request.headers), await request.read()))
        if request.path in self.meanwhile:
            await self.meanwhile.pop(request.path)()
        status = self.status.get(request.path)
        if status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        headers = {"Location": f"{self.url}/elsewhere"} if status == 302 else {"Retry-After": "120"}
        return web.Response(status=status, headers=headers)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", shop.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield shop
    await runner.cleanup()


@pytest.fixture
async def ctx(db: Database, now: datetime) -> AsyncIterator[Context]:
    """Its time stands still: what failed is due again when a test says so, however slow the machine is."""
    async with AsyncExitStack() as stack:
        yield await open_context(stack, settings(), FrozenClock(now), db, Metrics())


def settings(secret: str = SECRET, *, private: bool = True, mode: Literal["live", "observe"] = "live") -> Settings:
    return Settings(
        mode=mode,
        company=CompanySettings(corpid="ww0123456789abcdef"),
        app=AppSettings(agentid=1, secret=SecretStr("s" * 43)),
        journeys=JourneysSettings(webhook_secret=SecretStr(secret), webhook_private=private),
    )


def add(session: Session, ctx: Context, *urls: str) -> None:
    now = ctx.clock.now()
    for url in urls:
        body = {"journey_id": 3, "name": "张三"}
        session.add(
            WebhookCall(enrolment_id=1, external_userid="wm1", url=url, body=body, made_at=now, next_at=now)
        )  # fmt: skip


async def calls(ctx: Context, state: CallState | None = None) -> list[Any]:
    return await ctx.db.read(rows.list_calls, state=state, limit=200)


async def test_a_call_is_signed_and_repeated_under_the_same_id_until_it_is_taken(ctx: Context, shop: Shop) -> None:
    shop.status = {"/crm": 503, "/moved": 302, "/elsewhere": 200}
    await ctx.db.write(add, ctx, f"{shop.url}/crm", f"{shop.url}/moved")
    assert await send_webhooks(ctx) == 0
    assert [path for path, _, _ in sorted(shop.heard)] == ["/crm", "/moved"], "a redirect is not followed"
    assert {each.error for each in await calls(ctx)} == {"It answered HTTP 503.", "It answered HTTP 302."}
    assert await send_webhooks(ctx) == 0
    assert len(shop.heard) == 2, "neither is due yet"
    shop.status = {"/crm": 204, "/moved": 200}
    ctx.clock.advance(timedelta(seconds=119))
    assert await send_webhooks(ctx) == 1, "the pause that was asked for is kept"
    ctx.clock.advance(timedelta(seconds=2))
    assert await send_webhooks(ctx) == 1
    crm = [(headers, body) for path, headers, body in shop.heard if path == "/crm"]
    assert len(crm) == 2
    assert len({headers["X-Siyu-Id"] for headers, _ in crm}) == 1
    for headers, body in crm:
        assert json.loads(body) == {"journey_id": 3, "name": "张三"}
        assert headers["X-Siyu-Signature"] == signature(SECRET, int(headers["X-Siyu-Timestamp"]), body)
        assert "Cookie" not in headers
    assert crm[0][0]["X-Siyu-Timestamp"] != crm[1][0]["X-Siyu-Timestamp"]
    assert {(each.attempts, each.error) for each in await calls(ctx, CallState.TAKEN)} == {(2, "")}


@ON_SQLITE
async def test_a_call_that_nobody_takes_is_given_up_after_a_day(ctx: Context, shop: Shop) -> None:
    shop.status = {"/crm": 404}
    await ctx.db.write(add, ctx, f"{shop.url}/crm")
    await send_webhooks(ctx)
    ctx.clock.advance(timedelta(hours=23))
    await send_webhooks(ctx)
    assert len(await calls(ctx, CallState.WAITING)) == 1
    ctx.clock.advance(timedelta(hours=2))
    await send_webhooks(ctx)
    (call,) = await calls(ctx, CallState.GIVEN_UP)
    assert (call.attempts, call.error) == (3, "It answered HTTP 404.")
    shop.status = {"/crm": 200}
    assert await send_webhooks(ctx) == 0
    await ctx.db.write(rows.try_again, call.id, ctx.clock.now())
    assert await send_webhooks(ctx) == 1


async def test_a_host_that_does_not_answer_keeps_nobody_else_waiting(ctx: Context, shop: Shop) -> None:
    shop.status = {"/crm": 200}
    other = shop.url.replace("127.0.0.1", "localhost")
    await ctx.db.write(add, ctx, *[f"{shop.url}/never"] * 90, *[f"{other}/crm"] * 9)
    assert await send_webhooks(ctx) == 9
    asked = [path for path, _, _ in shop.heard if path == "/never"]
    assert 1 <= len(asked) <= AT_ONCE, "the others are not even tried"
    waiting = await calls(ctx, CallState.WAITING)
    assert {(each.attempts, each.error) for each in waiting} == {(1, "It closed the connection without an answer.")}


@ON_SQLITE
async def test_while_one_run_goes_on_a_host_comes_back_and_a_webhook_is_made(ctx: Context, shop: Shop) -> None:
    shop.status = {"/crm": 200, "/new": 200}
    other = shop.url.replace("127.0.0.1", "localhost")
    await ctx.db.write(add, ctx, f"{shop.url}/back", f"{other}/crm")
    secrets: list[str] = []

    def make(session: Session) -> None:
        now = ctx.clock.now()
        draft = WebhookDraft.model_validate({"name": "new", "url": f"{other}/new", "events": ["added"]})
        row, secret = add_webhook(session, ctx.settings.journeys, draft, "test", now)
        secrets.append(secret)
        session.add(
            WebhookCall(webhook_id=row.id, enrolment_id=0, external_userid="wm1", url=row.url, body={}, made_at=now,
                        next_at=now)
        )  # fmt: skip

    async def time_passes() -> None:
        async with asyncio.timeout(60):
            while not [each for each in await calls(ctx, CallState.WAITING) if each.attempts]:
                await asyncio.sleep(0.01)
        ctx.clock.advance(timedelta(minutes=10))
        shop.status["/back"] = 200
        await ctx.db.write(make)

    shop.meanwhile["/crm"] = time_passes
    assert await send_webhooks(ctx) == 3
    assert [path for path, _, _ in shop.heard].count("/back") == 2
    (told,) = [(headers, body) for path, headers, body in shop.heard if path == "/new"]
    assert told[0]["X-Siyu-Signature"] == signature(secrets[0], int(told[0]["X-Siyu-Timestamp"]), told[1])


@ON_SQLITE
async def test_private_addresses_are_not_called_unless_that_is_allowed(ctx: Context, shop: Shop) -> None:
    shop.status = {"/crm": 200}
    outside = replace(ctx, settings=settings(private=False))
    hosts = [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f.1",
        "１２７.0.0.1",
        "127。0。0。1",
    ]
    await ctx.db.write(add, ctx, *(f"{shop.url}/crm".replace("127.0.0.1", host) for host in hosts))
    assert await send_webhooks(outside) == 0
    assert shop.heard == []
    waiting = await calls(ctx, CallState.WAITING)
    assert [each.url for each in waiting if "private" not in each.error] == []
    assert len(waiting) == len(hosts)


@ON_SQLITE
async def test_nothing_is_sent_without_a_secret_or_while_the_bot_observes(ctx: Context, shop: Shop) -> None:
    shop.status = {"/crm": 200}
    await ctx.db.write(add, ctx, f"{shop.url}/crm")
    assert await send_webhooks(replace(ctx, settings=settings(mode="observe"))) == 0
    assert await send_webhooks(replace(ctx, settings=settings(""))) == 0
    assert shop.heard == []
    (call,) = await calls(ctx, CallState.WAITING)
    assert "journeys.webhook_secret" in call.error
    ctx.clock.advance(timedelta(seconds=5))
    assert await send_webhooks(ctx) == 1


@ON_SQLITE
async def test_whatever_answers_a_call_it_is_put_off_and_the_others_go_on(
    ctx: Context, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT_SECONDS", 1.0)
    shop.status = {"/crm": 200}
    answers = {
        "garbage": b"\x00\xff nothing of HTTP\r\n\r\n",
        "header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000,
        "continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        "status": b"HTTP/1.1 999999 \r\n\r\n",
        "length": b"HTTP/1.1 500 No\r\nContent-Length: -5\r\nRetry-After: 1e999\r\n\r\n",
        "silence": b"",
        # Taken: what comes behind the first line is not waited for.
        "endless": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"a" * 100_000,
    }
    heard: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            name = (await reader.readuntil(b"\r\n")).split()[1].decode().strip("/")
            heard.append(name)
            writer.write(answers[name])
            await writer.drain()
            await reader.read()
        writer.close()

    # An address of its own for each: of one that does not answer the others are not tried.
    async with AsyncExitStack() as stack:
        for name in answers:
            server = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
            await ctx.db.write(add, ctx, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{name}")
        await ctx.db.write(add, ctx, f"{shop.url}/crm")
        assert await send_webhooks(ctx) == 2
    assert sorted(heard) == sorted(answers)
    waiting = await calls(ctx, CallState.WAITING)
    assert [(each.attempts, bool(each.error)) for each in waiting] == [(1, True)] * (len(answers) - 1)
