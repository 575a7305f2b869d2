"""What the bot does with an account's messages, in a process of its own that may be killed: `kf_worker.py CONFIG ID`.

It ends by itself when nothing is left to be read or answered.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from sqlmodel import Session, col, select

from bot import kf
from bot.assembly import open_context
from bot.clock import Clock
from bot.config import load_settings
from bot.kf_work import work_on_due
from bot.metrics import Metrics
from data.db import open_database
from data.models import KfSession


def is_due(session: Session) -> bool:
    """Whether something waits."""
    return session.exec(select(KfSession.id).where(col(KfSession.due_at).is_not(None)).limit(1)).first() is not None


async def main(config: Path, open_kfid: str) -> None:
    """Do what the handler and the job do."""
    settings = load_settings(config)
    async with AsyncExitStack() as stack:
        db = open_database(settings.database.url, pool_size=4)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, Clock(), db, Metrics())
        await kf.pull(ctx, open_kfid)
        while await db.read(is_due):
            await work_on_due(ctx)
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
