"""What the jobs of a bot do with campaigns, in a process of its own that may be killed: `campaign_worker.py CONFIG`.

It ends by itself when all runs have ended. WeCom settles at once here, so that absence need not be waited for.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from sqlmodel import Session, col, select

from bot import campaign_plans
from bot.assembly import open_context
from bot.clock import Clock
from bot.config import load_settings
from bot.metrics import Metrics
from data.db import open_database
from data.models import Run
from data.queries import batch_results
from data.rules import batches, campaigns, moments
from scheduler.campaign_lookups import look_up_unknown
from scheduler.campaign_results import follow_results
from scheduler.campaigns import send_when_due
from scheduler.moment_results import follow_moments

SETTLE_SECONDS = 1.0
PAUSES = ("look_pause", "pull_pause", "rest_pause", "job_pause")
LAST_LOOK = "LAST_LOOK_SECONDS"
PAUSING = (
    "data.queries.batches", "data.queries.moments", "scheduler.campaign_results", "scheduler.moments",
    "scheduler.moment_results",
)  # fmt: skip


def hasten() -> None:
    """Small pieces, so that there is much to be interrupted, and short waits."""
    campaign_plans.SPAN = 20
    campaigns.BATCH_RECIPIENTS = 5
    batches.SETTLE_SECONDS = moments.SETTLE_SECONDS = SETTLE_SECONDS
    setattr(batch_results, LAST_LOOK, 0.2)
    for name in PAUSES:
        for module in (batches, *(sys.modules[each] for each in PAUSING)):
            if hasattr(module, name):
                setattr(module, name, lambda _: 0.2)


def is_over(session: Session) -> bool:
    """Whether no run goes on."""
    return session.exec(select(Run.id).where(col(Run.ended_at).is_(None)).limit(1)).first() is None


async def main(config: Path) -> None:
    """Do what the jobs do until all is over."""
    hasten()
    settings = load_settings(config)
    async with AsyncExitStack() as stack:
        db = open_database(settings.database.url, pool_size=4)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, Clock(), db, Metrics())
        while not await db.read(is_over):
            await asyncio.gather(
                send_when_due(ctx), look_up_unknown(ctx), follow_results(ctx), follow_moments(ctx)
            )  # fmt: skip
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
