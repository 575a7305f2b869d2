"""Hand-overs of customers from one staff member to another: those we started, and those we saw."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, or_, select, update
from sqlmodel import Session, col

from data.models import Follow, Transfer

#: A hand-over takes effect within a day; an add later than this has another cause.
TRANSFER_WINDOW = timedelta(days=3)


def is_transfer_pending(session: Session, userid: str, external_userid: str, now: datetime) -> bool:
    """Whether a hand-over that we started brings this customer to this staff member about now."""
    return (
        session.execute(
            select(col(Transfer.id))
            .where(
                col(Transfer.takeover_userid) == userid,
                col(Transfer.external_userid) == external_userid,
                col(Transfer.started_at) >= now - TRANSFER_WINDOW,
                or_(col(Transfer.status) == "waiting", col(Transfer.ended_at) >= now - timedelta(days=1)),
            )
            .limit(1)
        ).first()
        is not None
    )


def was_deleted_by_transfer(session: Session, userid: str, external_userid: str, now: datetime) -> bool:
    """Whether a colleague lost the customer to a hand-over within the last day, and nobody else took over since."""
    taken_over = exists(
        select(col(Follow.userid)).where(
            col(Follow.external_userid) == external_userid,
            col(Follow.userid).not_in([userid, col(Transfer.handover_userid)]),
            col(Follow.inherited).is_(True),
            col(Follow.added_at) >= now - timedelta(days=2),
        )
    )
    return (
        session.execute(
            select(col(Transfer.id))
            .where(
                col(Transfer.external_userid) == external_userid,
                col(Transfer.handover_userid) != userid,
                col(Transfer.status) == "observed",
                col(Transfer.started_at) >= now - timedelta(days=1),
                ~taken_over,
            )
            .limit(1)
        ).first()
        is not None
    )


def record_transfer_seen(session: Session, handover_userid: str, external_userid: str, at: datetime) -> None:
    """`DELETE_BY_TRANSFER` happened: somebody is taking this customer over, whoever started it."""
    session.add(
        Transfer(
            handover_userid=handover_userid,
            takeover_userid="",
            external_userid=external_userid,
            status="observed",
            started_at=at,
        )
    )


def end_transfers(session: Session, takeover_userid: str, external_userid: str, status: str, now: datetime) -> int:
    """Finish our waiting hand-overs of a customer to a staff member; the number finished."""
    changed: Any = session.execute(
        update(Transfer)
        .where(
            col(Transfer.takeover_userid) == takeover_userid,
            col(Transfer.external_userid) == external_userid,
            col(Transfer.status) == "waiting",
        )
        .values(status=status, ended_at=now)
    )
    return int(changed.rowcount)
