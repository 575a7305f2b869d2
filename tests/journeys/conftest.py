"""Journeys on a database of each kind, without WeCom: what the tick decides asks nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr
from sqlmodel import Session, SQLModel, col, select

from bot.assembly import open_context
from bot.campaign_plans import calendar_of
from bot.clock import FrozenClock
from bot.config import AppSettings, CompanySettings, JourneysSettings, Settings
from bot.context import Context
from bot.metrics import Metrics
from data.db import Database
from data.models import (
    Customer,
    Department,
    EndReason,
    Enrolment,
    Follow,
    FollowStatus,
    JourneyStatus,
    Staff,
    StaffTask,
    StepCount,
    StepOutcome,
    StepRecord,
)
from data.queries import enrolments as enrolment_rows
from data.queries import journeys as journey_rows
from data.queries.enrolments import Beginner
from data.rules.journey_steps import first_standing
from data.rules.journeys import Journey
from data.rules.problems import parse
from scheduler.journeys import run_due_steps
from tests.facts import settle
from tests.unit.test_rules_journey_times import HOLIDAYS, WORKED

M = TypeVar("M", bound=SQLModel)
#: A Monday, at eight in the morning in Shanghai.
START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
TEXT = {"text": "{{ customer_name }}，您好，我是{{ staff_name }}"}


def task(key: str = "ask", **more: Any) -> dict[str, Any]:
    """A step that gives a staff member a task."""
    action = {"do": "task", "content": TEXT, **more.pop("action", {})}
    return {"key": key, "action": action, **more}


@dataclass
class Company:
    """A company whose journeys run, and short ways to play it."""

    ctx: Context
    clock: FrozenClock

    async def add_customer(self, name: str, *userids: str, added_at: datetime | None = None) -> None:
        """A customer whom these members follow."""

        def add(session: Session) -> None:
            session.merge(Customer(external_userid=name, name=name.title(), type=1, first_seen_at=START))
            for userid in userids:
                session.merge(
                    Staff(
                        userid=userid,
                        name=userid.upper(),
                        status=1,
                        follows_customers=True,
                        department_ids=[1],
                        main_department_id=1,
                        seen_at=START,
                    )
                )
                session.add(
                    Follow(
                        userid=userid, external_userid=name, status=FollowStatus.PRESENT, shared=len(userids) > 1,
                        added_at=added_at or START, changed_at=START, contact_type=1,
                    )
                )  # fmt: skip
            settle(session)

        await self.ctx.db.write(add)

    async def add_journey(self, *steps: Mapping[str, Any], **more: Any) -> int:
        """A journey that runs; its number."""
        definition = {"name": "旅程", "trigger": {"on": "event", "name": "begin"}, "steps": list(steps), **more}
        journey = parse(Journey, definition)

        def add(session: Session) -> int:
            row = journey_rows.add_journey(session, journey, "", "test", self.clock.now())
            row.status, row.started_at = JourneyStatus.RUNNING, self.clock.now()
            return row.id or 0

        return await self.ctx.db.write(add)

    async def enrol(self, journey_id: int, *customers: str, userid: str = "", held_out: bool = False) -> None:
        """Customers begin a journey now."""

        def add(session: Session) -> None:
            row = journey_rows.get_journey(session, journey_id)
            journey = parse(Journey, journey_rows.get_version(session, journey_id, row.version).definition)
            now, calendar = self.clock.now(), calendar_of(self.ctx.settings)
            standing = first_standing(journey, now, calendar, held_out=held_out)
            new = [Beginner(each, userid, "test", standing) for each in customers]
            assert enrolment_rows.add_enrolments(session, journey_id, row.version, new) == len(customers)

        await self.ctx.db.write(add)

    async def at(self, at: datetime, *, tick: timedelta = timedelta(minutes=30)) -> None:
        """Move the clock to an instant, and let journeys run at every tick on the way."""
        while self.clock.now() < at:
            self.clock.advance(min(tick, at - self.clock.now()))
            await run_due_steps(self.ctx)

    async def records(self, journey_id: int | None = None) -> list[tuple[str, str, str]]:
        """(customer, key, outcome) of everything that became of steps, in order."""

        def read(session: Session) -> list[tuple[str, str, str]]:
            query = (
                select(Enrolment.external_userid, StepRecord.key, StepRecord.outcome)
                .join(StepRecord, col(StepRecord.enrolment_id) == col(Enrolment.id))
                .order_by(col(StepRecord.at), col(Enrolment.external_userid), col(StepRecord.step))
            )
            if journey_id is not None:
                query = query.where(col(Enrolment.journey_id) == journey_id)
            return [(row[0], row[1], row[2]) for row in session.exec(query)]

        return await self.ctx.db.read(read)

    async def all(self, model: type[M]) -> list[M]:
        """Every row of a table."""
        return await self.ctx.db.read(lambda session: list(session.exec(select(model))))

    async def tasks(self) -> list[StaffTask]:
        """What is asked of staff, in the order in which it was asked."""
        return sorted(await self.all(StaffTask), key=lambda each: (each.due_at, each.id))

    async def change(self, model: type[Any], which: Callable[[Any], bool], **values: Any) -> None:
        """Change rows behind the program's back."""

        def write(session: Session) -> None:
            for row in session.exec(select(model)).all():
                if which(row):
                    for name, value in values.items():
                        setattr(row, name, value)
            settle(session)

        await self.ctx.db.write(write)


def _words(days: list[tuple[date, date]]) -> tuple[str, ...]:
    return tuple(f"{first}..{last}" for first, last in days)


def settings_of(timezone: str = "Asia/Shanghai", **journeys: Any) -> Settings:
    """Settings without limits, but for those given."""
    limits = {"cap_per_day": 0, "cap_per_week": 0, "cap_per_month": 0, **journeys}
    return Settings(
        company=CompanySettings(
            corpid="ww0123456789abcdef",
            name="青禾",
            timezone=timezone,
            holidays=_words(HOLIDAYS),
            workdays=_words(WORKED),
        ),
        app=AppSettings(secret=SecretStr("secret")),
        journeys=JourneysSettings(**limits),
    )


@pytest.fixture
async def open_company(db: Database) -> AsyncIterator[Callable[..., Any]]:
    """Opens the company with limits on what reaches a customer."""
    async with AsyncExitStack() as stack:

        async def open_(**journeys: Any) -> Company:
            clock = FrozenClock(START)
            ctx = await open_context(stack, settings_of(**journeys), clock, db, Metrics())
            await db.write(lambda session: session.merge(Department(id=1, name="一店", parent_id=0)) and None)
            return Company(ctx, clock)

        yield open_
        counted, plain = await db.read(_count_steps)
        assert counted == plain, (
            "somebody wrote records of steps, or ended enrolments, without data/queries/step_counts"
        )


Counted = dict[tuple[int, int, int, str], tuple[int, int]]


def _count_steps(session: Session) -> tuple[Counted, Counted]:
    """How often steps came out how, and for how many that led to the goal: as it is kept, and counted one by one."""
    kept: Counted = {
        (row.journey_id, row.version, row.step, row.outcome): (row.number, row.converted)
        for row in session.execute(select(StepCount).where(col(StepCount.number) > 0)).scalars()
    }
    plain: Counted = {}
    query = select(StepRecord, Enrolment).join(Enrolment, col(Enrolment.id) == col(StepRecord.enrolment_id))
    for record, enrolment in session.execute(query):
        key = (enrolment.journey_id, record.version, record.step, record.outcome)
        reached = enrolment.end_reason == EndReason.GOAL and record.outcome == StepOutcome.DONE
        led_there = reached and record.at <= enrolment.ended_at
        number, converted = plain.get(key, (0, 0))
        plain[key] = (number + 1, converted + led_there)
    return kept, plain


@pytest.fixture
async def company(open_company: Callable[..., Any]) -> Company:
    """The company, without limits."""
    found: Company = await open_company()
    return found
