"""A running local WeCom, a client that speaks raw HTTP to it, and a callback endpoint that remembers."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from wechatpy.work.crypto import WeChatCrypto

from bot.clock import FrozenClock
from bot.sandbox.events import value_of
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World

START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


class Client:
    """Calls the API and the control API of one sandbox."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox, self.http = sandbox, http
        self.token: str | None = None
        self.headers: dict[str, str] = {}

    async def get_token(self) -> str:
        world = self.sandbox.world
        params = {"corpid": world.company.corpid, "corpsecret": world.app.secret}
        async with self.http.get(self.sandbox.api_base_url + "gettoken", params=params) as response:
            token: str = (await response.json())["access_token"]
        self.token = token
        return token

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """One API call as it is; the errmsg comes back under `errmsg`, headers stay in `headers`."""
        token = self.token or await self.get_token()
        kwargs: dict[str, Any] = (
            {"data": body} if isinstance(body, bytes | io.BytesIO | aiohttp.FormData) else {"json": body}
        )
        if body is None:
            kwargs = {}
        url = self.sandbox.api_base_url + path
        async with self.http.request(method, url, params={"access_token": token, **query}, **kwargs) as response:
            assert response.status == 200, await response.text()
            self.headers = dict(response.headers)
            answer: dict[str, Any] = await response.json()
            return answer

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        return await self.call("GET", path, **query)

    async def post(self, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        return await self.call("POST", path, {} if body is None else body, **query)

    async def code(self, path: str, body: Any = None, **query: Any) -> int:
        """The errcode of a POST with a body, or of a GET without one."""
        answer = await (self.get(path, **query) if body is None else self.post(path, body, **query))
        errcode: int = answer["errcode"]
        return errcode

    async def control(self, path: str, expect: int = 200, /, **body: Any) -> dict[str, Any]:
        """POST to the control API."""
        async with self.http.post(f"{self.sandbox.url}/sandbox/{path}", json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == expect, answer
            return answer

    async def read(self, path: str, expect: int = 200, /, **query: Any) -> dict[str, Any]:
        """GET from the control API."""
        async with self.http.get(f"{self.sandbox.url}/sandbox/{path}", params=query) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == expect, answer
            return answer


class Receiver:
    """A callback endpoint: decrypts with wechatpy, remembers, and answers as told."""

    def __init__(self, world: World) -> None:
        app = world.app
        self.crypto = WeChatCrypto(app.callback_token, app.encoding_aes_key, world.company.corpid)
        self.plaintexts: list[str] = []
        self.bodies: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.answer: Callable[[], Awaitable[web.Response]] | None = None
        self.url = ""

    def named(self, name: str) -> list[str]:
        """What element `name` said, in the order of arrival."""
        return [value_of(plaintext, name) for plaintext in self.plaintexts]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.queries.append(query)
        if request.method == "GET":
            echo = self.crypto.check_signature(
                query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"]
            )
            return web.Response(text=echo if isinstance(echo, str) else echo.decode())
        body = await request.text()
        self.bodies.append(body)
        self.plaintexts.append(
            self.crypto.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"])
        )
        return web.Response() if self.answer is None else await self.answer()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture
async def sandbox(clock: FrozenClock) -> AsyncIterator[Sandbox]:
    async with Sandbox(World(clock=clock)) as sandbox:
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http:
        yield Client(sandbox, http)


@pytest.fixture
async def receiver(sandbox: Sandbox) -> AsyncIterator[Receiver]:
    """A callback endpoint that the sample company's app points to."""
    receiver = Receiver(sandbox.world)
    app = web.Application()
    app.router.add_route("*", "/callback", receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    sandbox.world.app.callback_url = receiver.url
    yield receiver
    await runner.cleanup()
