"""Runs of waves: which one's turn it is, what becomes of late ones, when the next one is due, when one is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, update
from sqlmodel import Session, col

from data.errors import ConflictError
from data.models import Batch, BatchStatus, PauseRule, Run, RunStatus, Wave
from data.models.campaigns import BRAKES
from data.queries.batches import OVER
from data.queries.campaigns import begin, get_wave, lock_run, new_run, pause, timing_of, unpause
from data.queries.upsert import insert_into
from data.queries.webhook_targets import tell_finished
from data.rules.testers import is_held
from data.rules.timings import Calendar, Turn, judge

B: Any = Batch.__table__  # type: ignore[attr-defined]
#: A run with which something went wrong is tried again after so long.
ASIDE_SECONDS = 60.0
_WAITING = (RunStatus.DUE, RunStatus.WORDS_DUE)


def has_work(session: Session, now: datetime) -> bool:
    """Whether a run is to be planned or sent, or a batch was left in the middle of its call."""
    batch = select(col(Batch.id)).where(col(Batch.status) == BatchStatus.SENDING).limit(1)
    return _find_due(session, now) is not None or session.execute(batch).first() is not None


def _find_due(session: Session, now: datetime) -> int | None:
    rested = or_(col(Run.rest_until).is_(None), col(Run.rest_until) <= now)
    working = col(Run.status).in_([RunStatus.PLANNING, RunStatus.SENDING]) & (col(Run.valid_until) > now) & rested
    query = (
        select(col(Run.id))
        .where(or_(working, (col(Run.status) == RunStatus.DUE) & (col(Run.due_at) <= now)))
        .order_by(col(Run.due_at), col(Run.id))
        .limit(1)
    )
    return session.execute(query).scalar()


def begin_due_run(session: Session, now: datetime, calendar: Calendar) -> Run | None:
    """The run that is to be worked on next: one that is due begins, its audience as of now. None: there is none.

    One whose wave repeats is followed by the next, or by the last that has been missed since: what was missed between
    is told by one row. One that is late begins, is skipped or waits for a person.
    """
    while (run_id := _find_due(session, now)) is not None:
        run = lock_run(session, run_id)
        if run.status != RunStatus.DUE or _take_turn(session, run, now, calendar):
            return run
        session.flush()
    return None


def _take_turn(session: Session, run: Run, now: datetime, calendar: Calendar) -> bool:
    wave = get_wave(session, run.wave_id)
    timing = timing_of(wave)
    next_due = timing.following(run.due_at, now, calendar)
    _add_next(session, wave, next_due)
    turn = judge(timing.late, run.due_at, next_due, now)
    late = f"It was due at {run.due_at:%Y-%m-%d %H:%M} UTC and is late"
    if turn is Turn.GO and now < run.valid_until:
        begin(session, run, now)
        return True
    if turn is Turn.WAIT:
        pause(run, now, f"{late}: a person says whether it is still sent.", rule=PauseRule.LATE)
    elif turn is Turn.SUPERSEDED:
        _skip(run, now, f"{late}: the next ones are due as well, up to {next_due:%Y-%m-%d %H:%M} UTC.")
    else:
        _skip(run, now, f"{late}.")
    return False


def _skip(run: Run, now: datetime, why: str) -> None:
    run.status, run.error, run.ended_at = RunStatus.SKIPPED, why, now
    unpause(run)


def _add_next(session: Session, wave: Wave, due_at: datetime | None, *, stopped: Run | None = None) -> None:
    """The next sending of a wave, once. `stopped`: one that never began; if a brake stopped it, this one waits too."""
    if due_at is None:
        return
    run = new_run(wave, due_at)
    if timing_of(wave).fresh_words:
        run.status, run.content = RunStatus.WORDS_DUE, {}
    if stopped is not None and stopped.paused_at is not None and stopped.pause_rule in BRAKES:
        pause(run, stopped.paused_at, stopped.error, rule=PauseRule(stopped.pause_rule))
    session.execute(
        insert_into(session, Run)
        .values(**run.model_dump(exclude={"id"}))
        .on_conflict_do_nothing(index_elements=["wave_id", "due_at"])
    )


def write_words(session: Session, run_id: int, content: Mapping[str, Any], version: int) -> Run:
    """What a sending says, as a `version` of its campaign.

    Raises NotFoundError, and ConflictError when it is not to come any more.
    """
    run = lock_run(session, run_id)
    if not is_held(run.status, run.pause_rule):
        if run.status not in _WAITING:
            raise ConflictError(f"Run {run_id} is {run.status}: its words cannot be changed.", "Look at its campaign.")
        run.status = RunStatus.DUE
    run.content, run.words_version = dict(content), version
    return run


def rest_run(session: Session, run_id: int, until: datetime, why: str) -> None:
    """Nothing of it is sent before an instant."""
    run = lock_run(session, run_id)
    if run.status == RunStatus.SENDING:
        run.rest_until, run.error = until, why


#: What a sending says that rests until the hours in which staff are asked.
OUT_OF_HOURS = "Staff are not asked at this time of day."


def wake_resting(session: Session) -> None:
    """The hours may have changed: what rests for them looks again."""
    resting = update(Run).where(col(Run.status) == RunStatus.SENDING, col(Run.error) == OUT_OF_HOURS)
    session.execute(resting.values(rest_until=None))


def set_aside(session: Session, run_id: int, now: datetime, why: str) -> None:
    """Something went wrong with a run: it is tried again a little later, and says so meanwhile."""
    run = lock_run(session, run_id)
    if run.status in (RunStatus.PLANNING, RunStatus.SENDING):
        run.rest_until, run.error = now + timedelta(seconds=ASIDE_SECONDS), why


def move_runs(session: Session, now: datetime, calendar: Calendar) -> int:
    """Runs whose time is over or of which all is settled move on; how many did."""
    moved = 0
    ids = select(col(Run.id)).where(col(Run.ended_at).is_(None)).order_by(col(Run.id))
    for run_id in session.execute(ids).scalars().all():
        run = lock_run(session, run_id or 0)
        _note_over(session, run, now, calendar)
        # All is confirmed of what a brake has stopped: nothing is left to resume.
        stopped = run.status == RunStatus.PAUSED and run.pause_rule in BRAKES and run.planned_at is not None
        if run.status == RunStatus.AWAITING or run.status in OVER or stopped:
            left = select(B.c.id).where(B.c.run_id == run_id, B.c.final_at.is_(None)).limit(1)
            if session.execute(left).first() is None:
                run.ended_at = now
                run.status = run.status if run.status in OVER else RunStatus.FINISHED
                tell_finished(session, run, now)
                unpause(run)
                moved += 1
    return moved


def _note_over(session: Session, run: Run, now: datetime, calendar: Calendar) -> None:
    """What becomes of a run whose time is over: what is due is judged where it would begin."""
    if run.status == RunStatus.WORDS_DUE and now >= run.due_at:
        wave = get_wave(session, run.wave_id)
        timing = timing_of(wave)
        next_due = timing.following(run.due_at, now, calendar)
        if judge(timing.late, run.due_at, next_due, now) is not Turn.GO or now >= run.valid_until:
            _skip(run, now, "Nobody wrote what it was to say.")
            _add_next(session, wave, next_due)
    if now < run.valid_until:
        return
    if run.status == RunStatus.PAUSED and run.started_at is None:
        wave = get_wave(session, run.wave_id)
        _add_next(session, wave, timing_of(wave).following(run.due_at, now, calendar), stopped=run)
        _skip(run, now, "Its time was over before it began.")
    elif run.status in (RunStatus.PLANNING, RunStatus.SENDING, RunStatus.PAUSED):
        run.status, run.error = _cut_short(session, run)
        unpause(run)


def _cut_short(session: Session, run: Run) -> tuple[RunStatus, str]:
    """How a run goes on whose time is over before all of it was asked for, and what is said of that."""
    if run.planned_at is None:
        return RunStatus.FAILED, "Its time was over before it could be planned."
    never = case((B.c.status.in_((BatchStatus.PLANNED, BatchStatus.CANCELLED)), 1), else_=0)
    of_somebody = (B.c.run_id == run.id, B.c.recipients > 0)
    calls, unasked = session.execute(select(func.count(), func.sum(never)).where(*of_somebody)).one()
    if not unasked:
        return RunStatus.AWAITING, ""
    was_paused = "It was paused." if run.status == RunStatus.PAUSED else ""
    why = f" {run.error or was_paused}".rstrip()
    if unasked == calls:
        return RunStatus.FAILED, f"Its time was over before any of it was asked of WeCom.{why}"
    return RunStatus.AWAITING, f"Its time was over before {unasked:,} of {calls:,} calls could be made.{why}"
