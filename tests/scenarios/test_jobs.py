"""The bell: a job that takes long keeps its lease, and one that never ends does not keep the program."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlmodel import Session

from bot.clock import Clock, FrozenClock
from bot.context import Context
from bot.errors import SiyuError
from bot.metrics import Metrics
from data.db import Database
from data.models import Lease
from data.queries import access as access_rows
from data.queries import jobs as job_rows
from scheduler.jobs import Job
from scheduler.runner import Runner


class Endless:
    """A job that runs until it is cancelled."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.cancelled = False

    async def __call__(self, _ctx: Context) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.fixture
def context(db: Database, clock: Clock) -> Any:
    """As much of the running bot as the bell asks for."""
    return SimpleNamespace(db=db, clock=clock, metrics=Metrics(), restore=None)


def expires_at(session: Session) -> datetime:
    return session.get_one(Lease, "job:slow").expires_at


async def test_a_long_job_keeps_its_lease_and_a_stop_does_not_wait_for_ever(db: Database, context: Any) -> None:
    work = Endless()
    # Time passes where the test says so: on a slow machine the lease would run out meanwhile.
    context.clock = FrozenClock(context.clock.now())
    runner = Runner([Job("slow", 3600.0, work, at_start=True)], context, lease_seconds=0.3, drain_seconds=0.05)
    runner.start()
    async with asyncio.timeout(60):
        await work.began.wait()
        first = await db.read(expires_at)
        while await db.read(expires_at) <= first:
            context.clock.advance(timedelta(milliseconds=1))
            await asyncio.sleep(0.01)
        other = Runner([Job("slow", 3600.0, work)], context)
        await other.run_now("slow")
        await other.stop()
        await runner.stop()
    assert work.cancelled
    assert await db.read(expires_at) <= context.clock.now(), "given back"


async def test_what_is_run_at_the_start_follows_a_process_that_died_with_its_lease(db: Database, context: Any) -> None:
    ran = asyncio.Event()

    async def work(_ctx: Context) -> None:
        ran.set()

    await db.write(access_rows.take_lease, "job:hourly", "killed", 1.0, context.clock.now())
    runner = Runner([Job("hourly", 3600.0, work, at_start=True)], context, lease_seconds=1.0)
    runner.start()
    async with asyncio.timeout(60):
        await ran.wait()
    await runner.stop()


async def test_how_a_job_went_is_kept_with_when_it_was_done_last(db: Database, context: Any) -> None:
    failing = False

    async def work(_ctx: Context) -> None:
        if failing:
            raise SiyuError("The shop is closed.", "Wait.")

    runner = Runner([Job("open", 3600.0, work, alone=False)], context)
    await runner.run_now("open")
    first = (await db.read(job_rows.list_states))["open"]
    assert (first.outcome, first.error, first.good_at) == ("done", "", first.ended_at)
    failing = True
    await runner.run_now("open")
    then = (await db.read(job_rows.list_states))["open"]
    assert (then.outcome, then.good_at) == ("failed", first.good_at)
    assert "The shop is closed." in then.error
    # The same again within seconds is not written down again.
    await runner.run_now("open")
    assert (await db.read(job_rows.list_states))["open"].started_at == then.started_at
    await runner.stop()
