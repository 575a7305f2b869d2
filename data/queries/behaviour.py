"""WeCom's figures of members and of groups' owners: what has to be read, and what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, delete, select
from sqlmodel import Session, col

from data.models import BehaviourDay, CustomerGroup, FigurePull, OwnerDay, Staff
from data.queries.upsert import upsert

MEMBER, OWNERS = "member", "owners"


def list_due_members(session: Session, today: date) -> list[tuple[str, date | None]]:
    """Members who can have customers and were not read on this day, and when each was read last."""
    query = (
        select(col(Staff.userid), col(FigurePull.pulled_on))
        .outerjoin(FigurePull, and_(col(FigurePull.kind) == MEMBER, col(FigurePull.key) == col(Staff.userid)))
        .where(col(Staff.follows_customers), col(Staff.gone_at).is_(None))
        .order_by(col(Staff.userid))
    )
    return [
        (userid, pulled_on) for userid, pulled_on in session.execute(query) if pulled_on is None or pulled_on < today
    ]


def save_member(
    session: Session, userid: str, told: Sequence[Mapping[str, Any]], today: date, now: datetime, *, is_last: bool
) -> int:
    """Write the days of a member that differ from what is there; how many. `is_last`: all of them were read today."""
    rows = [{**each, "userid": userid} for each in told]
    there = select(BehaviourDay).where(
        col(BehaviourDay.userid) == userid, col(BehaviourDay.day).in_([each["day"] for each in rows])
    )
    return _save(session, BehaviourDay, rows, there, (MEMBER, userid) if is_last else None, today, now)


def map_days(session: Session) -> dict[date, date]:
    """The days of which the figures of groups were read, and when last."""
    query = select(col(FigurePull.key), col(FigurePull.pulled_on)).where(col(FigurePull.kind) == OWNERS)
    return {date.fromisoformat(key): pulled_on for key, pulled_on in session.execute(query)}


def list_owners(session: Session) -> list[str]:
    """Members who own customer groups."""
    query = (
        select(col(CustomerGroup.owner))
        .join(Staff, and_(col(Staff.userid) == col(CustomerGroup.owner), col(Staff.gone_at).is_(None)))
        .distinct()
        .order_by(col(CustomerGroup.owner))
    )
    return list(session.execute(query).scalars())


def save_owners(
    session: Session, day: date, told: Mapping[str, Mapping[str, Any]], today: date, now: datetime
) -> int:  # fmt: skip
    """Write what a day's owners have that differs from what is there; how many."""
    rows = [{"day": day, "userid": userid, **each} for userid, each in sorted(told.items())]
    there = select(OwnerDay).where(col(OwnerDay.day) == day)
    return _save(session, OwnerDay, rows, there, (OWNERS, day.isoformat()), today, now)


def _save(
    session: Session,
    model: type[BehaviourDay] | type[OwnerDay],
    rows: Sequence[dict[str, Any]],
    there: Any,
    pull: tuple[str, str] | None,
    today: date,
    now: datetime,
) -> int:
    known = {(each.day, each.userid): each for each in session.execute(there).scalars()}
    differing = [
        row
        for row in rows
        if (kept := known.get((row["day"], row["userid"]))) is None
        or any(getattr(kept, name) != value for name, value in row.items())
    ]
    upsert(session, model, differing)
    if pull is not None:
        upsert(session, FigurePull, [{"kind": pull[0], "key": pull[1], "pulled_on": today, "pulled_at": now}])
    return len(differing)


def forget_days(session: Session, before: date) -> None:
    """Remove what is older than a day."""
    session.execute(delete(BehaviourDay).where(col(BehaviourDay.day) < before))
    session.execute(delete(OwnerDay).where(col(OwnerDay.day) < before))
    old = and_(col(FigurePull.kind) == OWNERS, col(FigurePull.key) < before.isoformat())
    session.execute(delete(FigurePull).where(old))
