"""A month of two journeys that want the same 10,000 customers, beside the local WeCom with its clock moved: tasks that
staff do, broadcasts that they confirm, a branch, limits that hold back. What each customer got is compared with a
reference calculation (`tests/journeys/reference.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlmodel import Session, col, select

from benchmarks.processes import Identity, Server
from benchmarks.results import Result, at_most
from benchmarks.sync import postgres
from benchmarks.welcome import identity_of, sandbox
from bot.assembly import open_context
from bot.campaign_plans import calendar_of
from bot.clock import FrozenClock
from bot.config import AppSettings, CompanySettings, JourneysSettings, Settings, WecomSettings
from bot.context import Context
from bot.metrics import Metrics
from data import migrate
from data.db import open_database
from data.models import (
    Customer,
    Enrolment,
    Follow,
    FollowStatus,
    JourneyStatus,
    Run,
    StaffTask,
    StaffTaskStatus,
    StepRecord,
    Touch,
)
from data.queries import enrolments as enrolment_rows
from data.queries import journeys as journey_rows
from data.queries import sync_runs
from data.queries import touches as touch_rows
from data.queries.enrolments import Beginner
from data.queries.touches import NewTouch
from data.rules.journey_steps import first_standing
from data.rules.journeys import Journey
from data.rules.preferences import TouchKind
from data.rules.problems import parse
from scheduler.campaign_lookups import look_up_unknown
from scheduler.campaign_results import follow_results
from scheduler.campaigns import send_when_due
from scheduler.journeys import run_due_steps
from scheduler.sync import Sync
from tests.journeys.reference import Person, Reference
from tests.unit.test_rules_journey_times import HOLIDAYS, WORKED

STAFF, CUSTOMERS, DAYS = 50, 10_000, 30
#: Eight in the morning in Shanghai, a Monday.
START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
CAPS = {1: 1, 7: 3, 30: 10}
_WORDS = {"text": "{{ customer_name }}，您好，我是{{ staff_name }}"}
_TRIGGER = {"on": "event", "name": "bench"}


def _task(key: str, **when: Any) -> dict[str, Any]:
    return {"key": key, "when": when, "action": {"do": "task", "content": _WORDS}}


def _news(key: str, **when: Any) -> dict[str, Any]:
    return {
        "key": key,
        "when": when,
        "action": {"do": "broadcast", "content": {"text": "上新了，我是{{ staff_name }}"}},
    }


JOURNEYS: tuple[dict[str, Any], ...] = (
    {"name": "month", "trigger": _TRIGGER, "steps": [
        _task("hello", minutes=120),
        _task("second", days=1, at="10:30"),
        _news("news", since="start", days=3, at="11:00"),
        {"key": "which", "action": {"do": "branch", "cases": [
            {"segment": {"gender": {"genders": ["female"]}}, "go": "tenth"},
        ]}},
        _task("fifth", days=2, at="09:00"),
        _task("tenth", since="start", days=10, at="19:00", only="workdays"),
        _news("more", since="start", days=17, at="10:00"),
        _task("last", since="start", days=26, at="10:00", only="no_holidays"),
    ]},
    {"name": "first", "trigger": _TRIGGER, "priority": 8, "steps": [
        _task("third", days=3, at="15:00"), _task("seventh", days=4, at="10:00"), _task("tenth", days=3, at="10:00"),
    ]},
)  # fmt: skip


def month_sqlite(folder: Path) -> list[Result]:
    """Goal: five minutes, with every customer touched as the reference says."""
    return asyncio.run(_month(folder, f"sqlite:///{folder}/month.db", "SQLite"))


def month_postgres(folder: Path) -> list[Result]:
    """The same goal."""
    with postgres() as url:
        return asyncio.run(_month(folder, url, "PostgreSQL"))


async def _month(folder: Path, url: str, name: str) -> list[Result]:
    await migrate.prepare(url, "main")
    with sandbox(folder, STAFF, CUSTOMERS) as wecom:
        async with AsyncExitStack() as stack:
            db = open_database(url, pool_size=10)
            stack.push_async_callback(db.close)
            clock = FrozenClock(START)
            wecom.call("/sandbox/clock", at=START.isoformat())
            wecom.call("/sandbox/settings", staff_confirm_share=1.0, staff_confirm_half_seconds=1.0)
            settings = _settings(identity_of(wecom), wecom)
            ctx = await open_context(stack, settings, clock, db, Metrics())
            run = await db.write(sync_runs.ask_for_run, "command", clock.now())
            await Sync(ctx).run(run.id or 0)
            enrolled = await db.write(_begin, settings)
            began = time.perf_counter()
            await _live(ctx, clock, wecom)
            seconds = time.perf_counter() - began
            wrong, touched = await db.read(_compare, settings)
    return [
        at_most(f"journeys: a month of {enrolled:,} customers, {name}", seconds, "s", 300),
        at_most(f"journeys: of them other than the reference says, {name}", wrong, "customers", 1),
        Result(f"journeys: touches in the month, {name}", touched, ""),
    ]


def _settings(identity: Identity, wecom: Server) -> Settings:
    limits = dict(zip(("cap_per_day", "cap_per_week", "cap_per_month"), CAPS.values(), strict=True))
    return Settings(
        company=CompanySettings(
            corpid=identity.corpid, name="青禾", holidays=_words(HOLIDAYS), workdays=_words(WORKED)
        ),
        app=AppSettings(agentid=identity.agentid, secret=SecretStr(identity.secret)),
        wecom=WecomSettings(api_base_url=f"{wecom.url}/cgi-bin/"),
        journeys=JourneysSettings(gather_minutes=0, **limits),
    )  # fmt: skip


def _words(days: Sequence[tuple[Any, Any]]) -> tuple[str, ...]:
    return tuple(f"{first}..{last}" for first, last in days)


def _begin(session: Session, settings: Settings) -> int:
    """Everybody begins both journeys; how many customers there are."""
    present = select(Follow.external_userid).where(col(Follow.status) == FollowStatus.PRESENT).distinct()
    customers = sorted(session.exec(present))
    for definition in JOURNEYS:
        journey = parse(Journey, definition)
        row = journey_rows.add_journey(session, journey, "", "bench", START)
        row.status, row.started_at = JourneyStatus.RUNNING, START
        standing = first_standing(journey, START, calendar_of(settings), held_out=False)
        new = [Beginner(each, "", "bench", standing) for each in customers]
        enrolment_rows.add_enrolments(session, row.id or 0, 1, new)
    return len(customers)


async def _live(ctx: Context, clock: FrozenClock, wecom: Server) -> None:
    """Let the month pass, half an hour at a time while people are awake."""
    end = START + timedelta(days=DAYS)
    while clock.now() < end:
        await run_due_steps(ctx)
        await ctx.db.write(_do_tasks, clock.now())
        await send_when_due(ctx)
        await look_up_unknown(ctx)
        await follow_results(ctx)
        clock.advance(timedelta(minutes=30))
        if clock.now().hour == 14:  # ten in the evening
            clock.advance(timedelta(hours=10))
        await asyncio.to_thread(wecom.call, "/sandbox/clock", at=clock.now().isoformat())
    for _ in range(20):  # what was asked for last is confirmed and read
        clock.advance(timedelta(hours=6))
        await asyncio.to_thread(wecom.call, "/sandbox/clock", at=clock.now().isoformat())
        await look_up_unknown(ctx)
        await follow_results(ctx)


def _do_tasks(session: Session, now: datetime) -> None:
    """Staff do at once what they are asked."""
    asked = list(session.exec(select(StaffTask).where(StaffTask.status == StaffTaskStatus.OPEN)))
    for task in asked:
        task.status, task.answered_at, task.answered_by = StaffTaskStatus.DONE, now, task.userid
    session.flush()
    new = [NewTouch(f"task:{task.id}", task.external_userid, task.userid, task.due_at) for task in asked]
    touch_rows.record_many(session, new, TouchKind.TASK)


def _compare(session: Session, settings: Settings) -> tuple[int, int]:
    """How many customers got something else than the reference says, and how many touches there were."""
    calendar = calendar_of(settings)
    wanted = {is_woman: _referred(calendar, is_woman=is_woman) for is_woman in (True, False)}
    women = set(session.exec(select(Customer.external_userid).where(Customer.gender == 2)))
    found: dict[str, list[tuple[datetime, str, str]]] = defaultdict(list)
    records = select(Enrolment.external_userid, StepRecord.at, StepRecord.key, StepRecord.outcome).join(
        StepRecord, col(StepRecord.enrolment_id) == col(Enrolment.id)
    )
    for whom, at, key, outcome in session.exec(records):
        found[whom].append((at, key, outcome))
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for whom, kind in session.exec(select(Touch.external_userid, Touch.kind)):
        kinds[whom][kind] += 1
    assert all(run.ended_at is not None for run in session.exec(select(Run)))
    wrong = 0
    for whom, rows in found.items():
        done = [key for _, key, outcome in rows if outcome == "done" and key != "which"]
        news = sum(key in ("news", "more") for key in done)
        touches = Counter({"broadcast": news, "task": len(done) - news})
        wrong += sorted(rows) != wanted[whom in women] or kinds[whom] != touches
    return wrong, sum(sum(each.values()) for each in kinds.values())


def _referred(calendar: Any, *, is_woman: bool) -> list[tuple[datetime, str, str]]:
    reference, person = Reference(calendar, CAPS), Person("", is_woman=is_woman)
    for number, definition in enumerate(JOURNEYS):
        reference.begin(person, number, parse(Journey, definition), START, held_out=False)
    now = START
    while now < START + timedelta(days=DAYS):
        reference.tick(person, now)
        now += timedelta(minutes=15)
    return sorted(person.rows)
