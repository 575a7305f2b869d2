"""How many relations of a week or month are still there: counted once a day by member, so that a page adds up some
thousand rows instead of looking at a million follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import Cohort, FollowStatus
from data.queries.numbers import F
from data.rules.cohorts import AGES, Kept, has_age, is_final, keep, periods
from data.rules.reports import KINDS, Kind, Period

C: Any = Cohort.__table__  # type: ignore[attr-defined]
#: The row of this member says that all were counted.
ALL = ""
#: Whose member is out of sight has ended nothing.
_ENDED = (FollowStatus.DELETED_BY_CUSTOMER.value, FollowStatus.DELETED_BY_STAFF.value)


def list_due(session: Session, today: date) -> list[Period]:
    """The weeks and months that are to be counted on a day and were not yet."""
    query = select(col(Cohort.kind), col(Cohort.first), col(Cohort.counted_on)).where(col(Cohort.userid) == ALL)
    counted = {(kind, first): on for kind, first, on in session.execute(query)}
    found = []
    for kind in KINDS:
        for period in periods(kind, today):
            on = counted.get((kind, period.first))
            if on is None or (on < today and not is_final(period, on)):
                found.append(period)
    return found


def count(session: Session, period: Period, zone: tzinfo) -> dict[str, Kept]:
    """A week's or month's relations by member; those that came by hand-over did not begin."""
    span = period.span(zone)
    within = (F.c.added_at >= span.begin, F.c.added_at < span.end, F.c.inherited.is_not(True))
    began = select(F.c.userid, func.count()).where(*within).group_by(F.c.userid)
    ended = select(F.c.userid, F.c.added_at, F.c.ended_at).where(
        *within, F.c.status.in_(_ENDED), F.c.ended_at.is_not(None)
    )
    lost: dict[str, list[Any]] = {}
    for userid, added_at, ended_at in session.execute(ended.with_hint(F, _BY_ADDED, "sqlite")):
        lost.setdefault(userid, []).append((added_at, ended_at))
    rows = session.execute(began.with_hint(F, _BY_ADDED, "sqlite")).all()
    return {userid: keep(number, lost.get(userid, ())) for userid, number in rows}


_BY_ADDED = "INDEXED BY ix_follows_member_added"


def save(session: Session, period: Period, counted: Mapping[str, Kept], today: date) -> None:
    """Put these in the place of what was counted of a week or month before."""
    session.execute(delete(Cohort).where(col(Cohort.kind) == period.kind, col(Cohort.first) == period.first))
    key = {"kind": period.kind, "first": period.first, "counted_on": today}
    lines = {**counted, ALL: Kept(0, 0, 0, 0, 0)}
    session.execute(insert(C), [{**key, "userid": userid, **each._asdict()} for userid, each in lines.items()])


class Line(NamedTuple):
    """A week or month with its relations. `after`: by age, how many are still there; None while some are younger."""

    period: Period
    began: int
    after: tuple[int | None, ...]

    @property
    def percents(self) -> tuple[float | None, ...]:
        """The same in hundredths of those that began."""
        return tuple(
            None if each is None or not self.began else round(100 * each / self.began, 1) for each in self.after
        )


def list_cohorts(session: Session, kind: Kind, today: date, userids: Collection[str] | None = None) -> list[Line]:
    """The last weeks or months that were counted, oldest first. `userids`: of these members alone."""
    shown = periods(kind, today)
    sums = [func.sum(C.c[name]) for name in Kept._fields]
    query = select(C.c.first, *sums).where(C.c.kind == kind, C.c.first >= shown[-1].first).group_by(C.c.first)
    given: dict[str, Any] = {}
    if userids is not None:
        query = query.where(among(session.get_bind().dialect.name, C.c.userid, "userids"))
        given = {"userids": sorted(userids)}
    found = {first: Kept(*map(int, numbers)) for first, *numbers in session.execute(query, given)}
    return [
        Line(
            period,
            kept.began,
            tuple(
                number if has_age(period, age, today) else None for age, number in zip(AGES, kept.after, strict=True)
            ),
        )
        for period in reversed(shown)
        if (kept := found.get(period.first)) is not None
    ]
