"""Steps of journeys that are due, and what is to be known of the customers to decide about them: for many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, literal, or_, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import (
    Enrolment,
    Follow,
    FollowStatus,
    JourneyRow,
    JourneyWave,
    Marking,
    MarkingStatus,
    Preference,
    Recipient,
    RecipientState,
    Run,
    StaffTask,
    StaffTaskStatus,
    Touch,
    WaveCustomer,
)
from data.queries.caps import list_waiting_runs
from data.queries.journey_versions import GOING_ON
from data.queries.journey_waves import to_close
from data.queries.preferences import to_rule
from data.queries.segment_plans import prepare
from data.rules import preferences
from data.rules.journey_steps import Standing
from data.rules.preferences import ANSWERS, GROUP_SENDS, NOT_COUNTED, TouchKind, window_start

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
P: Any = Preference.__table__  # type: ignore[attr-defined]
J: Any = JourneyRow.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
S: Any = StaffTask.__table__  # type: ignore[attr-defined]
W: Any = WaveCustomer.__table__  # type: ignore[attr-defined]

_STANDING = (E.c.step, E.c.started_at, E.c.before_at, E.c.due_at, E.c.wanted_at, E.c.held_out)
_FIRST = (
    select(func.min(E.c.due_at)).where(E.c.journey_id == J.c.id, E.c.ended_at.is_(None)).correlate(J).scalar_subquery()
)
_WITH_DUE = select(J.c.id).where(J.c.status.in_(GOING_ON), bindparam("now", type_=E.c.due_at.type) >= _FIRST)
_DUE = (
    select(E.c.id, E.c.journey_id, E.c.version, E.c.external_userid, E.c.userid, *_STANDING)
    .where(
        E.c.journey_id == bindparam("journey_id"), E.c.ended_at.is_(None),
        E.c.due_at <= bindparam("now", type_=E.c.due_at.type),
    )
    .order_by(E.c.due_at, E.c.id)
    .limit(bindparam("most"))
)  # fmt: skip


class Due(NamedTuple):
    """An enrolment whose next step is due, or may be soon. `userid`: through whom, where what began it says so."""

    enrolment_id: int
    journey_id: int
    version: int
    external_userid: str
    userid: str
    standing: Standing


class Contact(NamedTuple):
    """A staff member who follows a customer. `tag_list` as in Follow."""

    follow_id: int
    userid: str
    external_userid: str
    added_at: datetime | None
    state: str
    tag_list: str
    inherited: bool


class Touched(NamedTuple):
    """When a message reached a customer, or was asked for; `answers`: it answered an act of their own; `counts`: for
    WeCom's cap on group-sends."""

    at: datetime
    answers: bool
    counts: bool


@dataclass(slots=True)
class Known:
    """What is known of some customers, by external_userid.

    `left_at`: when those whom nobody follows any more were left by the last of the staff. `touched`: when messages
    reached them lately, or were asked for that may still reach them. `waiting`: enrolments whose next step is due on
    the same day.
    """

    contacts: dict[str, list[Contact]] = field(default_factory=lambda: defaultdict(list))
    left_at: dict[str, datetime] = field(default_factory=dict)
    wishes: dict[str, preferences.Preference] = field(default_factory=dict)
    touched: dict[str, list[Touched]] = field(default_factory=lambda: defaultdict(list))
    waiting: dict[str, list[Due]] = field(default_factory=lambda: defaultdict(list))


def list_with_due(session: Session, now: datetime) -> list[int]:
    """The journeys that have something due."""
    return list(session.execute(_WITH_DUE, {"now": now}).scalars())


def has_work(session: Session, now: datetime, opened_before: datetime) -> bool:
    """Whether a step is due, or a broadcast is to be closed that was opened before an instant, or a marking to be
    started that steps have asked for."""
    if list_with_due(session, now):
        return True
    waves = to_close(opened_before).limit(1)
    return session.execute(waves).first() is not None or bool(list_markings(session))


def list_due(session: Session, now: datetime, most: int, but: Collection[int] = ()) -> list[Due]:
    """What is due, in the order of the instants, `but` for some journeys."""
    found = [
        [_due(row) for row in session.execute(_DUE, {"journey_id": journey_id, "now": now, "most": most}).all()]
        for journey_id in list_with_due(session, now)
        if journey_id not in but
    ]
    return list(islice(merge(*found, key=lambda due: (due.standing.due_at, due.enrolment_id)), most))


def _due(row: Any) -> Due:
    return Due(row[0], row[1], row[2], row[3], row[4], Standing(*row[5:11]))


#: How markings say that steps have asked for them.
ASKED_BY = "journey:"


def list_markings(session: Session) -> list[Marking]:
    """Markings that steps have asked for and that were not started yet."""
    query = select(Marking).where(
        col(Marking.status) == MarkingStatus.PREPARING, col(Marking.asked_by).startswith(ASKED_BY)
    )
    return list(session.execute(query).scalars())


def read_known(
    session: Session, customers: Collection[str], since: datetime | None, until: datetime, zone: tzinfo
) -> Known:
    """What is known of some customers. `since`: from when on messages count for the company's caps or WeCom's, if so;
    `until`: the end of the day, until when other steps want the customer."""
    prepare(session)
    known, given = Known(), {"customers": sorted(set(customers))}
    dialect = session.get_bind().dialect.name
    follows = select(
        F.c.id, F.c.userid, F.c.external_userid, F.c.added_at, F.c.state, F.c.tag_list, F.c.inherited
    ).where(among(dialect, F.c.external_userid, "customers"), F.c.status == FollowStatus.PRESENT)
    for row in session.execute(follows, given).all():
        known.contacts[row[2]].append(Contact(*row))
    if nobodys := sorted(set(customers) - known.contacts.keys()):
        left = (
            select(F.c.external_userid, func.max(F.c.ended_at))
            .where(
                among(dialect, F.c.external_userid, "customers"), F.c.status != FollowStatus.DELETED_BY_CUSTOMER,
                F.c.ended_at.is_not(None),
            )
            .group_by(F.c.external_userid)
        )  # fmt: skip
        known.left_at = dict(session.execute(left, {"customers": nobodys}).all())
    wishes = select(Preference).where(among(dialect, P.c.external_userid, "customers"))
    for wish in session.execute(wishes, given).scalars():
        known.wishes[wish.external_userid] = to_rule(wish)
    counted = [window_start(until, zone, each.cap_days + 1) for each in known.wishes.values() if each.cap_days]
    counted += [since] if since is not None else []
    if not counted:  # nothing is limited, so none goes before another
        return known
    known.touched = _read_touched(session, given, min(counted))
    waiting = (
        select(E.c.id, E.c.journey_id, E.c.version, E.c.external_userid, E.c.userid, *_STANDING)
        .join(J, J.c.id == E.c.journey_id)
        .where(
            among(dialect, E.c.external_userid, "customers"), E.c.ended_at.is_(None), E.c.due_at < until,
            J.c.status.in_(GOING_ON),
        )
    )  # fmt: skip
    for row in session.execute(waiting, given).all():
        known.waiting[row[3]].append(_due(row))
    return known


def _read_touched(session: Session, given: dict[str, Any], since: datetime) -> dict[str, list[Touched]]:
    """When messages reached some customers since an instant, or were asked for that may still reach them."""
    dialect = session.get_bind().dialect.name
    touches = select(T.c.external_userid, T.c.touched_at, T.c.kind).where(
        among(dialect, T.c.external_userid, "customers"), T.c.touched_at >= since, T.c.kind.not_in(sorted(NOT_COUNTED))
    )
    tasks = select(S.c.external_userid, S.c.due_at, literal(TouchKind.TASK.value)).where(
        among(dialect, S.c.external_userid, "customers"), S.c.due_at >= since, S.c.status == StaffTaskStatus.OPEN
    )
    found: dict[str, list[Touched]] = defaultdict(list)
    for query in (touches, tasks, *_asked_for(session, dialect)):
        for external_userid, at, kind in session.execute(query, given).all():
            if at >= since:
                found[external_userid].append(Touched(at, kind in ANSWERS, kind in GROUP_SENDS))
    return found


def _asked_for(session: Session, dialect: str) -> Sequence[Any]:
    """What runs may still bring the customers, and what is on lists of broadcasts of which nothing was planned yet."""
    run = Run.__table__  # type: ignore[attr-defined]
    wave = JourneyWave.__table__  # type: ignore[attr-defined]
    runs = list_waiting_runs(session, None)
    listed = (
        select(W.c.external_userid, wave.c.opened_at, literal(TouchKind.BROADCAST.value))
        .join(wave, wave.c.wave_id == W.c.wave_id)
        .outerjoin(run, run.c.wave_id == W.c.wave_id)
        .where(
            among(dialect, W.c.external_userid, "customers"),
            # Closed without a run: its journey was stopped, and it is never sent.
            or_(
                run.c.id.is_(None) & wave.c.closed_at.is_(None),
                run.c.id.is_not(None) & run.c.planned_at.is_(None) & run.c.ended_at.is_(None),
            ),
        )
    )
    if not runs:
        return [listed]
    recipients = (
        select(F.c.external_userid, run.c.due_at, literal(TouchKind.BROADCAST.value))
        .join(R, R.c.follow_id == F.c.id)
        .join(run, run.c.id == R.c.run_id)
        .where(
            among(dialect, F.c.external_userid, "customers"), R.c.run_id.in_(runs),
            R.c.state == RecipientState.WAITING, run.c.planned_at.is_not(None),
        )
    )  # fmt: skip
    return [listed, recipients]
