"""For whom orders count: the member who sold one, else the customer's member.

It is kept in each order's row (`credited_to`), for a report would look through the follows of every order's customer.
Whoever writes orders, or how members and customers stand, calls one of these after it in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import case, func, select, update
from sqlmodel import Session

from data.bulk import among
from data.models import Follow, FollowStatus, Order
from data.queries.locks import lock_names

F: Any = Follow.__table__  # type: ignore[attr-defined]
O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741

PER_STATEMENT = 500


def _credited() -> Any:
    """Of the members who are contacts who was first, else of those who were."""
    there = case((F.c.status == FollowStatus.PRESENT.value, 0), else_=1)
    first = (
        select(F.c.userid)
        .where(F.c.external_userid == O.c.external_userid)
        .order_by(there, F.c.added_at.nulls_last(), F.c.id)
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(func.nullif(O.c.userid, ""), first, "")


_CREDITED = _credited()


@lru_cache
def _note(dialect: str, column: str) -> Any:
    written = among(dialect, O.c[column], "ids")
    return update(O).where(written, O.c.credited_to != _CREDITED).values(credited_to=_CREDITED)


def note_orders(session: Session, order_ids: Collection[int]) -> None:
    """Orders were written, or whose they are."""
    _write(session, "id", sorted(order_ids))


def note_customers(session: Session, external_userids: Collection[str]) -> None:
    """Customers have other members than before, or in another order. Their "facts" are locked already."""
    _write(session, "external_userid", sorted(external_userids))


def _write(session: Session, column: str, ids: Sequence[Any]) -> None:
    session.flush()
    statement = _note(session.get_bind().dialect.name, column)
    for start in range(0, len(ids), PER_STATEMENT):
        session.connection().execute(statement, {"ids": ids[start : start + PER_STATEMENT]})


@lru_cache
def _buyers(dialect: str) -> Any:
    bought = select(O.c.id).where(O.c.external_userid == F.c.external_userid).exists()
    return select(F.c.external_userid).where(among(dialect, F.c.id, "ids"), bought).distinct()


def note_standing(session: Session, follow_ids: Collection[int]) -> None:
    """Follows have another status than before."""
    session.flush()
    ids, ask = sorted(follow_ids), _buyers(session.get_bind().dialect.name)
    for start in range(0, len(ids), PER_STATEMENT):
        found = session.connection().execute(ask, {"ids": ids[start : start + PER_STATEMENT]})
        if buyers := list(found.scalars()):
            lock_names(session, "facts", buyers)
            note_customers(session, buyers)


def list_wrong(session: Session, after_id: int, limit: int) -> tuple[list[int], int | None]:
    """Orders among the next ones that count for somebody else than is kept, and the id to go on behind; None at the
    end."""
    ids = select(O.c.id).where(O.c.id > after_id).order_by(O.c.id).limit(limit).subquery()
    last = session.execute(select(func.max(ids.c.id))).scalar()
    if last is None:
        return [], None
    query = select(O.c.id).where(O.c.id > after_id, O.c.id <= last, O.c.credited_to != _CREDITED)
    return list(session.execute(query).scalars()), last
