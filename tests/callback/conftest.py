"""A running bot whose callbacks are attacked over HTTP. WeCom's API is a closed port: nothing here needs it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from bot.app import Bot
from bot.clock import Clock
from bot.config import (
    AppSettings,
    CallbackSettings,
    CompanySettings,
    DatabaseSettings,
    ServerSettings,
    Settings,
    WecomSettings,
)
from bot.logs import configure_logs
from data.queries import events as event_rows
from tests.callback.wecom import AES_KEY, CORPID, TOKEN
from tests.conftest import Urls

#: Nothing listens there: every call to WeCom fails at once.
NOWHERE = "http://127.0.0.1:9/cgi-bin/"


@dataclass
class Target:
    """The bot and a way to reach it."""

    bot: Bot
    http: aiohttp.ClientSession
    log: io.StringIO

    async def post(self, path: str, body: bytes, **more: Any) -> tuple[int, bytes]:
        """Status and body of the answer."""
        headers = {"Content-Type": "text/xml", **more.pop("headers", {})}
        url = URL(self.bot.url + path, encoded=True)
        async with self.http.post(url, data=body, headers=headers, **more) as response:
            return response.status, await response.read()

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        async with self.http.get(URL(self.bot.url + path, encoded=True)) as response:
            return response.status, await response.read()

    async def raw(self, data: bytes) -> bytes:
        """What comes back for these bytes, which need not be HTTP."""
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(self.bot.url).port)
        try:
            writer.write(data)
            await writer.drain()
            async with asyncio.timeout(60):
                return await reader.read(65536)
        finally:
            writer.close()

    async def events(self) -> list[dict[str, Any]]:
        """What is stored, newest first."""
        found: list[dict[str, Any]] = await self.bot.inbox.db.read(event_rows.list_events, limit=100_000)
        return found

    def refused(self) -> float:
        """Sum of the counter of refused callbacks."""
        return sum(
            sample.value
            for metric in self.bot.metrics.callbacks_refused.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )

    def unanswered(self) -> float:
        """Sum of the counter of callbacks left unanswered."""
        return sum(
            sample.value
            for metric in self.bot.metrics.callbacks_unanswered.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )

    def lines(self, word: str) -> list[str]:
        """Log lines with an action word."""
        return [line for line in self.log.getvalue().splitlines() if f'"event": "{word}"' in line]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the bot writes to its log: the standard library's lines too."""
    import logging

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("INFO", "json", stream)
    yield stream
    root.handlers, root.level = handlers, level
    configure_logs()
    root.handlers, root.level = handlers, level


def make_settings(urls: Urls, *callbacks: CallbackSettings, **server: Any) -> Settings:
    """A configuration with these callbacks, or the one of `tests.callback.wecom`."""
    own = CallbackSettings(token=SecretStr(TOKEN), encoding_aes_key=SecretStr(AES_KEY))
    return Settings(
        company=CompanySettings(corpid=CORPID),
        app=AppSettings(agentid=1000002, secret=SecretStr("s" * 43)),
        callbacks=callbacks or (own,),
        wecom=WecomSettings(api_base_url=NOWHERE, timeout_seconds=1),
        # However busy the machine is, what can be stored is.
        server=ServerSettings(port=0, store_deadline_seconds=60, **server),
        database=DatabaseSettings(url=urls.main, inbox_url=urls.inbox),
    )


@asynccontextmanager
async def running(settings: Settings, log: io.StringIO) -> AsyncIterator[Target]:
    """A bot with these settings."""
    async with Bot(settings, Clock(), bell=False) as bot, aiohttp.ClientSession() as http:
        yield Target(bot, http, log)


@pytest.fixture
async def target(urls: Urls, log: io.StringIO) -> AsyncIterator[Target]:
    """A bot with one callback."""
    async with running(make_settings(urls), log) as target:
        yield target
