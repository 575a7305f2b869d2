"""What the job of a bot does with hand-overs, in a process of its own that may be killed: `handover_worker.py CONFIG`.

It ends by itself when nothing is left to be asked for. WeCom settles at once here, so that absence need not be waited
for.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from sqlmodel import Session, col, select

from bot.assembly import open_context
from bot.clock import Clock
from bot.config import load_settings
from bot.metrics import Metrics
from data.db import open_database
from data.models import Handover, Transfer, TransferStatus
from data.queries import handover_work
from scheduler import handovers


def is_asked(session: Session) -> bool:
    """Whether all of it is planned, and WeCom has been asked for it and heard."""
    if session.exec(select(Handover.id).where(col(Handover.planned_at).is_(None)).limit(1)).first() is not None:
        return False
    open_ = (TransferStatus.PLANNED, TransferStatus.ASKING)
    return session.exec(select(Transfer.id).where(col(Transfer.status).in_(open_)).limit(1)).first() is None


async def main(config: Path) -> None:
    """Do what the job does."""
    handover_work.PER_CALL = 5  # type: ignore[attr-defined]
    handovers.SETTLES = handovers.PAUSE = timedelta(seconds=0.2)  # type: ignore[attr-defined]
    settings = load_settings(config)
    async with AsyncExitStack() as stack:
        db = open_database(settings.database.url, pool_size=2)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, Clock(), db, Metrics())
        while not await db.read(is_asked):
            await handovers.hand_over_when_due(ctx)
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
