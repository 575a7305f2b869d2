"""Caps on what reaches a customer, and what else leaves one out: asked in SQL as `data/rules/caps.py` means it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, case, func, literal, or_, select
from sqlmodel import Session, col

from data.models import (
    Campaign,
    Follow,
    JourneyWave,
    Recipient,
    RecipientState,
    Run,
    StaffTask,
    StaffTaskStatus,
    Touch,
    WaveCustomer,
)
from data.queries import preferences
from data.queries.preferences import cap_windows, refusal_of
from data.rules.caps import Cap
from data.rules.preferences import ANSWERS, NOT_COUNTED, TouchKind

F: Any = Follow.__table__  # type: ignore[attr-defined]
S: Any = F.alias("siblings")
R: Any = Recipient.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
A: Any = StaffTask.__table__  # type: ignore[attr-defined]
W: Any = WaveCustomer.__table__  # type: ignore[attr-defined]
L: Any = JourneyWave.__table__  # type: ignore[attr-defined]
_OPEN = StaffTaskStatus.OPEN.value


class Limits(NamedTuple):
    """Who has bought within so many hours is left out, and who would get more than the company's `caps` allow.

    What waits in `runs` counts for these as if it had been sent, with `tasks` what staff are asked to write to
    customers of journeys, and with `lists` the broadcasts of journeys that customers are on the lists of. `wecom`: the
    cap that WeCom applies when staff confirm; nobody is left out for it, but they are counted.
    """

    not_bought_hours: int | None = None
    caps: tuple[Cap, ...] = ()
    runs: tuple[int, ...] = ()
    wecom: Cap | None = None
    tasks: bool = False
    lists: bool = False

    @property
    def waits(self) -> bool:
        """Whether there is anything that waits."""
        return bool(self.runs or self.tasks or self.lists)


def reason_of(session: Session, now: datetime, zone: Any, limits: Limits, *, of_many: bool = False) -> Any:
    """Why nothing is sent to a follow's customer now, as SQL; `state_of` reads it. `of_many`: a statement that goes
    through a large part of all follows asks."""
    refusal = refusal_of(F.c.external_userid, now, cap_windows(session, now, zone))
    more: list[Any] = []
    if limits.not_bought_hours is not None:
        since = now - timedelta(hours=limits.not_bought_hours)
        more.append((F.c.bought_at >= since, literal(RecipientState.BOUGHT.name.lower())))
    if limits.caps:
        left_out = _has_no_room(session, limits) if limits.waits else _have_reached(limits.caps, of_many=of_many)
        more.append((left_out, literal(RecipientState.CAPPED.name.lower())))
    return func.coalesce(refusal, case(*more)) if more else refusal


def state_of(reason: str | None) -> RecipientState | None:
    """The state of a recipient to whom nothing is sent for this reason."""
    return None if reason is None else RecipientState[reason.upper()]


def room_of(session: Session, now: datetime, zone: Any, limits: Limits) -> Any:
    """How many more messages may reach a follow's customer now, as SQL; None where there is no cap."""
    windows = cap_windows(session, now, zone)
    wanted = preferences.room_of(F.c.external_userid, windows) if windows else None
    if not limits.caps:
        return wanted
    room = _room(session, limits)
    return room if wanted is None else _least(session, room, func.coalesce(wanted, limits.caps[0].most))


def _has_no_room(session: Session, limits: Limits) -> Any:
    """Whether the company's caps allow no more, with what waits; who can have room no less is found out first."""
    widest = min(limits.caps, key=lambda cap: cap.since)
    busy = [F.c.touched_at >= widest.since]
    busy += [_waiting(limits.runs) > 0] if limits.runs else []
    busy += [_asked(widest) > 0] if limits.tasks else []
    busy += [_listed() > 0] if limits.lists else []
    return and_(or_(*busy), _room(session, limits, of_all_kinds=True) <= 0, _room(session, limits) <= 0)


def _room(session: Session, limits: Limits, *, of_all_kinds: bool = False) -> Any:
    """How many more messages the company's caps allow, with what waits; what waits in runs or on lists is counted once
    for all.
    `of_all_kinds`: as if every touch counted, which their index alone tells."""
    reached = [_reached(cap, of_all_kinds=of_all_kinds) for cap in limits.caps]
    left = [
        cap.most - number - (_asked(cap) if limits.tasks else 0)
        for cap, number in zip(limits.caps, reached, strict=True)
    ]
    room = _least(session, *left)
    room = room - _waiting(limits.runs) if limits.runs else room
    return room - _listed() if limits.lists else room


def _least(session: Session, *numbers: Any) -> Any:
    if len(numbers) == 1:
        return numbers[0]
    return (func.min if session.get_bind().dialect.name == "sqlite" else func.least)(*numbers)


def has_reached(cap: Cap, kinds: Collection[TouchKind] = ()) -> Any:
    """Whether what reached a follow's customer in these ways (or in all that count) leaves no room for more."""
    # Mostly it is not so many whatever they were, and their index alone says that.
    all_kinds = _reached(cap, of_all_kinds=True)
    return and_(F.c.touched_at >= cap.since, all_kinds >= cap.most, _reached(cap, kinds) >= cap.most)


def have_reached(cap: Cap, kinds: Collection[TouchKind] = ()) -> Any:
    """The same for a statement that goes through a large part of all follows. Nearly all of them may have been written
    to lately, but few so often: these are found first, in one walk, and only they are looked up one by one."""
    if cap.most == 1:
        return has_reached(cap, kinds)
    return and_(F.c.touched_at >= cap.since, F.c.external_userid.in_(_often([cap])), has_reached(cap, kinds))


def has_any_reached(session: Session, cap: Cap) -> bool:
    """Whether anybody was written to so often: mostly nobody, and then nobody has to be asked about."""
    return session.execute(_often([cap]).limit(1)).first() is not None


def _often(caps: Sequence[Cap]) -> Select[Any]:
    """Customers who were written to so often within one of the caps."""
    since = min(cap.since for cap in caps)
    within = [func.sum(case((T.c.touched_at >= cap.since, 1), else_=0)) >= cap.most for cap in caps]
    return select(T.c.external_userid).where(T.c.touched_at >= since).group_by(T.c.external_userid).having(or_(*within))


def _have_reached(caps: Sequence[Cap], *, of_many: bool) -> Any:
    """Whether what reached a follow's customer leaves no room within any of the caps."""
    several = [cap for cap in caps if of_many and cap.most > 1]
    found = [has_reached(cap) for cap in caps if cap not in several]
    if several:
        # All of them in one walk.
        lately = F.c.touched_at >= min(cap.since for cap in several)
        found.append(and_(lately, F.c.external_userid.in_(_often(several)), or_(*map(has_reached, several))))
    return or_(*found)


def _reached(cap: Cap, kinds: Collection[TouchKind] = (), *, of_all_kinds: bool = False) -> Any:
    """How much has reached a follow's customer. Who was not touched lately is not counted."""
    mine = [T.c.external_userid == F.c.external_userid, T.c.touched_at >= cap.since]
    if not of_all_kinds:
        # As journeys count: what answers an act of the customer's own is no touch of the company's.
        mine.append(T.c.kind.in_(sorted(kinds)) if kinds else T.c.kind.not_in(sorted(NOT_COUNTED | ANSWERS)))
    touches = select(func.count()).select_from(T).where(*mine).scalar_subquery()
    return case((F.c.touched_at >= cap.since, touches), else_=0)


def _waiting(runs: Sequence[int]) -> Any:
    """How much waits in runs for a follow's customer."""
    waits = (R.c.run_id.in_(runs), R.c.state == RecipientState.WAITING)
    own = select(func.count()).select_from(R).where(R.c.follow_id == F.c.id, *waits)
    mine = (S.c.external_userid == F.c.external_userid, *waits)
    all_ = select(func.count()).select_from(S).join(R, R.c.follow_id == S.c.id).where(*mine)
    return case((F.c.shared.is_(False), own.scalar_subquery()), else_=all_.scalar_subquery())


def _asked(cap: Cap) -> Any:
    """What staff are asked to write to a follow's customer."""
    asked = (
        select(func.count())
        .select_from(A)
        .where(A.c.external_userid == F.c.external_userid, A.c.due_at >= cap.since, A.c.status == _OPEN)
    )
    return asked.scalar_subquery()


_RUN: Any = Run.__table__  # type: ignore[attr-defined]
#: Of what is begun the recipients are counted; closed without a run it is never sent.
_TO_BE_SENT = or_(
    _RUN.c.id.is_(None) & L.c.closed_at.is_(None),
    _RUN.c.id.is_not(None) & _RUN.c.started_at.is_(None) & _RUN.c.ended_at.is_(None),
)
_LISTS = L.outerjoin(_RUN, _RUN.c.wave_id == L.c.wave_id)


def _listed() -> Any:
    """How many broadcasts of journeys a follow's customer is on the lists of."""
    listed = select(func.count()).select_from(_LISTS.join(W, W.c.wave_id == L.c.wave_id))
    return listed.where(W.c.external_userid == F.c.external_userid, _TO_BE_SENT).scalar_subquery()


def has_open_lists(session: Session) -> bool:
    """Whether journeys have a broadcast to send that nobody has begun to plan."""
    return session.execute(select(L.c.wave_id).select_from(_LISTS).where(_TO_BE_SENT).limit(1)).first() is not None


def has_open_tasks(session: Session, since: datetime) -> bool:
    """Whether staff are asked to write to a customer for journeys, since an instant."""
    query = select(A.c.id).where(A.c.status == _OPEN, A.c.due_at >= since).limit(1)
    return session.execute(query).first() is not None


def list_waiting_runs(session: Session, but: int | None) -> tuple[int, ...]:
    """The runs whose recipients may still get something, `but` one; tests do not count."""
    query = (
        select(col(Run.id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(
            col(Run.ended_at).is_(None), col(Run.started_at).is_not(None), col(Run.id) != but,
            col(Campaign.test_of).is_(None),
        )
    )  # fmt: skip
    return tuple(each or 0 for each in session.execute(query).scalars())
