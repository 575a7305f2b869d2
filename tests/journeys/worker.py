"""The tick of journeys in a process of its own that may be killed: `python -m tests.journeys.worker CONFIG INSTANT`.

It says `ready` when it begins, and ends when nothing is due any more.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import load_settings
from bot.metrics import Metrics
from data.db import open_database
from scheduler import journeys


async def main(config: Path, at: datetime) -> None:
    """Do what is due at an instant."""
    journeys.CHUNK = 7
    settings = load_settings(config)
    async with AsyncExitStack() as stack:
        db = open_database(settings.database.url, pool_size=4)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, FrozenClock(at), db, Metrics())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while await journeys.run_due_steps(ctx):
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])))
