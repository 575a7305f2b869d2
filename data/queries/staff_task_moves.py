"""Open tasks that their member cannot do any more: moved to another's list, or withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, literal_column, or_, select, update
from sqlmodel import Session, col

from data.bulk import among
from data.models import Follow, FollowStatus, StaffTask, StaffTaskStatus
from data.queries.senders import list_unable
from data.rules.staff_tasks import MoveReason

T: Any = StaffTask.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]

#: Written as the partial indexes have it.
_OPEN: ColumnElement[bool] = literal_column("staff_tasks.status = 'open'")
_THEIRS = and_(F.c.userid == T.c.userid, F.c.external_userid == T.c.external_userid)


class Stranded(NamedTuple):
    """A task that its member cannot do. `left_at`: when the customer was left by them; None where they still are
    contacts, but the member has left or may not reach customers, and where the customer deleted them."""

    task: StaffTask
    left_at: datetime | None
    is_contact: bool


class Moved(NamedTuple):
    """To whom a task goes, with the words for it, and why."""

    task: StaffTask
    userid: str
    content: Mapping[str, Any]
    why: MoveReason


def list_stranded(session: Session) -> list[int]:
    """The open tasks of customers who are no contacts of the task's member, or whose member cannot reach them."""
    dialect, unable = session.get_bind().dialect.name, sorted(list_unable(session))
    theirs = or_(F.c.status.is_distinct_from(FollowStatus.PRESENT.value), among(dialect, T.c.userid, "unable"))
    query = select(T.c.id).outerjoin(F, _THEIRS).where(_OPEN, theirs)
    return sorted(session.execute(query, {"unable": unable}).scalars())


def read_stranded(session: Session, ids: Collection[int]) -> list[Stranded]:
    """Those of them that are open, with how the customer stands to the member."""
    query = (
        select(StaffTask, F.c.status, F.c.ended_at)
        .outerjoin(F, _THEIRS)
        .where(among(session.get_bind().dialect.name, T.c.id, "ids"), T.c.status == StaffTaskStatus.OPEN.value)
        .order_by(col(StaffTask.id))
    )
    found = []
    for task, status, ended_at in session.execute(query, {"ids": sorted(ids)}):
        left_at = None if status in (FollowStatus.PRESENT, FollowStatus.DELETED_BY_CUSTOMER) else ended_at
        found.append(Stranded(task, left_at, status == FollowStatus.PRESENT))
    return found


def move_tasks(session: Session, moved: Iterable[Moved], now: datetime) -> int:
    """Put tasks on other members' lists, those that nobody has answered or moved meanwhile; how many."""
    count = 0
    for task, userid, content, why in moved:
        move = {"from_userid": task.userid, "to_userid": userid, "at": now.isoformat(), "why": why.value}
        change = (
            update(T)
            .where(T.c.id == task.id, T.c.status == StaffTaskStatus.OPEN.value, T.c.userid == task.userid)
            .values(
                userid=userid, content=dict(content), moves=[*task.moves, move], first_listed_on=None, later_until=None
            )
        )  # fmt: skip
        written: Any = session.execute(change)
        count += written.rowcount
    return count


def withdraw_stranded(session: Session, why: Mapping[int, str], now: datetime) -> int:
    """Nobody is asked for these any more, and why; how many were open."""
    count = 0
    for reason in sorted(set(why.values())):
        change = (
            update(T)
            .where(among(session.get_bind().dialect.name, T.c.id, "ids"), T.c.status == StaffTaskStatus.OPEN.value)
            .values(status=StaffTaskStatus.WITHDRAWN.value, why=reason, answered_at=now)
        )
        written: Any = session.execute(change, {"ids": sorted(each for each in why if why[each] == reason)})
        count += written.rowcount
    return count
