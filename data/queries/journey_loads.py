"""What journeys will ask of the staff by day: the tasks and broadcasts that customers on them wait for next.

A look at the calendar costs as much with a million customers on journeys as with some thousands: up to `EXACT` of them
are counted, of more a sample, taken of all customers, or of those whom somebody sees.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import date, datetime, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, literal, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import Enrolment, Follow, FollowStatus, JourneyRow
from data.queries.journey_versions import GOING_ON, read_kept
from data.rules.schedule import local_datetime

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
#: So many customers are looked at one by one.
EXACT = 8_000
#: What a step does that staff are asked for.
ASKED = frozenset({"task", "broadcast"})


class Load(NamedTuple):
    """By day, how many of each kind of step come; `is_sample`: about so many."""

    days: dict[date, Counter[str]]
    is_sample: bool


class _Search(NamedTuple):
    """The enrolments to look at, with its parameters, and for how many others each stands."""

    query: Select[Any]
    given: dict[str, Any]
    scale: int = 1


def read_load(
    session: Session,
    userids: Collection[str] | None,
    end: datetime,
    now: datetime,
    zone: tzinfo,
    exact: int = EXACT,
) -> Load:
    """What comes until before `end`, for the customers of some members (None: of all). What waits already counts for
    today."""
    days: dict[date, Counter[str]] = defaultdict(Counter)
    journeys = list(session.execute(select(col(JourneyRow.id)).where(col(JourneyRow.status).in_(GOING_ON))).scalars())
    if not journeys or end <= now:
        return Load(days, is_sample=False)
    search = (
        _whole(session, journeys, end, exact)
        if userids is None
        else _of_members(session, sorted(userids), journeys, end, exact)
    )
    found = search.query.subquery()
    steps = (found.c.journey_id, found.c.version, found.c.step, found.c.due_at)
    rows = session.execute(select(*steps, func.count()).group_by(*steps), search.given).all()
    said = read_kept(session, {(row[0], row[1]) for row in rows})
    for journey_id, version, step, due_at, count in rows:
        does = _does(said.get((journey_id, version), {}), step)
        if does in ASKED:
            days[local_datetime(max(due_at, now), zone).date()][does] += count * search.scale
    return Load(days, search.scale > 1)


def _does(said: dict[str, Any], number: int) -> str:
    steps = said.get("steps") or []
    return str(steps[number]["action"].get("do", "")) if number < len(steps) else ""


_COLUMNS = (E.c.journey_id, E.c.version, E.c.step, E.c.due_at)
#: Not to be looked up by: where enrolments are found by something else, what is due is not to be read instead.
_JOURNEY = E.c.journey_id + literal(0)


def _waits(journey: Any, journeys: Collection[int], end: datetime) -> tuple[Any, ...]:
    """Conditions for those who wait for a step before an instant, and for whom something is done in it."""
    return journey.in_(journeys), E.c.ended_at.is_(None), E.c.due_at < end, E.c.held_out.is_(False)


def _whole(session: Session, journeys: Collection[int], end: datetime, exact: int) -> _Search:
    """All of them, or every so manieth enrolment."""
    waiting = select(*_COLUMNS).where(*_waits(E.c.journey_id, journeys, end))
    few = select(func.count()).select_from(waiting.limit(exact + 1).subquery())
    if session.execute(few).scalar_one() <= exact:
        return _Search(waiting, {})
    first, last = session.execute(select(func.min(E.c.id), func.max(E.c.id))).one()
    scale = (last - first) // exact + 1
    ids = among(session.get_bind().dialect.name, E.c.id, "ids")
    query = select(*_COLUMNS).where(ids, *_waits(_JOURNEY, journeys, end))
    return _Search(query, {"ids": list(range(first, last + 1, scale))}, scale)


def _of_members(session: Session, userids: list[str], journeys: Collection[int], end: datetime, exact: int) -> _Search:
    """Those of the customers of some members, or of every so manieth of these."""
    mine = among(session.get_bind().dialect.name, F.c.userid, "userids")
    given: dict[str, Any] = {"userids": userids}
    scale = session.execute(select(func.count()).select_from(F).where(mine), given).scalar_one() // exact + 1
    customers = select(F.c.external_userid).where(mine, F.c.status == FollowStatus.PRESENT.value)
    if scale > 1:
        customers = customers.where(F.c.id % bindparam("scale") == 0)
        given["scale"] = scale
    whose = customers.distinct().subquery()
    query = (
        select(*_COLUMNS)
        .join_from(whose, E, E.c.external_userid == whose.c.external_userid)
        .where(*_waits(_JOURNEY, journeys, end))
    )
    return _Search(query, given, scale)
