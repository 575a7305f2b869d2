"""Which run's turn it is, and what comes after it, on real rows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from data.db import Database
from data.models import Campaign, PauseRule, Run
from data.queries import campaigns as rows
from data.queries import runs as run_rows
from data.rules.campaigns import Act, CustomerWave
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar

ALWAYS = Calendar(UTC, TimeWindow(), ())
DAY = timedelta(days=1)


def fill(session: Session, now: datetime, **timing: Any) -> None:
    """A campaign with one wave, daily at an hour that comes soon; its first run waits for it."""
    session.add(Campaign(id=1, name="x", made_by="test", made_at=now))
    session.flush()
    cron = f"0 {(now.hour + 1) % 24} * * *"
    wave = {"content": {"text": "x"}, "audience": {"everyone": True}, "timing": {"cron": cron, **timing}}
    rows.add_wave(session, 1, CustomerWave.model_validate(wave))
    rows.start_campaign(session, 1, now, ALWAYS)


def statuses(session: Session) -> list[str]:
    return [run.status for run in rows.list_runs(session, [1])]


@pytest.mark.parametrize(("fresh_words", "found"), [(False, "planning"), (True, "words_due")])
async def test_a_run_that_a_brake_had_stopped_is_followed_by_the_next(
    db: Database, now: datetime, fresh_words: bool, found: str
) -> None:
    await db.write(fill, now, fresh_words=fresh_words)

    def stop(session: Session) -> None:
        (run,) = rows.list_runs(session, [1])
        run.content = {} if fresh_words else None
        rows.pause(run, now, "many left", rule=PauseRule.LEAVING)

    await db.write(stop)
    due_at = (await db.read(rows.list_runs, [1]))[0].due_at
    await db.write(rows.act_on, 1, Act.RESUME, due_at + timedelta(minutes=5))
    if fresh_words:
        await db.write(run_rows.move_runs, due_at + DAY / 2, ALWAYS)
    else:
        await db.write(run_rows.begin_due_run, due_at + timedelta(minutes=5), ALWAYS)
    runs = await db.read(rows.list_runs, [1])
    assert [run.due_at for run in runs] == [due_at, due_at + DAY]
    assert runs[-1].status == ("words_due" if fresh_words else "due")
    assert runs[0].status == ("skipped" if fresh_words else found)


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_a_campaign_is_cancelled_with_the_run_that_is_added_at_this_moment(db: Database, now: datetime) -> None:
    await db.write(fill, now)
    due_at = (await db.read(rows.list_runs, [1]))[0].due_at
    begun = asyncio.Event()

    def begin_slowly(session: Session) -> Run | None:
        run = run_rows.begin_due_run(session, due_at, ALWAYS)
        session.flush()
        begun.set()
        waits = text("SELECT 1 FROM pg_locks WHERE NOT granted")
        while session.execute(waits).first() is None:
            session.execute(text("SELECT pg_sleep(0.01)"))
        return run

    beginning = asyncio.create_task(db.write(begin_slowly))
    await begun.wait()
    await db.write(rows.act_on, 1, Act.CANCEL, due_at)
    assert await beginning is not None
    assert await db.read(statuses) == ["cancelled", "cancelled"]
