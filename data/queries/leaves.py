"""Leaves of the staff: written down so that no two of one member overlap, and asked for a day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import Leave
from data.queries.locks import lock_names
from data.rules.leaves import LeaveDraft

L: Any = Leave.__table__  # type: ignore[attr-defined]


def add_leave(session: Session, draft: LeaveDraft, made_by: str, now: datetime) -> Leave:
    """A new leave, checked before. Raises ConflictError where the member has one on some of its days."""
    lock_names(session, "leaves", [draft.userid])
    other = session.execute(
        select(Leave).where(
            col(Leave.userid) == draft.userid,
            col(Leave.first_day) <= draft.last_day,
            col(Leave.last_day) >= draft.first_day,
        )
    ).scalars().first()  # fmt: skip
    if other is not None:
        raise ConflictError(
            f"{draft.userid} is on leave from {other.first_day} to {other.last_day} already (leave {other.id}).",
            "Remove that one first.",
        )
    values = {**draft.model_dump(), "substitute": draft.substitute or ""}
    row = Leave(**values, made_by=made_by[:80], made_at=now)
    session.add(row)
    session.flush()
    return row


def delete_leave(session: Session, leave_id: int) -> Leave:
    """Remove a leave; what it was. Raises NotFoundError."""
    row = session.get(Leave, leave_id)
    if row is None:
        raise NotFoundError(f"There is no leave {leave_id}.", "GET /staff/leaves lists them.")
    session.expunge(row)
    session.execute(delete(Leave).where(col(Leave.id) == leave_id))
    return row


def list_leaves(session: Session, since: date) -> list[Leave]:
    """The leaves that are not over before a day, the next first."""
    query = select(Leave).where(col(Leave.last_day) >= since)
    return list(session.execute(query.order_by(col(Leave.first_day), col(Leave.userid))).scalars())


def on_day(day: date) -> Any:
    """Whether a leave holds on a day, as SQL."""
    return (L.c.first_day <= day) & (L.c.last_day >= day)


def map_substitutes(session: Session, day: date) -> dict[str, str]:
    """Who is on leave on a day, and who stands in for them; empty for nobody."""
    return dict(session.execute(select(L.c.userid, L.c.substitute).where(on_day(day))).all())


def is_on_leave(session: Session, userid: str, day: date) -> bool:
    """Whether a member is on leave on a day."""
    return session.execute(select(L.c.id).where(L.c.userid == userid, on_day(day))).first() is not None
