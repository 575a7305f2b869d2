"""Rosters (客户名单): whom the rows of a file name, written down in pieces, and removed in pieces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.errors import NotFoundError
from data.models import Customer, Follow, FollowMobile, Roster, RosterMember
from data.queries.unionids import list_by_unionid

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
M: Any = FollowMobile.__table__  # type: ignore[attr-defined]
R: Any = RosterMember.__table__  # type: ignore[attr-defined]

#: Members that are removed in one go.
SWEPT_ROWS = 2000
#: Who has not finished a roster by then is gone.
ABANDONED_AFTER = timedelta(hours=1)

_NEW = BulkUpsert(RosterMember, ("roster_id", "external_userid"))


def begin_roster(session: Session, name: str, made_by: str, now: datetime) -> int:
    """A roster that is to be filled, which nothing uses before it is finished; its number."""
    row = Roster(name=name, made_by=made_by[:80], begun_at=now)
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def map_customers(session: Session, kind: str, values: Collection[str]) -> dict[str, set[str]]:
    """The customers that values of a kind (external_userid, unionid, mobile) name, as far as they are known."""
    dialect = session.get_bind().dialect.name
    if kind == "unionid":
        return _gathered(list_by_unionid(session, values))
    if kind == "mobile":
        query = select(M.c.mobile, F.c.external_userid).join_from(M, F, F.c.id == M.c.follow_id)
        query = query.where(among(dialect, M.c.mobile, "values"))
    else:
        query = select(C.c[kind], C.c.external_userid).where(among(dialect, C.c[kind], "values"))
    rows = session.execute(query, {"values": sorted(set(values))})
    return _gathered((value, external_userid) for value, external_userid in rows)


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for value, external_userid in pairs:
        found.setdefault(value, set()).add(external_userid)
    return found


def add_members(session: Session, roster_id: int, external_userids: Sequence[str]) -> int:
    """Put customers on a roster; how many were not on it."""
    return _NEW.write(session, [(roster_id, each) for each in sorted(set(external_userids))])


def finish_roster(session: Session, roster_id: int, rows: int, customers: int, skipped: int, now: datetime) -> Roster:
    """All of a file is written: the roster can be used. Raises NotFoundError where it was swept meanwhile."""
    row = _get(session, roster_id)
    row.rows, row.customers, row.skipped, row.made_at = rows, customers, skipped, now
    return row


def list_rosters(session: Session) -> list[Roster]:
    """The rosters that can be used, newest first."""
    return list(
        session.execute(
            select(Roster).where(col(Roster.made_at).is_not(None)).order_by(col(Roster.id).desc())
        ).scalars()
    )


def get_roster(session: Session, roster_id: int) -> Roster:
    """One that can be used. Raises NotFoundError."""
    row = _get(session, roster_id)
    if row.made_at is None:
        raise _missing(roster_id)
    return row


def drop_roster(session: Session, roster_id: int) -> None:
    """Nothing uses a roster any more; `sweep_roster` removes it. Raises NotFoundError."""
    row = _get(session, roster_id)
    row.made_at, row.begun_at = None, datetime.fromtimestamp(0, UTC)


def sweep_roster(session: Session, now: datetime) -> bool:
    """Remove some of a roster that was dropped, or given up by whoever filled it. False: there is none."""
    over = (col(Roster.made_at).is_(None), col(Roster.begun_at) < now - ABANDONED_AFTER)
    roster_id = session.execute(select(col(Roster.id)).where(*over).limit(1)).scalar()
    if roster_id is None:
        return False
    some = select(R.c.external_userid).where(R.c.roster_id == roster_id).limit(SWEPT_ROWS)
    members = list(session.execute(some).scalars())
    mine = among(session.get_bind().dialect.name, R.c.external_userid, "members")
    session.execute(delete(R).where(R.c.roster_id == roster_id, mine), {"members": members})
    if len(members) < SWEPT_ROWS:
        session.execute(delete(Roster).where(col(Roster.id) == roster_id))
    return True


def list_known(session: Session, roster_ids: Collection[int]) -> frozenset[int]:
    """Those of some numbers that are rosters which can be used."""
    query = select(col(Roster.id)).where(col(Roster.id).in_(sorted(roster_ids)), col(Roster.made_at).is_not(None))
    return frozenset(each for each in session.execute(query).scalars() if each is not None)


def _get(session: Session, roster_id: int) -> Roster:
    row = session.get(Roster, roster_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise _missing(roster_id)
    return row


def _missing(roster_id: int) -> NotFoundError:
    return NotFoundError(f"There is no roster {roster_id}.", "List them with: siyu rosters list")
