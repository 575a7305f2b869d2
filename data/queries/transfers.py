"""Hand-overs of customers from one staff member to another: those we started, and those we saw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, exists, or_, select, update
from sqlmodel import Session, col

from data.models import Follow, Transfer, TransferStatus

#: WeCom may be carrying it out: what comes by an event is its result.
UNDER_WAY = (TransferStatus.ASKING, TransferStatus.WAITING)
#: A hand-over takes effect within a day; an add later than this has another cause.
TRANSFER_WINDOW = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class TransferSigns:
    """What our rows say about a hand-over (继承) behind an add.

    `pending`: one that we started brings this customer to this staff member about now. `deleted`: a colleague lost the
    customer to a hand-over within the last day, and nobody else took over since.
    """

    pending: bool
    deleted: bool

    def __bool__(self) -> bool:
        return self.pending or self.deleted


_PENDING = exists().where(
    col(Transfer.takeover_userid) == bindparam("userid"),
    col(Transfer.external_userid) == bindparam("external_userid"),
    col(Transfer.started_at) >= bindparam("window"),
    or_(col(Transfer.status).in_(UNDER_WAY), col(Transfer.ended_at) >= bindparam("yesterday")),
)
_TAKEN_OVER = exists().where(
    col(Follow.external_userid) == bindparam("external_userid"),
    col(Follow.userid) != bindparam("userid"),
    col(Follow.userid) != col(Transfer.handover_userid),
    col(Follow.inherited).is_(True),
    col(Follow.added_at) >= bindparam("two_days_ago"),
)
_DELETED = exists().where(
    col(Transfer.external_userid) == bindparam("external_userid"),
    col(Transfer.handover_userid) != bindparam("userid"),
    col(Transfer.status) == "observed",
    col(Transfer.started_at) >= bindparam("yesterday"),
    ~_TAKEN_OVER,
)
_SIGNS = select(_PENDING, _DELETED)


def find_signs(session: Session, userid: str, external_userid: str, now: datetime) -> TransferSigns:
    """Whether a hand-over may be what made this customer a contact of this staff member."""
    given = {
        "userid": userid,
        "external_userid": external_userid,
        "window": now - TRANSFER_WINDOW,
        "yesterday": now - timedelta(days=1),
        "two_days_ago": now - timedelta(days=2),
    }
    pending, deleted = session.execute(_SIGNS, given).one()
    return TransferSigns(bool(pending), bool(deleted))


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
            col(Transfer.status).in_(UNDER_WAY),
        )
        .values(status=status, ended_at=now)
    )
    return int(changed.rowcount)
