"""Jobs of journeys in a process of its own that may be killed.

It says when it begins, and ends when nothing is left to be done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from datetime import datetime
from multiprocessing.synchronize import Event
from pathlib import Path

from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import load_settings
from bot.context import Context
from bot.metrics import Metrics
from data.db import open_database
from scheduler import journey_days, journey_triggers, journeys, webhooks

JOBS: dict[str, Callable[[Context], Awaitable[object]]] = {
    "journeys": journeys.run_due_steps,
    "happenings": journey_triggers.follow_happenings,
    "days": journey_days.follow_days,
    "webhooks": webhooks.send_webhooks,
}


async def main(config: Path, at: datetime, jobs: Collection[str], ready: Event) -> None:
    """Do what is due at an instant."""
    journeys.CHUNK = journey_days.PIECE = journey_triggers.PIECE = webhooks.CLAIMED = 7
    settings = load_settings(config)
    async with AsyncExitStack() as stack:
        db = open_database(settings.database.url, pool_size=4)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, FrozenClock(at), db, Metrics())
        ready.set()
        await asyncio.gather(*(_work(ctx, JOBS[job]) for job in jobs))


async def _work(ctx: Context, job: Callable[[Context], Awaitable[object]]) -> None:
    while await job(ctx):
        await asyncio.sleep(0)
