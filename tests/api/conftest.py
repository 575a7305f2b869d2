"""A running bot beside the local WeCom, and a client of its API with a token."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from bot.app import Bot
from bot.clock import Clock
from bot.config import (
    AppSettings,
    CallbackSettings,
    CompanySettings,
    DatabaseSettings,
    ServerSettings,
    Settings,
    SyncSettings,
    WecomSettings,
)
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from bot.scopes import SCOPES
from data.queries import access as access_rows
from tests.api.conformance import check_answer
from tests.conftest import Urls
from tests.scenarios.conftest import CUSTOMERS, read_company_of


@dataclass
class Caller:
    """A program that uses the API."""

    bot: Bot
    sandbox: Sandbox
    http: aiohttp.ClientSession
    token: str

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any) -> Any:
        """(status, decoded JSON) of one call below /api/v1; checked against the OpenAPI document."""
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        if body is not None:
            more["json"] = body
        async with self.http.request(method, f"{self.bot.url}/api/v1{path}", headers=headers, **more) as response:
            answer = await response.json()
        check_answer(method, path, response.status, answer)
        return response.status, answer

    async def make_token(self, *scopes: str, name: str | None = None) -> str:
        """Another token."""
        token = f"siyu_{secrets.token_urlsafe(32)}"
        await self.bot.db.write(
            access_rows.add_api_token, name or secrets.token_hex(4), token, list(scopes), self.bot.clock.now()
        )
        return token

    async def settle(self) -> None:
        """Wait until WeCom has delivered everything and the bot has handled it."""
        async with asyncio.timeout(60):
            for _ in range(2):
                await self.sandbox.machine.callbacks.idle()
                await self.bot.inbox.wait_until_idle()

    async def read_directory(self) -> None:
        """Tags, channels and staff are known."""
        await read_company_of(self.bot)


@pytest.fixture
async def caller(urls: Urls, clock: Clock) -> AsyncIterator[Caller]:
    """The bot runs, on both databases in turn, without its bell, and the caller may do everything."""
    async with Sandbox(World(clock=clock, customers=CUSTOMERS)) as sandbox:
        app = sandbox.world.app
        settings = Settings(
            company=CompanySettings(corpid=sandbox.world.company.corpid, name="云杉生活"),
            app=AppSettings(agentid=app.agentid, secret=SecretStr(app.secret)),
            callbacks=(
                CallbackSettings(token=SecretStr(app.callback_token), encoding_aes_key=SecretStr(app.encoding_aes_key)),
            ),
            wecom=WecomSettings(api_base_url=sandbox.api_base_url, timeout_seconds=30),
            server=ServerSettings(port=0),
            database=DatabaseSettings(url=urls.main, inbox_url=urls.inbox),
            sync=SyncSettings(first=False),
        )
        async with Bot(settings, clock, bell=False) as bot, aiohttp.ClientSession() as http:
            app.callback_url = f"{bot.url}/callback"
            sandbox.world.put_app(app)
            found = Caller(bot, sandbox, http, "")
            found.token = await found.make_token(*SCOPES, name="everything")
            yield found
