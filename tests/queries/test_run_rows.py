"""Which run's turn it is, and what comes after it, on real rows."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from data.db import Database
from data.errors import ConflictError
from data.models import Batch, BatchStatus, Campaign, PauseRule, Run, RunStatus
from data.queries import campaign_edits as edit_rows
from data.queries import campaigns as rows
from data.queries import runs as run_rows
from data.rules import timings
from data.rules.campaigns import Act, CampaignDraft, CustomerWave
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


def fill_sending(session: Session, now: datetime, *statuses: BatchStatus) -> None:
    """A run that is being sent, and rests, with a batch of each of these."""
    fill(session, now)
    (run,) = rows.list_runs(session, [1])
    rows.begin(session, run, now)
    run.status, run.planned_at, run.error = RunStatus.SENDING, now, "Staff are asleep."
    for number, status in enumerate(statuses, 1):
        session.add(Batch(run_id=run.id or 0, batch_no=number, userid="ann", recipients=number % 4, status=status))


P, C = BatchStatus.PLANNED, BatchStatus.CREATED


@pytest.mark.parametrize(
    ("statuses", "paused", "status", "why"),
    [
        ([P, BatchStatus.CANCELLED], False, "failed", ["any of it", "asleep"]),
        ([P], True, "failed", ["any of it", "was paused"]),
        ([C, P, P, P], False, "awaiting", ["2 of 3", "asleep"]),  # nobody was left for the last of them
        ([C, BatchStatus.REFUSED, BatchStatus.UNKNOWN], False, "awaiting", []),
    ],
)
@pytest.mark.first_case_on_both
async def test_what_was_not_asked_for_in_time_is_said(
    db: Database, now: datetime, statuses: list[BatchStatus], paused: bool, status: str, why: list[str]
) -> None:
    await db.write(fill_sending, now, *statuses)
    if paused:
        await db.write(rows.act_on, 1, Act.PAUSE, now, "boss")
    await db.write(run_rows.move_runs, now + 10 * DAY, ALWAYS)
    (run,) = await db.read(rows.list_runs, [1])
    assert run.status == status
    assert [words for words in why if words not in run.error] == []
    assert bool(run.error) == bool(why)


@pytest.mark.parametrize("state", ["due", "words_due", "paused"])
@pytest.mark.first_case_on_both
async def test_months_that_an_hourly_campaign_missed_are_one_row(db: Database, now: datetime, state: str) -> None:
    back = now + 200 * DAY

    def fill_hourly(session: Session) -> None:
        fill(session, now, fresh_words=state == "words_due", skip_holidays=True)
        wave = rows.get_wave(session, 1)
        wave.timing = {**wave.timing, "cron": "0 * * * *"}
        (run,) = rows.list_runs(session, [1])
        run.due_at = now.replace(minute=0, second=0)
        run.valid_until = run.due_at + timedelta(hours=wave.valid_hours)
        if state == "words_due":
            run.status, run.content = RunStatus.WORDS_DUE, {}
        elif state == "paused":
            rows.pause(run, now, by="boss")

    await db.write(fill_hourly)
    away = Calendar(UTC, TimeWindow(), [((back - 3 * DAY).date(), (back - DAY).date())])
    await db.write(run_rows.move_runs, back, away)
    await db.write(run_rows.begin_due_run, back, away)
    first, last, *later = await db.read(rows.list_runs, [1])
    assert (first.status, last.due_at) == ("skipped", back.replace(minute=0, second=0))
    assert last.status == ("words_due" if state == "words_due" else "planning")
    assert [run.due_at for run in later] == ([] if state == "words_due" else [last.due_at + timedelta(hours=1)])


NIGHTLY = Calendar(UTC, TimeWindow(start=time(9), end=time(18)), ())


@pytest.mark.parametrize(("hour", "valid_hours", "is_refused"), [(20, 13, True), (20, 14, False), (9, 1, False)])
@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_nothing_starts_that_is_over_before_staff_may_be_asked(
    db: Database, now: datetime, hour: int, valid_hours: int, is_refused: bool
) -> None:
    def make(session: Session) -> None:
        session.add(Campaign(id=1, name="x", made_by="test", made_at=now))
        session.flush()
        wave = {"content": {"text": "x"}, "audience": {"everyone": True}, "valid_hours": valid_hours}
        rows.add_wave(session, 1, CustomerWave.model_validate(wave))

    await db.write(make)
    at = now.replace(hour=hour, minute=0, second=0)
    with pytest.raises(ConflictError, match="09:00") if is_refused else contextlib.nullcontext():
        await db.write(rows.start_campaign, 1, at, NIGHTLY)
    assert bool(timings.warnings(timings.Timing(), valid_hours, at, NIGHTLY)) == is_refused


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


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_what_a_journey_plans_is_neither_started_nor_changed_nor_removed_by_a_person(
    db: Database, now: datetime
) -> None:
    await db.write(lambda session: session.add(Campaign(id=1, name="x", made_by="journey", made_at=now, journey_id=7)))
    wave = {"content": {"text": "x"}, "audience": {"everyone": True}}
    await db.write(rows.add_wave, 1, CustomerWave.model_validate(wave))
    draft = CampaignDraft.model_validate({"name": "y", "waves": [wave]})
    for act in (
        db.write(rows.start_campaign, 1, now, ALWAYS),
        db.write(edit_rows.replace_draft, 1, 1, draft, [None]),
        db.write(edit_rows.delete_campaign, 1),
    ):
        with pytest.raises(ConflictError, match="journey 7"):
            await act
