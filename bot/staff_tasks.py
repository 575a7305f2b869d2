"""Tasks of the staff, read and answered by the API, the commands and the page that each member has."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from bot.config import Settings
from data.errors import NotFoundError
from data.models import StaffTask
from data.queries import staff as staff_rows
from data.queries import staff_tasks as rows
from data.queries.staff_tasks import Day, DayList, Listed
from data.rules.caps import DaysCap
from data.rules.staff_tasks import Later, later_until, may_answer


class Asked(NamedTuple):
    """Which task is answered, and by whom; without `userid` by the member whom it was given to."""

    task_id: int
    userid: str = ""


def company_caps(settings: Settings) -> tuple[DaysCap, ...]:
    """The company's limits on what reaches a customer, which journeys and campaigns keep alike."""
    both, older = settings.caps, settings.campaigns
    caps = [DaysCap(1, both.per_day), DaysCap(7, both.per_week), DaysCap(30, both.per_month)]
    return tuple(cap for cap in (*caps, DaysCap(older.cap_days, older.cap_count)) if cap.most)


def caps_of(settings: Settings) -> tuple[DaysCap, ...]:
    """The same with those that only journeys keep."""
    ours = settings.journeys
    caps = [DaysCap(1, ours.cap_per_day), DaysCap(7, ours.cap_per_week), DaysCap(30, ours.cap_per_month)]
    return (*company_caps(settings), *(cap for cap in caps if cap.most))


def read_day(session: Session, settings: Settings, now: datetime) -> Day:
    """The day that is now."""
    return rows.read_day(session, now, settings.zone, settings.journeys.tasks_per_day, caps_of(settings))


def read_list(session: Session, userid: str, settings: Settings, now: datetime) -> DayList:
    """A member's list of the day. Raises NotFoundError for a member whom we do not know."""
    member = staff_rows.find_staff(session, userid)
    if member is None or member.gone_at is not None:
        raise NotFoundError(f"There is no member {userid}.", "GET /staff lists those that there are.")
    return rows.read_list(session, userid, read_day(session, settings, now))


def find_task(session: Session, asked: Asked, settings: Settings, now: datetime) -> Listed | None:
    """A task of the asker's, or of whom they stand in for today, however it stands."""
    substitutes = rows.map_stand_ins(session, now.astimezone(settings.zone).date())
    found = rows.find_listed(session, asked.task_id, asked.userid)
    return found if found is not None and may_answer(found.task.userid, asked.userid, substitutes) else None


def do_task(session: Session, asked: Asked, settings: Settings, now: datetime) -> StaffTask:
    """A member has done a task. Raises NotFoundError where it is not theirs, and TaskEndedError."""
    task, userid = _lock(session, asked, settings, now)
    rows.mark_done(session, task, userid, now)
    return task


def refuse_task(session: Session, asked: Asked, why: str, settings: Settings, now: datetime) -> StaffTask:
    """A member says "not this one". Raises as `do_task`."""
    task, userid = _lock(session, asked, settings, now)
    rows.mark_refused(session, task, userid, why, now)
    return task


def put_off_task(session: Session, asked: Asked, later: Later, settings: Settings, now: datetime) -> StaffTask:
    """A member does it later. Raises as `do_task`, and ConflictError where its time is over by then."""
    task, _ = _lock(session, asked, settings, now)
    rows.put_off(session, task, later_until(later, now, settings.zone))
    return task


def _lock(session: Session, asked: Asked, settings: Settings, now: datetime) -> tuple[StaffTask, str]:
    task = rows.lock_task(session, asked.task_id)
    userid = asked.userid or task.userid
    if not may_answer(task.userid, userid, rows.map_stand_ins(session, now.astimezone(settings.zone).date())):
        # Whoever asks for others' tasks learns no more than of those that there are not.
        raise rows.no_task(asked.task_id)
    return task, userid
