"""Orders about which tag rules are to be asked: claimed for a while, finished, or put off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, literal_column, select, update
from sqlmodel import Session

from data.models import Order

O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741

_DUE = (
    select(O.c.id, O.c.external_userid, O.c.source, O.c.status, O.c.amount_fen, O.c.tag_attempts)
    # Written as the partial index has it.
    .where(literal_column("tag_due_at IS NOT NULL"), O.c.tag_due_at <= bindparam("now"))
    .order_by(O.c.tag_due_at)
    .limit(bindparam("limit"))
)
_IDS: Any = bindparam("ids", expanding=True)


class DueOrder(NamedTuple):
    """An order that is claimed until `leased_until`; `attempts` tries failed before."""

    id: int
    external_userid: str | None
    source: str
    status: str
    amount_fen: int
    attempts: int
    leased_until: datetime


def claim_due(session: Session, now: datetime, lease_seconds: float, limit: int = 50) -> list[DueOrder]:
    """Take the orders that are due. What is not finished is due again when the lease ends."""
    until = now + timedelta(seconds=lease_seconds)
    rows = session.execute(_DUE.with_for_update(skip_locked=True), {"now": now, "limit": limit}).all()
    if rows:
        lease = update(O).where(O.c.id.in_(_IDS)).values(tag_due_at=bindparam("until"))
        session.connection().execute(lease, {"ids": [row.id for row in rows], "until": until})
    return [DueOrder._make((*row, until)) for row in rows]


def finish(session: Session, order: DueOrder) -> None:
    """The rules were asked. Not if the order has become due anew meanwhile."""
    session.connection().execute(_still(order).values(tag_due_at=None, tag_attempts=0))


def put_off(session: Session, order: DueOrder, until: datetime | None) -> None:
    """It failed: try again at `until`; None: never."""
    session.connection().execute(_still(order).values(tag_due_at=until, tag_attempts=order.attempts + 1))


def _still(order: DueOrder) -> Any:
    return update(O).where(O.c.id == order.id, O.c.tag_due_at == order.leased_until)


def drop_due(session: Session, now: datetime, limit: int = 500) -> int:
    """No rule asks about orders: some of those that are due need not wait; how many."""
    ids = [row.id for row in session.execute(_DUE.with_for_update(skip_locked=True), {"now": now, "limit": limit})]
    if ids:
        session.connection().execute(update(O).where(O.c.id.in_(_IDS)).values(tag_due_at=None), {"ids": ids})
    return len(ids)
