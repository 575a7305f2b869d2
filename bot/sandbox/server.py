"""The local WeCom as a server on this machine: WeCom's API under /cgi-bin/, the control API under /sandbox/."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from bot.clock import Clock
from bot.logs import get_logger
from bot.sandbox import (
    api_access,
    api_apps,
    api_cards,
    api_customers,
    api_directory,
    api_group_sends,
    api_group_welcomes,
    api_groups,
    api_kf,
    api_kf_messages,
    api_links,
    api_media,
    api_menus,
    api_messages,
    api_moments,
    api_payments,
    api_statistics,
    api_tags,
    api_transfers,
    api_ways,
    api_welcome,
    authorize,
    control_group_sends,
    control_groups,
    control_kf,
    control_links,
    control_moments,
    control_payments,
    control_people,
    control_reading,
    control_staff,
    control_system,
    jssdk,
    provider_ids,
)
from bot.sandbox.calls import Endpoint
from bot.sandbox.control import Route, add_control
from bot.sandbox.gateway import Gateway
from bot.sandbox.journal import SqliteJournal
from bot.sandbox.machine import MACHINE, Machine
from bot.sandbox.pictures import add_pictures
from bot.sandbox.staff_behaviour import Behaviour
from bot.sandbox.world import World

#: The largest upload (20 MB) and what surrounds it.
MAX_BODY_BYTES = 32 * 1024 * 1024
FLUSH_SECONDS = 0.2
TICK_SECONDS = 1.0

ENDPOINTS: tuple[Endpoint, ...] = (
    *api_access.ENDPOINTS,
    *api_apps.ENDPOINTS,
    *api_directory.ENDPOINTS,
    *api_customers.ENDPOINTS,
    *provider_ids.ENDPOINTS,
    *api_tags.ENDPOINTS,
    *api_ways.ENDPOINTS,
    *api_links.ENDPOINTS,
    *api_groups.ENDPOINTS,
    *api_welcome.ENDPOINTS,
    *api_media.ENDPOINTS,
    *api_messages.ENDPOINTS,
    *api_menus.ENDPOINTS,
    *api_cards.ENDPOINTS,
    *api_transfers.ENDPOINTS,
    *api_group_sends.ENDPOINTS,
    *api_group_welcomes.ENDPOINTS,
    *api_moments.ENDPOINTS,
    *api_payments.ENDPOINTS,
    *api_statistics.ENDPOINTS,
    *api_kf.ENDPOINTS,
    *api_kf_messages.ENDPOINTS,
)

CONTROL_ROUTES: tuple[Route, ...] = (
    *authorize.ROUTES,
    *jssdk.ROUTES,
    *control_reading.ROUTES,
    *control_people.ROUTES,
    *control_links.ROUTES,
    *control_groups.ROUTES,
    *control_group_sends.ROUTES,
    *control_moments.ROUTES,
    *control_staff.ROUTES,
    *control_payments.ROUTES,
    *control_kf.ROUTES,
    *control_system.ROUTES,
)


def build_sandbox(
    world: World, *, machine: Machine | None = None, more_routes: Iterable[web.AbstractRouteDef] = ()
) -> web.Application:
    """An application that serves `world`; `more_routes` puts pages beside it (they find the machine at `MACHINE`)."""
    machine = machine or Machine.build(world)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[MACHINE] = machine
    app.router.add_route("*", "/cgi-bin/{path:.+}", Gateway(machine, ENDPOINTS).handle)
    add_control(app, CONTROL_ROUTES)
    authorize.add_authorize(app)
    add_pictures(app)
    app.add_routes(more_routes)
    app.cleanup_ctx.append(_run)
    app.on_shutdown.append(_close_streams)
    return app


async def _close_streams(app: web.Application) -> None:
    app[MACHINE].world.changes.close()


async def _run(app: web.Application) -> AsyncIterator[None]:
    """Callbacks, what falls due and the journal work as long as the application serves."""
    machine = app[MACHINE]
    await machine.callbacks.start()
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(_tick(machine, stopping)), asyncio.create_task(_flush(machine, stopping))]
    yield
    stopping.set()
    await asyncio.gather(*tasks)
    await machine.callbacks.stop()
    machine.world.journal.flush()


async def _pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait; whether to go on afterwards."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
    return not stopping.is_set()


async def _tick(machine: Machine, stopping: asyncio.Event) -> None:
    while await _pause(stopping, TICK_SECONDS):
        if machine.due_at <= machine.world.clock.timestamp():
            machine.settle()


async def _flush(machine: Machine, stopping: asyncio.Event) -> None:
    """Write what changed. Rows are made here, where the records live; the file is written in a thread."""
    log = get_logger("sandbox")
    while await _pause(stopping, FLUSH_SECONDS):
        journal = machine.world.journal
        if isinstance(journal, SqliteJournal):
            batch = journal.take()
            try:
                await asyncio.to_thread(journal.write, batch)
            except (sqlite3.Error, UnicodeError):
                log.exception("journal_failed", rows=len(batch.rows))
                journal.give_back(batch)


class Sandbox:
    """A local WeCom that is started and stopped; also an async context manager (on a free port of loopback).

    async with Sandbox(World(customers=100)) as wecom:
        client = WeChatClient(wecom.world.company.corpid, wecom.world.app.secret)
        client.API_BASE_URL = wecom.api_base_url
    """

    def __init__(self, world: World, *, more_routes: Iterable[web.AbstractRouteDef] = ()) -> None:
        self.world = world
        self.machine = Machine.build(world)
        self._more_routes = tuple(more_routes)
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def clock(self) -> Clock:
        return self.world.clock

    @property
    def api_base_url(self) -> str:
        """Where WeCom's API lies, ending with /cgi-bin/."""
        return f"{self.url}/cgi-bin/"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one, named by `url` afterwards. Raises OSError when the port is taken."""
        app = build_sandbox(self.world, machine=self.machine, more_routes=self._more_routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        bound = runner.addresses[0]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104
        self.url = f"http://{shown}:{bound[1]}"

    async def stop(self) -> None:
        """Stop listening, write what changed, close the world."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self.world.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def run_sandbox(
    host: str = "127.0.0.1",
    port: int = 8081,
    *,
    staff: int = 8,
    customers: int = 300,
    seed: int = 1,
    path: Path | None = None,
    callback_url: str = "",
    callback_token: str = "",
    encoding_aes_key: str = "",
    clock: Clock | None = None,
    behaviour: Behaviour | None = None,
    more_routes: Iterable[web.AbstractRouteDef] = (),
    started: asyncio.Future[Sandbox] | None = None,
) -> None:
    """Serve a sample company until cancelled; `path` keeps its changes in a SQLite file.

    What is given of the callback's settings is put into the sample company's app, which otherwise keeps what its seed
    (or an earlier run) gave it; `behaviour` has members confirm group-sends by themselves; `started` learns of the
    running sandbox. Raises OSError when the port is taken.
    """
    clock = clock or Clock()
    if path is None:
        world = World(staff=staff, customers=customers, seed=seed, clock=clock)
    else:
        world = World.open(path, staff=staff, customers=customers, seed=seed, clock=clock)
    app = world.app
    app.callback_url = callback_url or app.callback_url
    app.callback_token = callback_token or app.callback_token
    app.encoding_aes_key = encoding_aes_key or app.encoding_aes_key
    world.put_app(app)
    sandbox = Sandbox(world, more_routes=more_routes)
    if behaviour is not None:
        sandbox.machine.behave(behaviour)
    await sandbox.start(host, port)
    if started is not None:
        started.set_result(sandbox)
    try:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    finally:
        await sandbox.stop()
