"""Staff tasks: a member's list of a day, what they answer, and what nobody did in time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, func, literal_column, not_, or_, select, update
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import (
    Customer,
    Enrolment,
    Follow,
    FollowStatus,
    JourneyRow,
    JourneyVersion,
    StaffTask,
    StaffTaskStatus,
)
from data.queries.caps import has_reached
from data.queries.leaves import map_substitutes
from data.queries.preferences import cap_windows, join_preferences, refusal_of
from data.queries.senders import list_unable
from data.queries.touches import record, task_origin
from data.rules.caps import Cap, DaysCap, caps_now
from data.rules.preferences import ANSWERS, NOT_COUNTED, TouchKind
from data.rules.schedule import day_began, local_datetime
from data.rules.senders import Senders
from data.rules.staff_tasks import LapseReason, owners_of, room

T: Any = StaffTask.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]
E: Any = Enrolment.__table__  # type: ignore[attr-defined]

#: Written as the partial indexes have it.
OPEN: ColumnElement[bool] = literal_column("staff_tasks.status = 'open'")
#: Tasks that were put off, as a list shows them.
LATER_MAX = 50
LAPSED_AT_ONCE = 500
#: Ways in which the company's caps are used up: an answer to an act of the customer's own is none.
_COUNTED = sorted(set(TouchKind) - NOT_COUNTED - ANSWERS)

_ENDED = {
    StaffTaskStatus.DONE: "was done",
    StaffTaskStatus.REFUSED: "was refused",
    StaffTaskStatus.LAPSED: "is over: its time has passed",
    StaffTaskStatus.WITHDRAWN: "was withdrawn: it is not wanted any more",
}


class TaskEndedError(ConflictError):
    """A task is not open any more: how it ended, by whom, and why."""

    def __init__(self, task: StaffTask) -> None:
        self.status, self.answered_by, self.why = StaffTaskStatus(task.status), task.answered_by, task.why
        by = f" by {self.answered_by}" if self.answered_by else ""
        super().__init__(f"Task {task.id} {_ENDED[self.status]}{by}.")


class Day(NamedTuple):
    """A day of the company, of which it is `now`: since when it lasts, who is on leave, and who stands in for whom.

    `per_day`: tasks that a list holds, 0 for any number. `windows`: `preferences.cap_windows`. `caps`: the
    company's, on what may reach a customer.
    """

    now: datetime
    date: date
    began_at: datetime
    per_day: int
    on_leave: Collection[str]
    substitutes: Mapping[str, str]
    windows: Mapping[int, datetime]
    caps: Sequence[Cap]


class Because(NamedTuple):
    """Why somebody is asked: the journey, its step, and what began it for the customer."""

    journey: str
    key: str
    cause: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A task with what its reader knows the customer by. `remark`: the reader's own note of them, or empty."""

    task: StaffTask
    customer: str
    remark: str
    because: Because


@dataclass(slots=True)
class DayList:
    """A member's list of a day: what is to be done, what they put off, how many they have done, and how many wait for
    another day."""

    tasks: list[Listed] = field(default_factory=list)
    later: list[Listed] = field(default_factory=list)
    done: int = 0
    waiting: int = 0


def map_stand_ins(session: Session, day: date) -> Mapping[str, str]:
    """Who stands in for whom on a day."""
    return _stand_ins(session, day, map_substitutes(session, day))


def _stand_ins(session: Session, day: date, on_leave: Mapping[str, str]) -> Mapping[str, str]:
    return Senders(day=day, unable=list_unable(session), on_leave=on_leave).substitutes if on_leave else {}


def read_day(session: Session, now: datetime, zone: tzinfo, per_day: int, caps: Iterable[DaysCap]) -> Day:
    """What lists of the day that is now are made of."""
    since = caps_now(caps, now, zone)
    day = local_datetime(now, zone).date()
    on_leave = map_substitutes(session, day)
    substitutes, windows = _stand_ins(session, day, on_leave), cap_windows(session, now, zone)
    return Day(now, day, day_began(day, zone), per_day, on_leave.keys(), substitutes, windows, since)


# -- a list


def read_list(session: Session, userid: str, day: Day) -> DayList:
    """A member's list."""
    done = count_done(session, userid, day.began_at)
    holds = room(day.per_day, done)
    found = DayList(done=done)
    found.tasks = _read(session, _to_do(userid, day).limit(holds))
    if day.caps or len(found.tasks) == holds:
        everything = _to_do(userid, day._replace(caps=()), T.c.id)
        total = select(func.count()).select_from(everything.subquery())
        found.waiting = int(session.execute(total).scalar_one()) - len(found.tasks)
    put_off = _open_tasks(userid, day).where(T.c.later_until > day.now).order_by(T.c.later_until, T.c.id)
    found.later = _read(session, put_off.limit(LATER_MAX))
    return found


def list_of_customer(session: Session, userid: str, external_userid: str, day: Day, limit: int = 5) -> list[Listed]:
    """What a member's lists, of today or a later day, have for one customer: those put off too, worth most first."""
    query = _open_tasks(userid, day).where(T.c.external_userid == external_userid)
    return _read(session, query.order_by(T.c.worth.desc(), T.c.due_at, T.c.id).limit(limit))


def find_listed(session: Session, task_id: int, userid: str) -> Listed | None:
    """One task as a member sees it, however it stands."""
    query = (
        select(StaffTask, func.coalesce(C.c.name, ""), func.coalesce(F.c.remark, ""))
        .select_from(T)
        .outerjoin(F, (F.c.userid == userid) & (F.c.external_userid == T.c.external_userid))
        .outerjoin(C, C.c.external_userid == T.c.external_userid)
    )
    found = _read(session, query.where(T.c.id == task_id))
    return found[0] if found else None


def list_ids(session: Session, userid: str, day: Day) -> list[int]:
    """The tasks that are to be done of a member's list."""
    holds = room(day.per_day, count_done(session, userid, day.began_at))
    return list(session.execute(_to_do(userid, day, T.c.id).limit(holds)).scalars())


def list_names(session: Session, userid: str, day: Day) -> list[str]:
    """What a member knows those customers by who are on their list now, in its order."""
    holds = room(day.per_day, count_done(session, userid, day.began_at))
    names = func.coalesce(func.nullif(F.c.remark, ""), C.c.name, "")
    return list(session.execute(_to_do(userid, day, names).limit(holds)).scalars())


def count_done(session: Session, userid: str, since: datetime) -> int:
    """How many tasks a member has done since an instant."""
    query = select(func.count()).where(
        T.c.answered_by == userid, T.c.answered_at >= since, T.c.status == StaffTaskStatus.DONE.value
    )
    return int(session.execute(query).scalar_one())


def _to_do(userid: str, day: Day, *columns: Any) -> Select[Any]:
    """What is to be done now, worth most first."""
    is_now = or_(T.c.later_until.is_(None), T.c.later_until <= day.now)
    return _open_tasks(userid, day, *columns).where(is_now).order_by(T.c.worth.desc(), T.c.due_at, T.c.id)


def _open_tasks(userid: str, day: Day, *columns: Any) -> Select[Any]:
    """Open tasks that a member may do: of customers who are their contacts, and to whom a message may go today."""
    query = (
        select(*(columns or (StaffTask, func.coalesce(C.c.name, ""), F.c.remark)))
        .select_from(T)
        .join(F, (F.c.userid == userid) & (F.c.external_userid == T.c.external_userid))
        .outerjoin(C, C.c.external_userid == T.c.external_userid)
    )
    return join_preferences(query, T.c.external_userid).where(
        OPEN,
        T.c.userid.in_(owners_of(userid, day.substitutes)),
        T.c.due_at <= day.now,
        T.c.valid_until > day.now,
        F.c.status == FollowStatus.PRESENT.value,
        refusal_of(T.c.external_userid, day.now, day.windows).is_(None),
        # A message counts on the day on which it reaches the customer: one asked for days ago as well.
        *(not_(has_reached(cap, _COUNTED)) for cap in day.caps),
    )


def _read(session: Session, query: Select[Any]) -> list[Listed]:
    rows = session.execute(query).all()
    because = map_because(session, [task for task, _, _ in rows])
    return [Listed(task, name, remark, because[task.id or 0]) for task, name, remark in rows]


def map_because(session: Session, tasks: Sequence[StaffTask]) -> dict[int, Because]:
    """Why each of some tasks was given, by its id."""
    query = (
        select(E.c.id, E.c.journey_id, E.c.version, E.c.cause, E.c.started_at, col(JourneyRow.name))
        .outerjoin(JourneyRow, col(JourneyRow.id) == E.c.journey_id)
        .where(E.c.id.in_({task.enrolment_id for task in tasks}))
    )
    of = {row.id: row for row in session.execute(query)} if tasks else {}
    keys: dict[tuple[int, int], list[str]] = {}
    for journey_id, version in {(row.journey_id, row.version) for row in of.values()}:
        said = session.get(JourneyVersion, (journey_id, version))
        keys[journey_id, version] = [step["key"] for step in said.definition["steps"]] if said else []
    found: dict[int, Because] = {}
    for task in tasks:
        row = of.get(task.enrolment_id)
        steps = keys[row.journey_id, row.version] if row else []
        key = steps[task.step] if task.step < len(steps) else ""
        found[task.id or 0] = (
            Because(row.name or "", key, row.cause, row.started_at) if row else Because("", "", "", None)
        )
    return found


def list_tasks(
    session: Session,
    *,
    status: StaffTaskStatus | None = None,
    userid: str | None = None,
    external_userid: str | None = None,
    journey_id: int | None = None,
    limit: int = 50,
    before_id: int | None = None,
) -> list[StaffTask]:
    """Tasks of all members, newest first."""
    query = select(StaffTask).order_by(col(StaffTask.id).desc()).limit(limit)
    wanted = {"status": status, "userid": userid, "external_userid": external_userid, "journey_id": journey_id}
    for name, value in wanted.items():
        if value is not None:
            query = query.where(T.c[name] == value)
    if before_id is not None:
        query = query.where(col(StaffTask.id) < before_id)
    return list(session.execute(query).scalars())


# -- answers


def lock_task(session: Session, task_id: int) -> StaffTask:
    """One task, locked until the transaction ends. Raises NotFoundError."""
    task = session.get(StaffTask, task_id, with_for_update=True, populate_existing=True)
    if task is None:
        raise no_task(task_id)
    return task


def no_task(task_id: int) -> NotFoundError:
    """What is said of a task that there is not, and of one that is none of the asker's."""
    return NotFoundError(f"There is no task {task_id}.", "GET /tasks lists those that there are.")


def mark_done(session: Session, task: StaffTask, userid: str, now: datetime) -> bool:
    """A member has done a locked task: the customer was reached. False: it was done before, which stays as it was.

    Raises ConflictError where it is not open any more.
    """
    if task.status == StaffTaskStatus.DONE:
        return False
    _answer(task, StaffTaskStatus.DONE, userid, now)
    record(
        session,
        origin=task_origin(task.id or 0),
        kind=TouchKind.TASK,
        external_userid=task.external_userid,
        userid=userid,
        touched_at=now,
    )
    return True


def mark_refused(session: Session, task: StaffTask, userid: str, why: str, now: datetime) -> bool:
    """A member says "not this one". False: that was said before. Raises ConflictError as `mark_done`."""
    if task.status == StaffTaskStatus.REFUSED:
        return False
    _answer(task, StaffTaskStatus.REFUSED, userid, now)
    task.why = why
    session.flush()
    return True


def put_off(session: Session, task: StaffTask, until: datetime) -> None:
    """A member does it later. Raises ConflictError where it is not open, or its time is over by then."""
    _refuse_ended(task)
    if until >= task.valid_until:
        raise ConflictError(f"Task {task.id} is over at {task.valid_until.isoformat()}.", "Do it before that.")
    task.later_until = until
    session.flush()


def _answer(task: StaffTask, status: StaffTaskStatus, userid: str, now: datetime) -> None:
    _refuse_ended(task)
    task.status, task.answered_at, task.answered_by, task.later_until = status.value, now, userid, None


def _refuse_ended(task: StaffTask) -> None:
    if task.status != StaffTaskStatus.OPEN:
        raise TaskEndedError(task)


# -- without an answer


def lapse(session: Session, now: datetime) -> int:
    """End some of the tasks whose time is over; how many."""
    over = select(T.c.id).where(OPEN, T.c.valid_until <= now).order_by(T.c.valid_until).limit(LAPSED_AT_ONCE)
    ids = list(session.execute(over.with_for_update(skip_locked=True)).scalars())
    if ids:
        why = case(
            (T.c.first_listed_on.is_(None), LapseReason.NEVER_LISTED.value), else_=LapseReason.NOT_DONE.value
        )  # fmt: skip
        session.execute(update(T).where(T.c.id.in_(ids)).values(status=StaffTaskStatus.LAPSED.value, why=why))
    return len(ids)


def list_holders(session: Session, day: Day, *, unlisted: bool = False) -> list[str]:
    """On whose lists there may be something; `unlisted`: of which it is not written down yet that it was on one."""
    query = select(T.c.userid).where(OPEN, T.c.due_at <= day.now, T.c.valid_until > day.now)
    if unlisted:
        query = query.where(T.c.first_listed_on.is_(None))
    owners = session.execute(query.distinct()).scalars()
    return sorted({day.substitutes.get(owner, owner) for owner in owners})


def note_listed(session: Session, userids: Collection[str], day: Day) -> int:
    """Write down which tasks are on these members' lists for the first time; how many."""
    ids = [each for userid in userids for each in list_ids(session, userid, day)]
    noted: Any = session.execute(
        update(T).where(T.c.id.in_(ids), T.c.first_listed_on.is_(None)).values(first_listed_on=day.date)
    )
    return int(noted.rowcount)
