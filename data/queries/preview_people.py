"""Real customers with whose values a text can be looked at before it is sent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from data.models import Customer, Follow, FollowStatus, Staff, Tester

F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]
S: Any = Staff.__table__  # type: ignore[attr-defined]
T: Any = Tester.__table__  # type: ignore[attr-defined]

PEOPLE_OFFERED = 8


class PreviewPerson(NamedTuple):
    """A follow, with the names of the customer and of the staff member."""

    follow_id: int
    customer_name: str
    staff_name: str
    is_tester: bool


class PreviewFacts(NamedTuple):
    """What a text may say of a follow."""

    userid: str
    customer_name: str
    state: str
    added_at: datetime | None


def list_people(session: Session, visible: Collection[str] | None) -> list[PreviewPerson]:
    """The test customers, then a few others; of those whom the reader may see (None: all)."""
    testers = select(F.c.id).join(T, (T.c.userid == F.c.userid) & (T.c.external_userid == F.c.external_userid))
    some = select(F.c.id).where(F.c.status == FollowStatus.PRESENT)
    if visible is None:
        some = some.order_by(F.c.id.desc())
    else:
        testers = testers.where(F.c.userid.in_(sorted(visible)))
        some = some.where(F.c.userid.in_(sorted(visible)))
    tested = list(session.execute(testers.order_by(T.c.id)).scalars())
    ids = list(dict.fromkeys([*tested, *session.execute(some.limit(PEOPLE_OFFERED)).scalars()]))
    query = (
        select(F.c.id, C.c.name, S.c.name)
        .outerjoin(C, C.c.external_userid == F.c.external_userid)
        .outerjoin(S, S.c.userid == F.c.userid)
        .where(F.c.id.in_(ids))
    )
    names = {row[0]: (row[1] or "", row[2] or "") for row in session.execute(query)}
    return [PreviewPerson(each, *names[each], each in tested) for each in ids]


def list_test_follows(session: Session) -> list[tuple[int, str, str]]:
    """The test customers that can be reached: the follow, the customer, and the staff member."""
    query = (
        select(F.c.id, F.c.external_userid, F.c.userid)
        .join(T, (T.c.userid == F.c.userid) & (T.c.external_userid == F.c.external_userid))
        .where(F.c.status == FollowStatus.PRESENT)
        .order_by(T.c.id)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def find_facts(session: Session, follow_id: int, visible: Collection[str] | None) -> PreviewFacts | None:
    """What a text may say of a follow that the reader may see."""
    query = (
        select(F.c.userid, C.c.name, F.c.state, F.c.added_at)
        .outerjoin(C, C.c.external_userid == F.c.external_userid)
        .where(F.c.id == follow_id)
    )
    if visible is not None:
        query = query.where(F.c.userid.in_(sorted(visible)))
    row = session.execute(query).first()
    return None if row is None else PreviewFacts(row[0], row[1] or "", row[2], row[3])
