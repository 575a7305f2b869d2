"""What is sent when: runs that were and that are to come, and waves that a campaign not yet started has a time for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError
from data.models import Campaign, Run, RunStatus, Wave
from data.queries.campaign_views import Sight, seen
from data.queries.campaigns import get_wave, lock_run, refuse_closed, timing_of
from data.rules.timings import Calendar, Timing


class Entry(NamedTuple):
    """Something in the calendar. `run`: None for what has none yet; `is_draft`: its campaign was not started."""

    at: datetime
    campaign_id: int
    name: str
    wave_id: int
    kind: str
    run: Run | None
    is_draft: bool = False
    journey_id: int | None = None


#: Entries that one look at the calendar takes.
MOST = 1000


def list_entries(
    session: Session, sight: Sight, begin: datetime, end: datetime, now: datetime, calendar: Calendar
) -> list[Entry]:
    """From `begin` until before `end`, of the campaigns that somebody sees, in order."""
    found = [*_runs(session, sight, begin, end), *_repeats(session, sight, begin, end, calendar)]
    found += _drafts(session, sight, begin, end)
    return sorted(found, key=lambda each: (each.at, each.campaign_id))[:MOST]


def _runs(session: Session, sight: Sight, begin: datetime, end: datetime) -> Iterable[Entry]:
    is_seen, given = seen(session, sight)
    query = (
        select(Run, col(Campaign.name), col(Wave.kind), col(Campaign.journey_id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .join(Wave, col(Wave.id) == col(Run.wave_id))
        # By every status, so that the index of status and time serves.
        .where(col(Run.status).in_(list(RunStatus)), col(Run.due_at) >= begin, col(Run.due_at) < end)
        .where(col(Campaign.test_of).is_(None), is_seen)
        .order_by(col(Run.due_at))
        .limit(MOST)
    )
    for run, name, kind, journey_id in session.execute(query, given):
        yield Entry(run.due_at, run.campaign_id, name, run.wave_id, kind, run, journey_id=journey_id)


def _repeats(session: Session, sight: Sight, begin: datetime, end: datetime, calendar: Calendar) -> Iterable[Entry]:
    """What follows the last run of a wave that repeats: a run of it is made only when the one before begins."""
    is_seen, given = seen(session, sight)
    query = (
        select(Wave, col(Campaign.name), func.max(col(Run.due_at)))
        .join(Run, col(Run.wave_id) == col(Wave.id))
        .join(Campaign, col(Campaign.id) == col(Wave.campaign_id))
        .where(col(Run.ended_at).is_(None), col(Run.started_at).is_(None), col(Campaign.test_of).is_(None), is_seen)
        .where(col(Run.status) != RunStatus.CANCELLED)
        .group_by(col(Wave.id), col(Campaign.name))
        .limit(MOST)
    )
    for wave, name, last in session.execute(query, given):
        timing = timing_of(wave)
        for at in _following(timing, max(last, begin - timedelta(microseconds=1)), end, calendar):
            yield Entry(at, wave.campaign_id, name, wave.id or 0, wave.kind, None)


def _following(timing: Timing, after: datetime, end: datetime, calendar: Calendar) -> Iterable[datetime]:
    at = timing.due_after(after, calendar)
    while at is not None and at < end:
        yield at
        at = timing.due_after(at, calendar)


def _drafts(session: Session, sight: Sight, begin: datetime, end: datetime) -> Iterable[Entry]:
    is_seen, given = seen(session, sight)
    started = select(col(Run.id)).where(col(Run.campaign_id) == col(Campaign.id)).exists()
    query = (
        select(Wave, col(Campaign.name))
        .join(Campaign, col(Campaign.id) == col(Wave.campaign_id))
        .where(~started, col(Campaign.journey_id).is_(None), col(Campaign.test_of).is_(None), is_seen)
        .order_by(col(Wave.id).desc())
        .limit(MOST)
    )
    for wave, name in session.execute(query, given):
        at = timing_of(wave).at
        if at is not None and begin <= at < end:
            yield Entry(at, wave.campaign_id, name, wave.id or 0, wave.kind, None, is_draft=True)


def move_run(session: Session, run_id: int, at: datetime, now: datetime, calendar: Calendar) -> Run:
    """Let a sending begin at another time. What was approved of its campaign was approved for the time that it had.

    One that repeats only moves further away, and before the next: else its old time would come up again. Raises
    NotFoundError, and ConflictError where it has begun, or the time will not do.
    """
    run = lock_run(session, run_id)
    if run.status not in (RunStatus.DUE, RunStatus.WORDS_DUE) or run.started_at is not None:
        raise ConflictError(Phrase("这次发送已经开始或结束，不能再改时间。"), Phrase("请刷新页面看看它的状态。"))
    if at <= now:
        raise ConflictError(Phrase("时间已经过去。"), Phrase("请选择以后的时间。"))
    wave = get_wave(session, run.wave_id)
    timing = timing_of(wave)
    if timing.repeats:
        following = timing.due_after(run.due_at, calendar)
        if at < run.due_at or (following is not None and at >= following):
            raise ConflictError(
                Phrase("重复发送中的一次只能往后改，而且要在下一次之前。"),
                Phrase("要改以后每一次的时间，请复制一份计划，修改后重新开始。"),
            )
    if not calendar.hours.holds(at, calendar.zone):
        hours = calendar.hours
        raise ConflictError(
            Phrase(
                "不在允许发送的时间（%(start)s–%(end)s）之内。", start=f"{hours.start:%H:%M}", end=f"{hours.end:%H:%M}"
            ),
            Phrase("请选择其他时间。"),
        )
    refuse_closed(wave, at, calendar)
    run.due_at, run.valid_until = at, at + timedelta(hours=wave.valid_hours)
    session.flush()
    return run
