"""Beginners: who of those to whom something happened, or for whom a day has come, begins a journey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from data.bulk import among
from data.models import BarReason, Follow, FollowStatus, Preference
from data.queries.barred import Barred, note_barred
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
    are not on it already. Why it does not begin for the others is written down. Raises ValueError where its first step
    is never due.
    """
    journey, asked = version.journey, {each.external_userid: each for each in candidates}
    before = map_before(session, version.journey_id, set(asked))
    barred = _bar_before(asked, before, journey.again.after_days, calendar)
    follows, unreached = _map_follows(session, asked, list_only(session, journey))
    barred = unreached | barred
    follows = {follow_id: whom for follow_id, whom in follows.items() if whom not in barred}
    if journey.audience is not None and not is_of_audience:
        found = list_members(session, journey.audience, now, calendar.zone, list(follows))
        barred |= dict.fromkeys(set(follows.values()) - found, BarReason.NOT_IN_AUDIENCE)
    told = [
        # A journey that looks every day at who may begin it anew bars all others every day.
        Barred(
            whom, reason, asked[whom].cause, asked[whom].at,
            before[whom].began_at if reason in (BarReason.ON_IT, BarReason.NOT_AGAIN) else None,
        )
        for whom, reason in sorted(barred.items())
        # A customer of several members is found several times at one instant: they have begun it then.
        if whom not in before or before[whom].began_at != asked[whom].at
    ]  # fmt: skip
    note_barred(session, version.journey_id, version.version, told, calendar.zone)
    return enrol(session, version, [asked[whom] for whom in sorted(asked.keys() - barred.keys())], calendar)


def _bar_before(
    asked: Mapping[str, Candidate], before: Mapping[str, Before], after_days: int | None, calendar: Calendar
) -> dict[str, BarReason]:
    """For whom a journey may not begin because of when it began for them before."""
    found: dict[str, BarReason] = {}
    for whom, last in before.items():
        if last.is_on:
            found[whom] = BarReason.ON_IT
        elif not may_begin_again(last.began_at, after_days, asked[whom].at, calendar.zone):
            found[whom] = BarReason.NOT_AGAIN
    return found


def enrol(session: Session, version: Version, beginners: Sequence[Candidate], calendar: Calendar) -> int:
    """Customers begin a journey; how many were not on it. Raises ValueError as `begin`."""
    beginning = Beginning(version.journey_id, version.journey, calendar)
    rows = [
        Beginner(each.external_userid, each.userid, each.cause, beginning.standing(each.external_userid, each.at))
        for each in beginners
    ]
    return add_enrolments(session, version.journey_id, version.version, rows)


def _map_follows(
    session: Session, asked: Mapping[str, Candidate], only: frozenset[str] | None
) -> tuple[dict[int, str], dict[str, BarReason]]:
    """The present follows of customers who want to hear from us: of those who begin through somebody, that one; `only`
    those of some members. And why there is none of the others."""
    found: dict[int, str] = {}
    barred = dict.fromkeys(asked, BarReason.NO_CONTACT)
    if not asked:
        return found, barred
    rows = session.execute(_present(session.get_bind().dialect.name), {"customers": sorted(asked)}).all()
    for follow_id, userid, whom, is_opted_out in rows:
        if asked[whom].userid not in ("", userid):
            barred[whom] = _nearer(barred[whom], BarReason.NOT_THEIRS)
        elif is_opted_out:
            barred[whom] = BarReason.OPTED_OUT
        elif only is not None and userid not in only:
            barred[whom] = _nearer(barred[whom], BarReason.NOT_OF_MEMBERS)
        else:
            found[follow_id] = whom
    begins = set(found.values())
    return found, {whom: reason for whom, reason in barred.items() if whom not in begins}


#: Of several contacts of a customer the one is told of who comes nearest to beginning it.
_NEARER = (BarReason.NO_CONTACT, BarReason.NOT_THEIRS, BarReason.NOT_OF_MEMBERS, BarReason.OPTED_OUT)


def _nearer(one: BarReason, other: BarReason) -> BarReason:
    return max(one, other, key=_NEARER.index)


@lru_cache
def _present(dialect: str) -> Any:
    return (
        select(F.c.id, F.c.userid, F.c.external_userid, P.c.opted_out_at.is_not(None))
        .outerjoin(P, P.c.external_userid == F.c.external_userid)
        .where(among(dialect, F.c.external_userid, "customers"), F.c.status == FollowStatus.PRESENT.value)
    )
