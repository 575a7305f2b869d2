"""The composition root: builds every part of the running bot, starts it and stops it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from bot.answering import Answering
from bot.api.openapi import add_document
from bot.api.routes import PREFIX, ROUTES
from bot.api.service import Api, add_api
from bot.assembly import open_context
from bot.callback import Callback, CallbackServer
from bot.clock import Clock
from bot.config import Settings
from bot.console.forms import FormPages
from bot.console.staff_today import StaffPages
from bot.console.web import Console
from bot.context import Context
from bot.errors import ConfigurationError
from bot.inbox import Inbox
from bot.logs import get_logger
from bot.menus import ensure_menu
from bot.metrics import Metrics
from bot.operations import Operations, SignsOfLife, http_logger, watch_loop_lag
from bot.redirects import Redirects
from bot.router import Dispatcher
from bot.wecom.crypto import CallbackCrypto
from data import migrate
from data.db import Database, open_database, ping
from data.errors import StorageError
from data.queries.kf_work import release_all
from data.sqlite import INBOX_CHECKPOINT_PAGES
from data.sqlite_database import SqliteDatabase
from handlers import IGNORED, ROUTERS
from scheduler.inbox import inbox_jobs
from scheduler.jobs import JOBS, Job
from scheduler.privacy import privacy_jobs
from scheduler.runner import Runner

log = get_logger("app")


class Bot:
    """The bot. `async with Bot(settings) as bot:` runs it; `bot.url` is where it listens.

    Without `bell` no job begins by itself: whoever has started it says when, with `bot.runner.run_now`.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None, *, bell: bool = True) -> None:
        self.settings = settings
        self._bell = bell
        self.clock = clock or Clock()
        self.metrics = Metrics()
        self.url = ""
        self._stopping = asyncio.Event()
        self._cleanup = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._cleanup.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await self._cleanup.aclose()
        log.info("stopped")

    async def _start(self) -> None:
        settings, defer = self.settings, self._cleanup.push_async_callback
        if not settings.callbacks:
            raise ConfigurationError("There is no [[callbacks]] table.", "Add one per URL configured in WeCom.")
        callbacks = [
            Callback(
                each, CallbackCrypto(each.token.get_secret_value(), each.encoding_aes_key.get_secret_value(),
                                     settings.company.corpid)
            )
            for each in settings.callbacks
        ]  # fmt: skip
        await migrate.prepare(settings.database.url, "main")
        await migrate.prepare(settings.inbox_url, "inbox")
        self.db = open_database(settings.database.url, pool_size=12)
        defer(self.db.close)
        # On PostgreSQL the inbox has connections of its own: bulk work never keeps a callback waiting for one.
        inbox_db = open_database(settings.inbox_url, pool_size=8, checkpoint_pages=INBOX_CHECKPOINT_PAGES)
        defer(inbox_db.close)
        alone = self._claim_files(inbox_db)
        self.context = await open_context(self._cleanup, settings, self.clock, self.db, self.metrics, self._pause)
        self.wecom = self.context.wecom
        self.dispatcher = Dispatcher(ROUTERS, IGNORED, self.context)
        self.inbox = Inbox(
            inbox_db,
            self.clock,
            settings.inbox,
            self.metrics,
            self.dispatcher.plan,
            self.dispatcher.run,
            store_deadline_seconds=settings.server.store_deadline_seconds,
        )
        self.signs = SignsOfLife(self.db, self.clock)

        async def write_signs(_ctx: Context) -> None:
            await self.signs.write()

        self.runner = Runner(
            [
                *JOBS,
                *inbox_jobs(self.inbox),
                *privacy_jobs(inbox_db),
                Job("write_signs", 10.0, write_signs, alone=False),
            ],
            self.context,
        )
        # What is started first is stopped last: no event may arrive that could not be stored or handled.
        defer(self.signs.write)
        defer(self.runner.stop)
        defer(self.inbox.stop)
        await self.inbox.start(alone=alone)
        if alone:
            await self.db.write(release_all)
        self._serve_app = self._web(callbacks)
        await self._listen(self._serve_app)
        defer(_end_task, asyncio.create_task(watch_loop_lag(self.metrics), name="loop lag"))
        if self._bell:
            self.runner.start()
            defer(_end_task, asyncio.create_task(ensure_menu(self.context), name="menu"))
        log.info("started", url=self.url, mode=settings.mode, database=self.db.dialect)

    def _web(self, callbacks: list[Callback]) -> web.Application:
        app = web.Application(client_max_size=self.settings.server.max_body_bytes)
        answers = Answering(self.context)
        CallbackServer(callbacks, self.settings.server, self.inbox, self.signs, self.metrics, answers).add_routes(app)
        checks = {"database": self._ping(self.db), "inbox": self._ping(self.inbox.db)}
        Operations(self.metrics, checks, self.inbox.measure, self.settings.server.verify_files).add_routes(app)
        Redirects(self.context).add_routes(app)
        StaffPages(self.context).add_routes(app)
        FormPages(self.context).add_routes(app)
        jobs = {job.name: job.every_seconds for job in self.runner.jobs}
        Console(self.context, self.inbox.db, self.dispatcher.plan, jobs, self.runner.run_now).add_routes(app)
        api = Api(self.clock, self.db, self.inbox.db, self.context.renderer, self.dispatcher.plan, self.context)
        add_document(app, PREFIX, ROUTES)
        add_api(app, PREFIX, api, ROUTES)
        return app

    def _ping(self, db: Database):  # type: ignore[no-untyped-def]
        async def check() -> None:
            await db.read(ping)

        return check

    async def _listen(self, app: web.Application) -> None:
        server = self.settings.server
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=10, logger=http_logger(self.metrics))
        await runner.setup()
        self._cleanup.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, server.host, server.port).start()
        except OSError as error:
            raise ConfigurationError(
                f"{server.host}:{server.port} cannot be listened on ({error.strerror}).",
                "Choose another port in [server], or stop the program that uses it.",
            ) from error
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def _pause(self, seconds: float) -> None:
        """Time between two tries of a call to WeCom; a stop does not wait for it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _claim_files(self, db: Database) -> bool:
        """On SQLite one process at a time may run; True says that this is the one."""
        if not isinstance(db, SqliteDatabase):
            return False
        lock = Path(f"{db.path}.lock").open("w")  # noqa: SIM115 - held until the process ends
        self._cleanup.callback(lock.close)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StorageError(
                f"Another process is running on {db.path}.", "Stop it first, or use PostgreSQL for several processes."
            ) from None
        return True


async def _end_task(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
