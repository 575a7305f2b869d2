"""What customers did after runs of a wave, by the variant that was meant for them or for being held out: a figure each.

A figure of several runs counts a customer once; what was done counts within the time of a run that planned for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, literal, or_, select
from sqlmodel import Session, col

from data.models import Batch, Follow, LinkClick, Order, Recipient, RecipientState, Run
from data.queries.links import OF_A_RUN
from data.rules.orders import PAID
from data.types import UtcDateTime

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


class Window(NamedTuple):
    """When what customers do counts for a run: from `since`, before `until`."""

    since: datetime
    until: datetime


#: By the number of each run.
Windows = Mapping[int, Window]


class Reached(NamedTuple):
    """Follows of a group: `planned` when the runs were planned, and how many of them it was sent to."""

    planned: int
    sent: int


class Bought(NamedTuple):
    """Customers of a group with a paid order, their orders, and what these come to."""

    customers: int = 0
    orders: int = 0
    amount_fen: int = 0


def list_begun(session: Session, wave_id: int) -> list[Run]:
    """The runs of a wave that sent all its variants and of which something was asked of WeCom, the oldest first."""
    asked = select(B.c.id).where(B.c.run_id == col(Run.id), B.c.first_called_at.is_not(None))
    query = (
        select(Run)
        .where(
            col(Run.wave_id) == wave_id, col(Run.planned_at).is_not(None), col(Run.variant) == "", asked.exists()
        )
        .order_by(col(Run.id))
    )  # fmt: skip
    return list(session.execute(query).scalars())


def count_reached(session: Session, run_ids: Collection[int]) -> dict[str | None, Reached]:
    """By group: who was planned, whatever became of it, and who has got it; at every run anew."""
    query = select(B.c.run_id, B.c.batch_no, B.c.variant, B.c.sent).where(B.c.run_id.in_(sorted(run_ids)))
    batches = session.execute(query).all()
    planned = _planned_by_batch(session, run_ids)
    found: dict[str | None, Reached] = {}
    for run_id, batch_no, variant, sent in batches:
        mine = found.get(variant, Reached(0, 0))
        found[variant] = Reached(mine.planned + planned.get((run_id, batch_no), 0), mine.sent + sent)
    held_out = select(func.count()).where(R.c.run_id.in_(sorted(run_ids)), _IS_HELD_OUT)
    return {**found, HELD_OUT: Reached(session.execute(held_out).scalar_one(), 0)}


def _planned_by_batch(session: Session, run_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """From an index alone."""
    query = (
        select(R.c.run_id, R.c.batch_no, func.count())
        .where(R.c.run_id.in_(sorted(run_ids)), R.c.batch_no.is_not(None))
        .with_hint(R, "INDEXED BY ix_recipients_batch", "sqlite")
        .group_by(R.c.run_id, R.c.batch_no)
    )
    return {(row[0], row[1]): row[2] for row in session.execute(query)}


def count_shared(session: Session, run_id: int, reached: Mapping[str | None, Reached]) -> dict[str | None, int]:
    """By group: how many customers one run planned, where several of the staff may reach one.

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


def count_customers(session: Session, run_ids: Collection[int]) -> dict[str | None, int]:
    """By group: how many customers several runs planned, each once, through whomever they were to be reached."""
    placed = (
        select(R.c.follow_id, B.c.variant)
        .select_from(R)
        .outerjoin(B, _IN_BATCH)
        .where(R.c.run_id.in_(sorted(run_ids)), _PLACED)
        .distinct()
        .subquery()
    )
    shared = case((F.c.shared.is_(True), F.c.external_userid))
    query = (
        select(placed.c.variant, func.count() - func.count(shared) + func.count(shared.distinct()))
        .select_from(placed)
        .join(F, F.c.id == placed.c.follow_id)
        .group_by(placed.c.variant)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def count_clicked(session: Session, windows: Windows) -> dict[str | None, int]:
    """By variant: customers who followed a link of one of the runs in its time."""
    query = (
        select(B.c.variant, func.count(K.c.external_userid.distinct()))
        .select_from(K)
        .join(R, (R.c.run_id == K.c.run_id) & (R.c.follow_id == K.c.follow_id))
        .join(B, _IN_BATCH)
        .where(K.c.run_id.in_(sorted(windows)), OF_A_RUN, _within(K.c.first_at, K.c.run_id, windows))
        .group_by(B.c.variant)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def count_bought(session: Session, windows: Windows) -> dict[str | None, Bought]:
    """By group: paid orders that those who were planned for a run placed in its time, each once.

    Only who has bought since then, as their follow says, is looked up among the orders.
    """
    since = min(each.since for each in windows.values())
    bought = (
        select(B.c.variant, O.c.id, O.c.external_userid, O.c.amount_fen)
        .select_from(R)
        .join(F, F.c.id == R.c.follow_id)
        .outerjoin(B, _IN_BATCH)
        .join(O, O.c.external_userid == F.c.external_userid)
        .where(
            R.c.run_id.in_(sorted(windows)), _PLACED, F.c.bought_at >= since,
            _within(O.c.placed_at, R.c.run_id, windows), O.c.covered.is_(False),
            O.c.status.in_(sorted(status.value for status in PAID)),
        )
        .distinct()
        .subquery()
    )  # fmt: skip
    query = select(
        bought.c.variant, func.count(bought.c.external_userid.distinct()), func.count(), func.sum(bought.c.amount_fen)
    ).group_by(bought.c.variant)
    return {row[0]: Bought(row[1], row[2], int(row[3])) for row in session.execute(query)}


def _within(at: Any, run_id: Any, windows: Windows) -> Any:
    """Whether an instant is in the time of the run that is meant."""
    whole = and_(
        at >= min(each.since for each in windows.values()), at < max(each.until for each in windows.values())
    )  # fmt: skip
    if len(windows) == 1:
        return whole
    since, until = (
        case({number: literal(each[end], UtcDateTime) for number, each in windows.items()}, value=run_id)
        for end in (0, 1)
    )
    return and_(whole, at >= since, at < until)
