"""Ticks of journeys with a million customers on them: with nothing due, with ten thousand and with a hundred thousand
steps due at once, which are decided, capped, gathered and written.

The company is made by set SQL (`benchmarks/million.py`): four journeys, of which one asks about a segment, one sends
broadcasts, one puts tags on, and one wants customers whom another wants as well.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import Session

from benchmarks.million import NOW, Company, tag_id
from benchmarks.results import Result, at_most
from benchmarks.segments import FOLLOWS, fill
from benchmarks.sync import postgres
from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import AppSettings, CompanySettings, Settings
from bot.context import Context
from bot.metrics import Metrics
from data.db import open_database
from data.models import JourneyStatus
from data.queries import journeys as rows
from data.rules.journeys import Journey
from data.rules.problems import parse
from scheduler.journeys import run_due_steps

MIB = 1024 * 1024
_WAIT = {"key": "later", "when": {"days": 60}, "action": {"do": "wait"}}
_WORDS = {"text": "{{ customer_name }}，您好，我是{{ staff_name }}，最近有什么想看的吗？"}
_ASK: dict[str, Any] = {"key": "ask", "action": {"do": "task", "content": _WORDS}}
_TRIGGER = {"on": "event", "name": "bench"}
JOURNEYS: tuple[dict[str, Any], ...] = (
    {"name": "ask", "steps": [{**_ASK, "only_if": {"gender": {"genders": ["female", "male"]}}}, _WAIT]},
    {"name": "news", "steps": [
        {"key": "news", "action": {"do": "broadcast", "content": {"text": "上新了，我是{{ staff_name }}"}}}, _WAIT,
    ]},
    {"name": "mark", "steps": [{"key": "mark", "action": {"do": "tags", "put_on": [tag_id(0.5)]}}, _WAIT]},
    {"name": "birthday", "priority": 9, "steps": [_ASK, _WAIT]},
)  # fmt: skip


def ticks_sqlite(folder: Path) -> list[Result]:
    """Goals: 20 ms with nothing due, 10 s with 10,000 steps, 100 s with 100,000; memory stays as it is."""
    url = f"sqlite:///{folder}/million.db"
    fill(url)
    return asyncio.run(_measure(url, "SQLite"))


def ticks_postgres(_folder: Path) -> list[Result]:
    """The same goals."""
    with postgres() as url:
        fill(url)
        return asyncio.run(_measure(url, "PostgreSQL"))


async def _measure(url: str, name: str) -> list[Result]:
    settings = Settings(
        company=CompanySettings(corpid="ww0123456789abcdef", name="青禾"), app=AppSettings(secret=SecretStr("bench"))
    )
    async with AsyncExitStack() as stack:
        db = open_database(url, pool_size=10)
        stack.push_async_callback(db.close)
        ctx = await open_context(stack, settings, FrozenClock(NOW), db, Metrics())
        await db.write(_enrol, url)
        idle = [await _seconds(ctx, expected=False) for _ in range(30)][5:]
        results = [at_most(f"journeys: a tick with nothing due, p95, {name}", sorted(idle)[-2] * 1000, "ms", 20)]
        for share, due, goal in ((100, FOLLOWS // 100, 10), (10, FOLLOWS // 10, 100)):
            await db.write(_let_be_due, share)
            memory = _Memory()
            with memory:
                seconds = await _seconds(ctx, expected=True)
            await db.read(_check, due)
            results += [
                at_most(f"journeys: {due:,} steps due at once, {name}", seconds, "s", goal),
                Result(f"journeys: memory that grew meanwhile, {name}", memory.grown / MIB, "MiB"),
            ]
        return results


async def _seconds(ctx: Context, *, expected: bool) -> float:
    began = time.perf_counter()
    assert await run_due_steps(ctx) is expected
    return time.perf_counter() - began


def _enrol(session: Session, url: str) -> None:
    """A quarter of the customers on each journey; those of the first are on the last as well."""
    company = Company("sqlite" if url.startswith("sqlite") else "postgresql", FOLLOWS)
    quarter = FOLLOWS // 4
    for number, definition in enumerate(JOURNEYS):
        row = rows.add_journey(session, parse(Journey, {"trigger": _TRIGGER, **definition}), "", "bench", NOW)
        row.status = JourneyStatus.RUNNING
        session.flush()
        now = company.ago("0")
        statement = company.insert(
            "enrolments", quarter, journey_id=str(row.id), version="1", userid="''", cause="'bench'", started_at=now,
            external_userid=company.customer(f"i + {number % 3 * quarter}"), step="0", before_at=now,
            due_at=company.ago(f"-{30 * 86_400} - i % 86400"), held_out="FALSE", end_reason="''",
        )  # fmt: skip
        session.execute(text(statement.replace(":", "\\:")))
    session.execute(text("ANALYZE"))


def _let_be_due(session: Session, share: int) -> None:
    """One of so many is due now. Of those whose number ends with 00 all have opted out."""
    due = "UPDATE enrolments SET due_at = before_at WHERE step = 0 AND id % :share = :rest"
    session.execute(text(due), {"share": share, "rest": 7 if share == 100 else 1})


def _check(session: Session, due: int) -> None:
    left = "SELECT count(*) FROM enrolments WHERE ended_at IS NULL AND due_at = before_at"
    # Of lost customers the journey is over, without a record.
    told = "SELECT (SELECT count(*) FROM step_records) + (SELECT count(*) FROM enrolments WHERE ended_at IS NOT NULL)"
    assert session.execute(text(left)).scalar_one() == 0
    assert session.execute(text(told)).scalar_one() >= due


class _Memory:
    """How much more memory than at its beginning this process had at most."""

    grown = 0

    def __enter__(self) -> None:
        self._process = psutil.Process()
        self._first = self._process.memory_info().rss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.grown = max(self.grown, self._process.memory_info().rss - self._first)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
