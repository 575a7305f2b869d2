"""`siyu serve` and `siyu migrate`."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import TYPE_CHECKING

from bot.commands.loop import run
from bot.commands.terminal import Config, load, say

if TYPE_CHECKING:
    from bot.config import Settings


def serve(config: Config = None) -> None:
    """Run the bot until SIGINT or SIGTERM."""
    from bot.logs import configure_logs

    settings = load(config)
    configure_logs(settings.logs.level, settings.logs.output)
    run(serve_until_signal(settings))


async def serve_until_signal(settings: Settings) -> None:
    """Run the bot; the first signal lets it finish what it began, a signal during the start gives the start up."""
    from bot.app import Bot
    from bot.commands.accounts import first_link

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    starting = asyncio.current_task()

    def stopped() -> None:
        stop.set()
        if starting is not None:
            starting.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped)
    try:
        async with Bot(settings) as bot:
            starting = None
            # What was made to start lives as long as the program: the collector need not look through it again.
            gc.collect()
            gc.freeze()
            # A group of callbacks makes some thousand objects that die with it: not worth looking through each time.
            gc.set_threshold(10_000, 20, 20)
            say(f"Siyu listens on {bot.url} ({settings.mode} mode). Stop it with Ctrl-C.")
            if link := await first_link(settings, bot.db, bot.clock.now()):
                say(f"There is no admin yet. This link makes the first one, within a day: {link}")
            await stop.wait()
            say("Stopping: what has begun is finished first.")
    except asyncio.CancelledError:
        if not stop.is_set():
            raise


def migrate(config: Config = None) -> None:
    """Bring the database's tables to this version; make a backup first."""
    settings = load(config)
    asyncio.run(_migrate(settings))


async def _migrate(settings: Settings) -> None:
    from data import migrate as migrations

    trees: dict[migrations.Tree, str] = {"main": settings.database.url, "inbox": settings.inbox_url}
    for tree, url in trees.items():
        before = await migrations.revision(url, tree)
        await migrations.upgrade(url, tree)
        after = await migrations.revision(url, tree)
        if before == after:
            say(f"{tree}: nothing to do, the tables are at {after}.")
        elif before is None:
            say(f"{tree}: tables made ({after}).")
        else:
            say(f"{tree}: brought from {before} to {after}.")
            if tree == "main":
                await _tell_planner(url)


async def _tell_planner(url: str) -> None:
    """New indexes are used well at once, not only after the first hour."""
    from data.db import open_database
    from data.queries.statistics import refresh_statistics

    db = open_database(url)
    try:
        await db.write(refresh_statistics)
    finally:
        await db.close()
