"""The names of customers and of staff for a page, of those whom its reader may see."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import exists, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import Customer, Follow, Staff

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]


def map_visible(session: Session, customers: Collection[str], visible: Collection[str] | None) -> dict[str, str]:
    """Customers whom a reader may see, of these, with their names. `visible`: members whose customers these are;
    None: all."""
    query = select(C.c.external_userid, C.c.name).where(
        among(session.get_bind().dialect.name, C.c.external_userid, "customers")
    )
    if visible is not None:
        query = query.where(exists().where(F.c.external_userid == C.c.external_userid, F.c.userid.in_(sorted(visible))))
    return {whom: name or "" for whom, name in session.execute(query, {"customers": sorted(customers)})}


def map_staff(session: Session, userids: Collection[str]) -> dict[str, str]:
    """The names of some members."""
    query = select(col(Staff.userid), col(Staff.name)).where(col(Staff.userid).in_(sorted(userids)))
    return {userid: name for userid, name in session.execute(query) if name}
