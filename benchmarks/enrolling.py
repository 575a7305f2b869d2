"""Journeys: how long it takes to begin one for all the customers there are.

`SIYU_BENCH_ENROLLED`: so many of them.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr
from sqlmodel import Session

from benchmarks.million import NOW
from benchmarks.results import Result, at_least, at_most
from benchmarks.segments import fill
from benchmarks.sync import postgres
from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import AppSettings, CompanySettings, Settings
from bot.metrics import Metrics
from data.db import open_database
from data.models import JourneyStatus
from data.queries import journeys as rows
from data.rules.journeys import Journey
from data.rules.problems import parse
from scheduler.journey_days import enrol_existing

ENROLLED = int(os.environ.get("SIYU_BENCH_ENROLLED", "100000"))
#: Of the made-up company's follows so many per cent are present, and some are second ones of the same customers.
FOLLOWS = ENROLLED * 122 // 100
JOURNEY = {
    "name": "bench",
    "trigger": {"on": "added"},
    "audience": {"not": {"preference": {"wishes": ["paused"]}}},
    "steps": [{"key": "ask", "when": {"days": 1, "at": "10:00"}, "action": {"do": "task", "content": {"text": "好"}}}],
    "hold_out_percent": 10,
}


def enrolling_sqlite(folder: Path) -> list[Result]:
    """Goal: 100,000 customers begin a journey in 10 s."""
    url = f"sqlite:///{folder / 'enrolling.db'}"
    fill(url, follows=FOLLOWS)
    return asyncio.run(_enrol(url, "SQLite"))


def enrolling_postgres(_folder: Path) -> list[Result]:
    """The same goal."""
    with postgres() as url:
        fill(url, follows=FOLLOWS)
        return asyncio.run(_enrol(url, "PostgreSQL"))


async def _enrol(url: str, name: str) -> list[Result]:
    settings = Settings(
        company=CompanySettings(corpid="ww0123456789abcdef", name="bench"), app=AppSettings(secret=SecretStr("bench"))
    )
    async with AsyncExitStack() as stack:
        db = open_database(url, pool_size=10)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, FrozenClock(NOW), db, Metrics())
        journey_id = await db.write(_start)
        began = time.perf_counter()
        begun = await enrol_existing(ctx, journey_id)
        seconds = time.perf_counter() - began
    return [
        at_least(f"journeys: customers who began one, {name}", begun, "customers", ENROLLED),
        at_most(f"journeys: seconds for 100,000 of them, {name}", seconds * 100_000 / max(begun, 1), "s", 10),
    ]


def _start(session: Session) -> int:
    row = rows.add_journey(session, parse(Journey, JOURNEY), "", "bench", NOW)
    row.status, row.started_at = JourneyStatus.RUNNING, NOW
    session.flush()
    return row.id or 0
