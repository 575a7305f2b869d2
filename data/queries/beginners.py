"""Beginners: who of those to whom something happened, or for whom a day has come, begins a journey."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from data.bulk import among
from data.models import Follow, FollowStatus, Preference
from data.queries.enrolments import Before, Beginner, add_enrolments, map_before
from data.queries.segments import list_members
from data.queries.senders import list_only
from data.rules.enrolments import Beginning, may_begin_again
from data.rules.journeys import Journey
from data.rules.timings import Calendar

F: Any = Follow.__table__  # type: ignore[attr-defined]
P: Any = Preference.__table__  # type: ignore[attr-defined]


class Candidate(NamedTuple):
    """A customer for whom a journey would begin at an instant: through whom (or empty), and why."""

    external_userid: str
    userid: str
    cause: str
    at: datetime


class Version(NamedTuple):
    """What a journey says in the version that customers begin now."""

    journey_id: int
    version: int
    journey: Journey


def begin(
    session: Session,
    version: Version,
    candidates: Sequence[Candidate],
    now: datetime,
    calendar: Calendar,
    *,
    is_of_audience: bool = False,
) -> int:
    """Enrol those of some customers, each once among them, who may begin a journey; how many.

    They are contacts of somebody, want to hear from us, are in its audience (`is_of_audience`: that was seen to) and
    are not on it already. Raises ValueError where its first step is never due.
    """
    journey = version.journey
    before = map_before(session, version.journey_id, {each.external_userid for each in candidates})
    wanted = {
        each.external_userid: each
        for each in candidates
        if _may_begin(before.get(each.external_userid), each.at, journey.again.after_days, calendar)
    }
    follows = _map_follows(session, wanted, list_only(session, journey))
    if journey.audience is not None and not is_of_audience:
        found = list_members(session, journey.audience, now, calendar.zone, list(follows))
        follows = {follow_id: whom for follow_id, whom in follows.items() if whom in found}
    return enrol(session, version, [wanted[whom] for whom in sorted(set(follows.values()))], calendar)


def _may_begin(before: Before | None, at: datetime, after_days: int | None, calendar: Calendar) -> bool:
    """Whether a journey may begin at an instant for a customer who is on it, was on it, or never was."""
    if before is None:
        return True
    return not before.is_on and may_begin_again(before.began_at, after_days, at, calendar.zone)


def enrol(session: Session, version: Version, beginners: Sequence[Candidate], calendar: Calendar) -> int:
    """Customers begin a journey; how many were not on it. Raises ValueError as `begin`."""
    beginning = Beginning(version.journey_id, version.journey, calendar)
    rows = [
        Beginner(each.external_userid, each.userid, each.cause, beginning.standing(each.external_userid, each.at))
        for each in beginners
    ]
    return add_enrolments(session, version.journey_id, version.version, rows)


def _map_follows(session: Session, wanted: dict[str, Candidate], only: frozenset[str] | None) -> dict[int, str]:
    """The present follows of customers who want to hear from us: of those who begin through somebody, that one; `only`
    those of some members."""
    if not wanted:
        return {}
    rows = session.execute(_reachable(session.get_bind().dialect.name), {"customers": sorted(wanted)})
    return {
        follow_id: whom for follow_id, userid, whom in rows
        if wanted[whom].userid in ("", userid) and (only is None or userid in only)
    }  # fmt: skip


@lru_cache
def _reachable(dialect: str) -> Any:
    return (
        select(F.c.id, F.c.userid, F.c.external_userid)
        .outerjoin(P, P.c.external_userid == F.c.external_userid)
        .where(
            among(dialect, F.c.external_userid, "customers"),
            F.c.status == FollowStatus.PRESENT.value,
            P.c.opted_out_at.is_(None),
        )
    )
