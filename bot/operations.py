"""What operators and WeCom's set-up ask of the server: health, readiness, metrics, domain verification files."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.clock import Clock
from bot.errors import SiyuError
from bot.logs import get_logger
from bot.metrics import Metrics
from bot.wecom.event_base import Event
from bot.wecom.events import AddedEvent, AddExternalContact
from data.db import Database
from data.queries import health as health_rows
from data.queries.health import Signs

log = get_logger("callback")

Check = Callable[[], Awaitable[None]]
VERIFY_FILE = re.compile(r"WW_verify_[A-Za-z0-9]{1,64}\.txt")
LOOP_LAG_EVERY_SECONDS = 0.5


class SignsOfLife:
    """Collects what the callbacks show and writes it now and then: `siyu check` reads it."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self._seen: dict[str, Signs] = {}

    def verified(self, callback: str) -> None:
        """WeCom verified the URL."""
        self._signs(callback).verified_at = self.clock.now()

    def received(self, callback: str, events: Iterable[Event]) -> None:
        """Events came; of an add, whether it brought a welcome code."""
        signs, now = self._signs(callback), self.clock.now()
        signs.last_event_at = now
        for event in events:
            if isinstance(event, AddedEvent):
                signs.last_add_at = now
                if event.welcome_code:
                    signs.last_welcome_code_at = now
                    signs.adds_without_code = 0
                elif isinstance(event, AddExternalContact):
                    signs.adds_without_code += 1

    async def write(self) -> None:
        """Add what was seen to the database; what could not be written is kept for the next time."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            await self.db.write(health_rows.record_signs, seen)
        except BaseException:
            for callback, since in self._seen.items():
                seen.setdefault(callback, Signs()).add(since)
            self._seen = seen
            raise

    def _signs(self, callback: str) -> Signs:
        return self._seen.setdefault(callback, Signs())


class Operations:
    """`/healthz`, `/readyz`, `/metrics` and `/WW_verify_*.txt`."""

    def __init__(self, metrics: Metrics, checks: dict[str, Check], measure: Check, verify_files: Path | None) -> None:
        self.metrics = metrics
        self.checks = checks
        self.measure = measure
        self.verify_files = verify_files

    def add_routes(self, app: web.Application) -> None:
        """The routes of this class."""
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/readyz", self.ready)
        app.router.add_get("/metrics", self.metrics_page)
        app.router.add_get(r"/{name:WW_verify_\w+\.txt}", self.verify_file)

    async def health(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Whether events can be stored and handled; 503 with the reasons when not."""
        faults = {}
        for name, check in self.checks.items():
            try:
                async with asyncio.timeout(3):
                    await check()
            except (SiyuError, TimeoutError) as error:
                faults[name] = str(error) or "no answer within 3 s"
        return web.json_response({"ready": not faults, "faults": faults}, status=503 if faults else 200)

    async def metrics_page(self, _request: web.Request) -> web.Response:
        """Prometheus' text format; without the database the gauges of the inbox are as they last were."""
        try:
            async with asyncio.timeout(3):
                await self.measure()
        except (SiyuError, TimeoutError) as error:
            log.warning("not_measured", cause=str(error) or "no answer within 3 s")
        return web.Response(body=self.metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def verify_file(self, request: web.Request) -> web.Response:
        """The file that WeCom asks a trusted domain for, from the configured folder."""
        name = request.match_info["name"]
        if self.verify_files is None or not VERIFY_FILE.fullmatch(name):
            raise web.HTTPNotFound
        try:
            text = await asyncio.to_thread((self.verify_files / name).read_text, "utf-8")
        except OSError:
            raise web.HTTPNotFound from None
        return web.Response(text=text)


async def watch_loop_lag(metrics: Metrics) -> None:
    """Measure how late the event loop runs what is due, for as long as the task lives."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOP_LAG_EVERY_SECONDS
        await asyncio.sleep(LOOP_LAG_EVERY_SECONDS)
        metrics.loop_lag_seconds.observe(max(loop.time() - due, 0.0))


def http_logger(metrics: Metrics) -> logging.Logger:
    """aiohttp's logger for what is not HTTP: one line and one count like any other refusal, instead of a traceback."""

    def keep(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, web.RequestPayloadError):
            return False  # the handler has refused it; this is aiohttp reading what was left of the body
        if not isinstance(error, HttpProcessingError):
            return True
        log.warning("refused", reason="http", cause=type(error).__name__, status=error.code)
        metrics.callbacks_refused.labels("", "http").inc()
        return False

    logger = logging.Logger("siyu.http")
    logger.parent = logging.getLogger()
    logger.addFilter(keep)
    return logger
