"""A scripted WeCom on loopback: it answers what a test tells it to and records what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.clock import FrozenClock
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from bot.wecom.client import WeComClient

Answer = dict[str, Any] | web.StreamResponse | Callable[[web.Request], Awaitable[web.StreamResponse]]
OK: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ScriptedWeCom:
    """Answers each path from its queue (the last answer stays), `OK` where nothing is scripted."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.base_url = ""
        self.tokens = 0
        self.token_life_seconds = 7200
        #: When set, every answer waits for it.
        self.gate: asyncio.Event | None = None
        self.waiting = 0
        self.most_waiting = 0

    def script(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def calls(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/cgi-bin/")
        body = await request.read()
        self.asked.append(Asked(request.method, path, dict(request.query), body, dict(request.headers)))
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.waiting -= 1
        queue = self.answers[path]
        answer: Answer
        if queue:
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
        elif path == "gettoken":
            self.tokens += 1
            answer = {**OK, "access_token": f"token-{self.tokens}", "expires_in": self.token_life_seconds}
        else:
            answer = OK
        if isinstance(answer, dict):
            return web.json_response(answer)
        if isinstance(answer, web.StreamResponse):
            return answer
        return await answer(request)


@pytest.fixture
async def wecom() -> AsyncIterator[ScriptedWeCom]:
    """The scripted server, listening on a free port."""
    scripted = ScriptedWeCom()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    server = TestServer(app)
    await server.start_server()
    scripted.base_url = str(server.make_url("/cgi-bin/"))
    yield scripted
    if scripted.gate is not None:
        scripted.gate.set()
    await server.close()


MakeClient = Callable[..., Awaitable[WeComClient]]


@pytest.fixture
async def make_client(wecom: ScriptedWeCom) -> AsyncIterator[MakeClient]:
    """Opens clients of the scripted server; closes them after the test."""
    opened: list[WeComClient] = []

    async def make(**options: Any) -> WeComClient:
        options.setdefault("base_url", wecom.base_url)
        options.setdefault("sleep", lambda seconds: asyncio.sleep(0))  # pauses between repeats take no time here
        client = WeComClient("ww0123456789abcdef", "the-secret-of-the-app", **options)
        opened.append(client)
        return await client.__aenter__()

    yield make
    for client in opened:
        await client.close()


@pytest.fixture
async def client(make_client: MakeClient) -> WeComClient:
    """A client of the scripted server."""
    return await make_client()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A local WeCom whose clock stands still."""
    async with Sandbox(World(clock=FrozenClock(datetime(2026, 3, 2, 2, tzinfo=UTC)))) as sandbox:
        yield sandbox


@pytest.fixture
async def local(sandbox: Sandbox) -> AsyncIterator[WeComClient]:
    """A client of the local WeCom."""
    world = sandbox.world
    async with WeComClient(
        world.company.corpid, world.app.secret, base_url=sandbox.api_base_url, clock=world.clock
    ) as client:
        yield client


def drop_connection(request: web.Request) -> Awaitable[web.StreamResponse]:
    """An answer that never comes: the connection is cut after the request arrived."""

    async def drop() -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return drop()


def hang(request: web.Request) -> Awaitable[web.StreamResponse]:
    """An answer that does not come within any timeout of a test."""

    async def wait() -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    return wait()
