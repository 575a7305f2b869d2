"""What came of channels day by day: counted from the follows once a day is over, and kept as a row per channel and day.

People and relations are counted apart: a customer whom a second member adds is one more relation and no new person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, exists, func, insert, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import Channel, ChannelDay, ChannelPlan, Follow, FollowStatus, Order, Welcome, WelcomeStatus
from data.rules.schedule import day_began, local_datetime

F: Any = Follow.__table__  # type: ignore[attr-defined]
D: Any = ChannelDay.__table__  # type: ignore[attr-defined]
O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741
W: Any = Welcome.__table__  # type: ignore[attr-defined]
#: Of somebody who was added; orders count as long as `ORDER_DAYS` after.
KEPT_DAYS = (1, 7, 30)
ORDER_DAYS = 30
#: A day's numbers are final when the last who came on it has been there so long.
FINAL_AFTER_DAYS = max(*KEPT_DAYS, ORDER_DAYS) + 1
#: How far back days are counted that were not yet.
REACH_DAYS = 400
#: A half-add is greeted when the member confirms.
WELCOME_WITHIN = timedelta(days=8)
_HERE = (FollowStatus.PRESENT, FollowStatus.HALF)
_PAID = ("paid", "finished")


@dataclass(slots=True)
class Numbers:
    """What came of a channel. `people`: new to the company; the rest are relations."""

    added: int = 0
    people: int = 0
    welcomed: int = 0
    kept_1: int = 0
    kept_7: int = 0
    kept_30: int = 0
    orders: int = 0
    amount_fen: int = 0


NAMES = tuple(Numbers.__dataclass_fields__)


def count_added_today(
    session: Session, states: Collection[str], now: datetime, zone: tzinfo
) -> dict[str, dict[str, int]]:
    """How many came to each member today through these channels: by state, then by userid."""
    since = day_began(local_datetime(now, zone).date(), zone)
    query = (
        select(F.c.state, F.c.userid, func.count())
        .where(F.c.added_at >= since, F.c.inherited.is_not(True))
        .group_by(F.c.state, F.c.userid)
        .with_hint(F, "INDEXED BY ix_follows_member_added", "sqlite")
    )
    wanted, found = set(states), dict[str, dict[str, int]]()
    for state, userid, count in session.execute(query):
        if state in wanted:
            found.setdefault(state, {})[userid] = count
    return found


def list_due_days(session: Session, now: datetime, zone: tzinfo) -> list[date]:
    """Days that are to be counted, the latest first: today and the day before, those whose numbers may still change
    once a day, and those that never were."""
    today = local_datetime(now, zone).date()
    first = session.execute(select(func.min(F.c.added_at))).scalar()
    if first is None:
        return []
    begin = max(local_datetime(first, zone).date(), today - timedelta(days=REACH_DAYS))
    query = select(D.c.day, D.c.counted_at).where(D.c.state == "", D.c.day >= begin)
    counted = {day: local_datetime(at, zone).date() for day, at in session.execute(query)}
    days = [today - timedelta(days=back) for back in range((today - begin).days + 1)]
    return [day for number, day in enumerate(days) if number < 2 or _is_due(day, counted.get(day), today)]


def _is_due(day: date, counted_on: date | None, today: date) -> bool:
    if counted_on is None:
        return True
    return counted_on < today and counted_on < day + timedelta(days=FINAL_AFTER_DAYS)


def count_day(session: Session, day: date, now: datetime, zone: tzinfo) -> None:
    """Count a day, in the place of what was counted of it before."""
    begin, end = day_began(day, zone), day_began(day + timedelta(days=1), zone)
    by_state: defaultdict[str, Numbers] = defaultdict(Numbers, {"": Numbers()})
    welcomed = exists(
        select(W.c.id).where(
            W.c.userid == F.c.userid, W.c.external_userid == F.c.external_userid, W.c.status == WelcomeStatus.SENT,
            W.c.received_at >= begin - timedelta(hours=1), W.c.received_at < end + WELCOME_WITHIN,
        )
    )  # fmt: skip
    that_day = (F.c.added_at >= begin, F.c.added_at < end)
    query = (
        select(F.c.state, F.c.status, F.c.added_at, F.c.ended_at, F.c.inherited, F.c.known_before, welcomed)
        .where(*that_day)
        .with_hint(F, "INDEXED BY ix_follows_member_added", "sqlite")
    )
    for state, status, added_at, ended_at, inherited, known_before, greeted in session.execute(query):
        numbers = by_state[state]
        numbers.added += 1
        numbers.people += not inherited and not known_before
        numbers.welcomed += bool(greeted)
        for days in KEPT_DAYS:
            until = added_at + timedelta(days=days)
            if until <= now and (status in _HERE if ended_at is None else ended_at >= until):
                setattr(numbers, f"kept_{days}", getattr(numbers, f"kept_{days}") + 1)
    bought = (
        select(F.c.state, F.c.added_at, O.c.placed_at, O.c.amount_fen)
        .join(O, and_(O.c.external_userid == F.c.external_userid, O.c.placed_at >= F.c.added_at))
        .where(*that_day, O.c.status.in_(_PAID), O.c.covered.is_not(True))
        .with_hint(F, "INDEXED BY ix_follows_member_added", "sqlite")
    )
    for state, added_at, placed_at, amount_fen in session.execute(bought):
        if placed_at < added_at + timedelta(days=ORDER_DAYS):
            by_state[state].orders += 1
            by_state[state].amount_fen += amount_fen
    session.execute(delete(ChannelDay).where(D.c.day == day))
    rows = [{"state": state, "day": day, "counted_at": now, **asdict(each)} for state, each in by_state.items()]
    session.execute(insert(ChannelDay), rows)


class DayOfChannels(NamedTuple):
    """A day (or, over all days, a channel) with its numbers."""

    key: Any
    added: int
    people: int
    welcomed: int
    kept_1: int
    kept_7: int
    kept_30: int
    orders: int
    amount_fen: int


_SUMS = tuple(func.coalesce(func.sum(D.c[name]), 0) for name in NAMES)


def list_days(session: Session, since: date, until: date, states: Collection[str] | None = None) -> list[DayOfChannels]:
    """The days from `since` to `until` with what came of these channels (None: of all), the first one first."""
    query = select(D.c.day, *_SUMS).where(*_of(session, since, until, states)).group_by(D.c.day).order_by(D.c.day)
    found = {row[0]: row for row in session.execute(query, _given(states))}
    none = (0,) * len(NAMES)
    days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
    return [DayOfChannels(day, *map(int, found[day][1:] if day in found else none)) for day in days]


def list_channels(
    session: Session, since: date, until: date, states: Collection[str] | None = None
) -> list[DayOfChannels]:
    """These channels (None: all) with what came of them over the days, those through which most came first."""
    added = func.sum(D.c.added)
    query = select(D.c.state, *_SUMS).where(*_of(session, since, until, states)).group_by(D.c.state)
    rows = session.execute(query.order_by(added.desc(), D.c.state), _given(states))
    return [DayOfChannels(row[0], *map(int, row[1:])) for row in rows]


def list_cells(session: Session, since: date, until: date, states: Collection[str] | None = None) -> Sequence[Any]:
    """Every channel on every day on which somebody came: (state, day, numbers …)."""
    columns = [D.c.state, D.c.day, *(D.c[name] for name in NAMES)]
    query = select(*columns).where(*_of(session, since, until, states)).order_by(D.c.day, D.c.state)
    return session.execute(query, _given(states)).all()


def find_counted_at(session: Session) -> datetime | None:
    """When days were counted last."""
    return session.execute(select(func.max(D.c.counted_at)).where(D.c.state == "")).scalar()


def map_names(session: Session, states: Collection[str] | None = None) -> dict[str, str]:
    """What channels are called, by state: ours, else as WeCom shows them. Of all, or of some."""
    others = select(col(Channel.state), col(Channel.name)).where(col(Channel.state) != "")
    ours = select(col(ChannelPlan.state), col(ChannelPlan.name))
    if states is not None:
        others, ours = others.where(col(Channel.state).in_(states)), ours.where(col(ChannelPlan.state).in_(states))
    return dict(session.execute(others).all()) | dict(session.execute(ours).all())


def _of(session: Session, since: date, until: date, states: Collection[str] | None) -> list[Any]:
    found: list[Any] = [D.c.day >= since, D.c.day <= until]
    if states is None:
        return [*found, D.c.state != ""]
    return [*found, among(session.get_bind().dialect.name, D.c.state, "states")]


def _given(states: Collection[str] | None) -> dict[str, Any]:
    return {} if states is None else {"states": sorted(states)}
