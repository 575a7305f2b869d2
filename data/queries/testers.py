"""Test customers: kept, listed, removed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.models import Follow, FollowStatus, Tester
from data.queries.erasures import refuse_erased
from data.queries.upsert import insert_into
from data.rules.problems import InvalidRuleError, Problem
from data.rules.testers import TESTERS_MAX

F: Any = Follow.__table__  # type: ignore[attr-defined]
T: Any = Tester.__table__  # type: ignore[attr-defined]


class TesterRow(NamedTuple):
    """A test customer; `present`: they are the staff member's contact now, so a test can reach them."""

    id: int
    userid: str
    external_userid: str
    added_by: str
    added_at: datetime
    present: bool


def list_testers(session: Session) -> list[TesterRow]:
    """Every test customer, the first added first."""
    query = (
        select(T.c.id, T.c.userid, T.c.external_userid, T.c.added_by, T.c.added_at, F.c.status)
        .outerjoin(F, (F.c.userid == T.c.userid) & (F.c.external_userid == T.c.external_userid))
        .order_by(T.c.id)
    )
    return [
        TesterRow(row[0], row[1], row[2], row[3], row[4], row[5] == FollowStatus.PRESENT)
        for row in session.execute(query)
    ]


def add_tester(session: Session, userid: str, external_userid: str, added_by: str, now: datetime) -> TesterRow:
    """Keep a test customer, once.

    Raises InvalidRuleError for who is not the staff member's contact, ConflictError when there are as many as may be.
    """
    follow = select(F.c.id).where(
        F.c.userid == userid, F.c.external_userid == external_userid, F.c.status == FollowStatus.PRESENT
    )
    if session.execute(follow).first() is None:
        raise InvalidRuleError([Problem("external_userid", Phrase("不是这位员工的客户（或还没有从企业微信读到）"))])
    refuse_erased(session, external_userid)
    known = _find(session, userid, external_userid)
    if known is not None:
        return known
    if session.execute(select(func.count()).select_from(T)).scalar_one() >= TESTERS_MAX:
        raise ConflictError(f"There are {TESTERS_MAX} test customers already.", "Remove one first.")
    row = {"userid": userid, "external_userid": external_userid, "added_by": added_by[:80], "added_at": now}
    session.execute(
        insert_into(session, Tester)
        .values(**row)
        .on_conflict_do_nothing(index_elements=["userid", "external_userid"])
    )  # fmt: skip
    added = _find(session, userid, external_userid)
    assert added is not None
    return added


def _find(session: Session, userid: str, external_userid: str) -> TesterRow | None:
    mine = (each for each in list_testers(session) if (each.userid, each.external_userid) == (userid, external_userid))
    return next(mine, None)


def remove_tester(session: Session, tester_id: int) -> None:
    """Forget a test customer. Raises NotFoundError."""
    row = session.get(Tester, tester_id)
    if row is None:
        raise NotFoundError(f"There is no test customer {tester_id}.", "siyu testers list shows them.")
    session.delete(row)


def list_reachable(session: Session) -> list[tuple[str, str]]:
    """(external_userid, userid) of the test customers that a test can reach."""
    return [(each.external_userid, each.userid) for each in list_testers(session) if each.present]
