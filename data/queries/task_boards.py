"""The staff's tasks of a day, as managers look at them: how many of each member, and what each has answered."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import case, func, select
from sqlmodel import Session

from data.bulk import among
from data.models import Customer, Follow, StaffTask, StaffTaskStatus
from data.queries.staff_tasks import OPEN, Because, map_because

T: Any = StaffTask.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]

ANSWERED_MAX = 100
_ANSWERS = (StaffTaskStatus.DONE.value, StaffTaskStatus.REFUSED.value)


class Load(NamedTuple):
    """A member's tasks of a day: due and open, of these put off, done, refused."""

    userid: str
    open: int = 0
    later: int = 0
    done: int = 0
    refused: int = 0


class Answered(NamedTuple):
    """A task that was done or refused, with the customer's name and the member's note of them."""

    task: StaffTask
    customer: str
    remark: str
    because: Because


def list_loads(session: Session, userids: Collection[str], now: datetime, since: datetime) -> list[Load]:
    """Of these members those who have something to do or have answered something since an instant, by userid."""
    dialect, given = session.get_bind().dialect.name, {"userids": sorted(userids)}
    later = func.sum(case((T.c.later_until > now, 1), else_=0))
    still_open = (
        select(T.c.userid, func.count(), later)
        .where(OPEN, among(dialect, T.c.userid, "userids"), T.c.due_at <= now, T.c.valid_until > now)
        .group_by(T.c.userid)
    )
    answered = (
        select(T.c.answered_by, T.c.status, func.count())
        .where(among(dialect, T.c.answered_by, "userids"), T.c.answered_at >= since, T.c.status.in_(_ANSWERS))
        .group_by(T.c.answered_by, T.c.status)
    )
    found: dict[str, Load] = {}
    for userid, number, put_off in session.execute(still_open, given):
        found[userid] = Load(userid, number, int(put_off or 0))
    for userid, status, number in session.execute(answered, given):
        load = found.get(userid, Load(userid))
        is_done = status == StaffTaskStatus.DONE
        found[userid] = load._replace(done=number) if is_done else load._replace(refused=number)
    return [found[userid] for userid in sorted(found)]


def list_answered(session: Session, userid: str, since: datetime) -> list[Answered]:
    """What a member has done or refused since an instant, the latest first; of customers whom they have or had."""
    query = (
        select(StaffTask, func.coalesce(C.c.name, ""), func.coalesce(F.c.remark, ""))
        .select_from(T)
        .join(F, (F.c.userid == T.c.answered_by) & (F.c.external_userid == T.c.external_userid))
        .outerjoin(C, C.c.external_userid == T.c.external_userid)
        .where(T.c.answered_by == userid, T.c.answered_at >= since, T.c.status.in_(_ANSWERS))
        .order_by(T.c.answered_at.desc(), T.c.id.desc())
        .limit(ANSWERED_MAX)
    )
    rows = session.execute(query).all()
    because = map_because(session, [task for task, _, _ in rows])
    return [Answered(task, name, remark, because[task.id or 0]) for task, name, remark in rows]
