"""Plan and preview campaigns for everybody of a filled database, in a process of its own; JSON to standard output.

`python -m benchmarks.planner CONFIG [preview]`: seconds, the most resident memory in bytes, and what the ledger has.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text
from sqlmodel import Session

from benchmarks.million import NOW
from benchmarks.segments import ANY, RARE
from bot import campaigns, customer_waves
from bot.assembly import open_context
from bot.campaign_plans import calendar_of, plan_run
from bot.clock import Clock
from bot.commands.loop import run
from bot.config import load_settings
from bot.context import Context
from bot.metrics import Metrics
from data.db import open_database
from data.queries import runs as run_rows
from data.rules.campaigns import CampaignDraft, CustomerWave
from data.rules.problems import parse

CONTENT = {"text": "周末到店，好礼相送。"}


async def _main(config: Path, preview: bool) -> None:
    settings = load_settings(config)
    async with AsyncExitStack() as stack:
        db = open_database(settings.database.url, pool_size=10)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, _Fixed(), db, Metrics())
        told = await (_preview(ctx) if preview else _plan(ctx))
    print(json.dumps(told))


class _Fixed(Clock):
    """The made-up company's own now."""

    def now(self) -> Any:
        return NOW


async def _plan(ctx: Context) -> dict[str, Any]:
    draft = {"name": "bench", "waves": [{"content": CONTENT, "audience": {"everyone": True}}]}
    made = await campaigns.make_campaign(ctx, parse(CampaignDraft, draft), "bench")
    await campaigns.start_campaign(ctx, made.id or 0, None)
    peak, began = _Peak(), time.perf_counter()
    with peak:
        started = await ctx.db.write(run_rows.begin_due_run, ctx.clock.now(), calendar_of(ctx.settings))
        assert started is not None
        await plan_run(ctx, started.id or 0)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak": peak.bytes, **await ctx.db.read(_ledger, started.id or 0)}


def _ledger(session: Session, run_id: int) -> dict[str, int]:
    """What the rows say, and what they should say."""
    asked = {
        "follows": "SELECT count(*) FROM follows WHERE status = 'present'",
        "rows": f"SELECT count(*) FROM recipients WHERE run_id = {run_id}",
        "waiting": f"SELECT count(*) FROM recipients WHERE run_id = {run_id} AND state = 0",
        "in_batches": f"SELECT sum(recipients) FROM batches WHERE run_id = {run_id}",
        "batches": f"SELECT count(*) FROM batches WHERE run_id = {run_id}",
        "recipients": f"SELECT recipients FROM runs WHERE id = {run_id}",
    }
    return {name: int(session.execute(text(statement)).scalar_one()) for name, statement in asked.items()}


async def _preview(ctx: Context) -> dict[str, Any]:
    told: dict[str, float] = {}
    with (peak := _Peak()):
        for question in (*RARE, *ANY):
            wave = parse(CustomerWave, {"content": CONTENT, "audience": {"segment": question.tree}})
            began = time.perf_counter()
            preview = await customer_waves.preview_draft(ctx, wave)
            told[f"{question.name} ({preview.tally.matched:,})"] = time.perf_counter() - began
    return {"previews": told, "peak": peak.bytes}


class _Peak:
    """The most resident memory while it lasts, looked at ten times a second."""

    def __init__(self) -> None:
        self._process, self._ended = psutil.Process(), threading.Event()
        self.bytes = 0

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            self.bytes = max(self.bytes, self._process.memory_info().rss)

    def __enter__(self) -> _Peak:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


if __name__ == "__main__":
    run(_main(Path(sys.argv[1]), "preview" in sys.argv))
