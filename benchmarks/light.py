"""A process that drains an inbox with one handler that neither writes nor calls; a line of JSON says how it went."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path

import psutil
import uvloop
from pydantic import SecretStr

from bot.clock import Clock
from bot.config import AppSettings, CompanySettings, Settings
from bot.context import Context, Receipt
from bot.inbox import Inbox
from bot.logs import configure_logs
from bot.metrics import Metrics
from bot.render import Renderer
from bot.router import Dispatcher, Outcome, Router, done
from bot.wecom.client import WeComClient
from bot.wecom.event_base import Event
from data.db import open_database
from data.queries.events import count_tasks
from data.sqlite import INBOX_CHECKPOINT_PAGES

router = Router("light")


@router.on(Event)
async def on_any(_event: Event, _ctx: Context, _receipt: Receipt) -> Outcome:
    """Nothing to do."""
    return done("looked at")


async def drain(path: Path) -> dict[str, float]:
    """Seconds until nothing waits, and resident memory in bytes: when a twentieth was done, and the most after it."""
    clock, metrics = Clock(), Metrics()
    db = open_database(f"sqlite:///{path}", checkpoint_pages=INBOX_CHECKPOINT_PAGES)
    settings = Settings(company=CompanySettings(corpid="ww"), app=AppSettings(agentid=1, secret=SecretStr("s")))
    wecom = WeComClient("ww", "s", clock=clock)
    context = Context(settings, clock, db, wecom, Renderer(), metrics, random.Random(1))
    dispatcher = Dispatcher([router], {}, context)
    inbox = Inbox(db, clock, settings.inbox, metrics, dispatcher.plan, dispatcher.run)
    process, settled, peak = psutil.Process(), 0, 0
    before = left = sum((await db.read(count_tasks)).values())
    started = time.monotonic()
    await inbox.start(alone=True)
    while left:
        await asyncio.sleep(0.25)
        left = sum((await db.read(count_tasks)).values())
        now = process.memory_info().rss
        if not settled and left < before * 0.95:
            settled = now
        peak = max(peak, now)
    seconds = time.monotonic() - started
    await inbox.stop()
    await db.close()
    return {"seconds": seconds, "settled": settled, "peak": peak}


if __name__ == "__main__":
    configure_logs("WARNING")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(drain(Path(sys.argv[1])))))
