"""Nothing is done twice and nothing is left out, whoever dies and whoever else is at work."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, delete, select

from bot.journey_books import Book
from data.models import (
    Enrolment,
    JourneyStatus,
    Lease,
    Marking,
    MarkingItem,
    Run,
    StaffTask,
    StepRecord,
    Tag,
    TagGroup,
    WaveCustomer,
    WebhookCall,
)
from data.queries import journey_dues
from data.queries import journeys as journey_rows
from scheduler.journeys import _work_on, run_due_steps
from tests.cli.conftest import write_config
from tests.conftest import Urls, killed_on
from tests.forks import FORKS, Fork
from tests.journeys import worker
from tests.journeys.conftest import START, Company, task

KILLS = int(os.environ.get("SIYU_KILLS", "2"))
SEED = int(os.environ.get("SIYU_KILL_SEED", "1"))
CUSTOMERS = [f"c{number:03}" for number in range(60)]
STEPS: list[dict[str, Any]] = [
    task("ask"),
    {"key": "news", "action": {"do": "broadcast", "content": {"text": "上新了"}}},
    {"key": "mark", "action": {"do": "tags", "put_on": ["vip"]}},
    {"key": "tell", "action": {"do": "webhook", "url": "https://shop.example.com/hook"}},
    task("again"),
]


async def begin(company: Company) -> None:
    """Everybody begins a journey of all kinds of steps, all of which are due now."""
    for number, name in enumerate(CUSTOMERS):
        await company.add_customer(name, ("li", "wu")[number % 2])

    def add(session: Session) -> None:
        session.add(TagGroup(group_id="g", name="g", order=0))
        session.add(Tag(tag_id="vip", name="VIP", group_id="g", order=0))

    await company.ctx.db.write(add)
    await company.enrol(await company.add_journey(*STEPS), *CUSTOMERS)


async def is_done_once(company: Company) -> None:
    """Every step is done once for everybody."""
    records = Counter(await company.records())
    assert records == Counter((name, step["key"], "done") for name in CUSTOMERS for step in STEPS)
    tasks = Counter((each.external_userid, each.step) for each in await company.all(StaffTask))
    assert tasks == Counter((name, step) for name in CUSTOMERS for step in (0, 4))
    assert Counter(each.external_userid for each in await company.all(WaveCustomer)) == Counter(CUSTOMERS)
    assert Counter(each.external_userid for each in await company.all(WebhookCall)) == Counter(CUSTOMERS)
    assert len(await company.all(MarkingItem)) == len(CUSTOMERS)
    assert {each.end_reason for each in await company.all(Enrolment)} == {"finished"}


@killed_on("postgresql")
@pytest.mark.slow
async def test_killed_at_random_moments_every_step_is_done_once(
    open_company: Callable[..., Any], urls: Urls, tmp_path: Path
) -> None:
    company: Company = await open_company()
    limits = "[journeys]\ncap_per_day = 0\ncap_per_week = 0\ncap_per_month = 0\ngather_minutes = 0\n"
    config = write_config(tmp_path / "config.toml", urls)
    config.write_text(config.read_text() + limits)
    rng, killed = random.Random(SEED), 0
    await begin(company)
    while killed < KILLS:
        ready = FORKS.Event()
        process = await Fork.start(worker.main, config, START, ["journeys"], ready)
        assert await asyncio.to_thread(ready.wait, 60)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), rng.random() * 0.4)
        if process.returncode is None:
            process.kill()
            killed += 1
        await process.wait()
        await company.ctx.db.write(lambda session: session.exec(delete(Lease)) and None)
        if process.returncode == 0 and killed < KILLS:
            await is_done_once(company)
            await company.ctx.db.write(forget)
            await begin_again(company)
    await run_due_steps(company.ctx)
    await is_done_once(company)


def forget(session: Session) -> None:
    """What was done."""
    for model in (StepRecord, StaffTask, WaveCustomer, WebhookCall, MarkingItem, Marking, Run, Enrolment):
        session.exec(delete(model))


async def begin_again(company: Company) -> None:
    (journey_id,) = await company.ctx.db.read(lambda session: [row.id for row in journey_rows.list_journeys(session)])
    await company.enrol(journey_id or 0, *CUSTOMERS)


async def test_two_who_decide_about_the_same_steps_do_them_once(company: Company) -> None:
    await begin(company)
    while due := await company.ctx.db.read(journey_dues.list_due, company.clock.now(), 25):
        # The lease was lost: both decide, and only one of them writes.
        await asyncio.gather(*(_work_on(company.ctx, Book(), due) for _ in range(2)))
    await is_done_once(company)


async def test_what_was_decided_before_a_journey_was_paused_is_not_written(company: Company) -> None:
    await company.add_customer("an", "li")
    journey_id = await company.add_journey(task())
    await company.enrol(journey_id, "an")
    due = await company.ctx.db.read(journey_dues.list_due, company.clock.now(), 10)

    def set_status(session: Session, status: JourneyStatus) -> None:
        journey_rows.lock_journey(session, journey_id).status = status

    await company.ctx.db.write(set_status, JourneyStatus.PAUSED)
    await _work_on(company.ctx, Book(), due)
    assert not await run_due_steps(company.ctx)
    assert await company.records() == []
    # What was due meanwhile is late, or done when it goes on.
    company.clock.advance(timedelta(hours=5))
    await company.ctx.db.write(set_status, JourneyStatus.RUNNING)
    await run_due_steps(company.ctx)
    (found,) = await company.tasks()
    assert found.due_at == company.clock.now()
    states = await company.ctx.db.read(lambda session: session.exec(select(col(StepRecord.outcome))).all())
    assert states == ["done"]
