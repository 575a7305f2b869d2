"""What customers did after a run, by the variant that was meant for them or for being held out: a figure each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlmodel import Session

from data.models import Batch, Follow, LinkClick, Order, Recipient, RecipientState
from data.queries.links import OF_A_RUN
from data.rules.orders import PAID

F: Any = Follow.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
B: Any = Batch.__table__  # type: ignore[attr-defined]
K: Any = LinkClick.__table__  # type: ignore[attr-defined]
O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741

#: The group of those held out; variants have the others' names, one content alone the empty one.
HELD_OUT = None
_IS_HELD_OUT = R.c.state == RecipientState.HOLD_OUT
_PLACED = or_(R.c.batch_no.is_not(None), _IS_HELD_OUT)
_IN_BATCH = (B.c.run_id == R.c.run_id) & (B.c.batch_no == R.c.batch_no)


class Reached(NamedTuple):
    """Follows of a group: `planned` when the run was planned, and how many of them it was sent to."""

    planned: int
    sent: int


class Bought(NamedTuple):
    """Customers of a group with a paid order, their orders, and what these come to."""

    customers: int = 0
    orders: int = 0
    amount_fen: int = 0


def count_reached(session: Session, run_id: int) -> dict[str | None, Reached]:
    """By group: who was planned, whatever became of it, and who has got it."""
    batches = session.execute(select(B.c.batch_no, B.c.variant, B.c.sent).where(B.c.run_id == run_id)).all()
    planned = _planned_by_batch(session, run_id)
    found: dict[str | None, Reached] = {}
    for batch_no, variant, sent in batches:
        mine = found.get(variant, Reached(0, 0))
        found[variant] = Reached(mine.planned + planned.get(batch_no, 0), mine.sent + sent)
    query = select(func.count()).where(R.c.run_id == run_id, _IS_HELD_OUT)
    return {**found, HELD_OUT: Reached(session.execute(query).scalar_one(), 0)}


def _planned_by_batch(session: Session, run_id: int) -> dict[int, int]:
    """From an index alone."""
    query = (
        select(R.c.batch_no, func.count())
        .where(R.c.run_id == run_id, R.c.batch_no.is_not(None))
        .with_hint(R, "INDEXED BY ix_recipients_batch", "sqlite")
        .group_by(R.c.batch_no)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def count_customers(session: Session, run_id: int, reached: Mapping[str | None, Reached]) -> dict[str | None, int]:
    """By group: how many customers were planned, where several of the staff may reach one.

    Only those whom several follow can be there more than once.
    """
    # Who is held out is in no batch.
    query = (
        select(B.c.variant, func.count(), func.count(F.c.external_userid.distinct()))
        .select_from(R)
        .join(F, F.c.id == R.c.follow_id)
        .outerjoin(B, _IN_BATCH)
        .where(R.c.run_id == run_id, _PLACED, F.c.shared.is_(True))
        .group_by(B.c.variant)
    )
    repeated = {row[0]: row[1] - row[2] for row in session.execute(query)}
    return {group: each.planned - repeated.get(group, 0) for group, each in reached.items()}


def count_clicked(session: Session, run_id: int, since: datetime, until: datetime) -> dict[str | None, int]:
    """By variant: customers who followed a link of the run in that time."""
    query = (
        select(B.c.variant, func.count(K.c.external_userid.distinct()))
        .select_from(K)
        .join(R, (R.c.run_id == K.c.run_id) & (R.c.follow_id == K.c.follow_id))
        .join(B, _IN_BATCH)
        .where(K.c.run_id == run_id, OF_A_RUN, K.c.first_at >= since, K.c.first_at < until)
        .group_by(B.c.variant)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def count_bought(session: Session, run_id: int, since: datetime, until: datetime) -> dict[str | None, Bought]:
    """By group: paid orders placed in that time by those who were planned.

    Only who has bought since then, as their follow says, is looked up among the orders.
    """
    buyers = (
        select(B.c.variant, F.c.external_userid)
        .select_from(R)
        .join(F, F.c.id == R.c.follow_id)
        .outerjoin(B, _IN_BATCH)
        .where(R.c.run_id == run_id, _PLACED, F.c.bought_at >= since)
        .distinct()
        .subquery()
    )
    query = (
        select(
            buyers.c.variant, func.count(O.c.external_userid.distinct()), func.count(), func.sum(O.c.amount_fen)
        )
        .select_from(buyers)
        .join(O, O.c.external_userid == buyers.c.external_userid)
        .where(
            O.c.placed_at >= since, O.c.placed_at < until, O.c.covered.is_(False),
            O.c.status.in_(sorted(status.value for status in PAID)),
        )
        .group_by(buyers.c.variant)
    )  # fmt: skip
    return {row[0]: Bought(row[1], row[2], int(row[3])) for row in session.execute(query)}
