"""WeCom's figures of customer groups, as they are kept of each owner and day: summed up by day and by owner."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from data.bulk import among
from data.models import OwnerDay

G: Any = OwnerDay.__table__  # type: ignore[attr-defined]
#: What happens is summed up over days; how many there are is as on the last of them.
FLOWS = ("chats_new", "members_new", "chats_active", "members_active", "messages")


class GroupFigures(NamedTuple):
    """A day, or an owner over some days. `chats_total`, `members_total`: at the end of the (last) day; of an owner the
    active ones are those of all days together."""

    key: Any
    chats_total: int
    chats_new: int
    members_total: int
    members_new: int
    chats_active: int
    members_active: int
    messages: int


def list_owners(session: Session, since: date, until: date, visible: Collection[str] | None) -> list[str]:
    """Members of whose groups there are figures."""
    query = select(G.c.userid).where(*_of(session, since, until, visible)).distinct().order_by(G.c.userid)
    return list(session.execute(query, _given(visible)).scalars())


def list_days(session: Session, since: date, until: date, owners: Collection[str] | None) -> list[GroupFigures]:
    """The days of which there are figures, the first one first, of the groups of these owners (None: of all)."""
    names = GroupFigures._fields[1:]
    query = select(G.c.day, *(func.sum(G.c[name]) for name in names)).where(*_of(session, since, until, owners))
    rows = session.execute(query.group_by(G.c.day).order_by(G.c.day), _given(owners))
    return [GroupFigures(row[0], *map(int, row[1:])) for row in rows]


def list_by_owner(session: Session, since: date, until: date, owners: Collection[str] | None) -> list[GroupFigures]:
    """The owners, those with most members at the end first."""
    flows = [func.sum(G.c[name]) for name in FLOWS]
    of = _of(session, since, until, owners)
    query = select(G.c.userid, func.max(G.c.day), *flows).where(*of).group_by(G.c.userid)
    found = {row[0]: row for row in session.execute(query, _given(owners))}
    last = select(G.c.userid, G.c.day, G.c.chats_total, G.c.members_total).where(*of)
    ends = {(row[0], row[1]): (row[2], row[3]) for row in session.execute(last, _given(owners))}
    made = []
    for userid, day, *sums in found.values():
        new, members_new, active, members_active, messages = map(int, sums)
        chats, members = ends[userid, day]
        made.append(GroupFigures(userid, chats, new, members, members_new, active, members_active, messages))
    return sorted(made, key=lambda each: (-each.members_total, each.key))


def _of(session: Session, since: date, until: date, owners: Collection[str] | None) -> list[Any]:
    found: list[Any] = [G.c.day >= since, G.c.day <= until]
    return found if owners is None else [*found, among(session.get_bind().dialect.name, G.c.userid, "owners")]


def _given(owners: Collection[str] | None) -> dict[str, Any]:
    return {} if owners is None else {"owners": sorted(owners)}
