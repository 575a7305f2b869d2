"""The numbers of some days: who came and who left, by day, member and channel; how welcomes went; what waits.

People and relations are counted apart: a customer whom a second member adds is one more relation and no new person.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, literal, literal_column, select, union_all
from sqlmodel import Session, col

from data.bulk import among
from data.models import (
    Approval,
    ApprovalStatus,
    Batch,
    BatchStatus,
    Campaign,
    Follow,
    FollowStatus,
    Run,
    RunStatus,
    Welcome,
    WelcomeStatus,
)
from data.queries.campaign_views import Sight, seen
from data.rules.schedule import day_began, local_datetime

W: Any = Welcome.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
#: Who is new to the company: neither handed over nor known to a colleague before.
IS_NEW = and_(F.c.inherited.is_not(True), F.c.known_before.is_not(True))
#: Ended by the customer, written as the partial index has it.
IS_LEFT = F.c.status == literal_column(f"'{FollowStatus.DELETED_BY_CUSTOMER.value}'")
TOP = 10


class DayNumbers(NamedTuple):
    """A day: relations that began, people who are new to the company among them, and relations that customers ended."""

    day: date
    added: int
    people: int
    left: int

    @property
    def net(self) -> int:
        """How many more relations there are after the day."""
        return self.added - self.left


class Share(NamedTuple):
    """A member or a channel with the relations that began, the new people among them, and what customers ended."""

    key: str
    added: int
    people: int
    left: int = 0

    @property
    def net(self) -> int:
        """How many more relations there are."""
        return self.added - self.left


def list_days(
    session: Session, now: datetime, zone: tzinfo, days: int, userids: Collection[str] | None = None
) -> list[DayNumbers]:
    """The last so many days, today last. `userids`: of these members alone."""
    last = local_datetime(now, zone).date()
    wanted = [last - timedelta(days=back) for back in reversed(range(days))]
    spans = [(each, day_began(each, zone), day_began(each + timedelta(days=1), zone)) for each in wanted]
    mine, given = _among(session, userids)
    # All days at once: to leap from member to member takes as long for one day as for thirty.
    begun = (
        select(_number_of(F.c.added_at, spans).label("day"), case((IS_NEW, 1), else_=0).label("new"))
        .where(F.c.added_at >= spans[0][1], F.c.added_at < spans[-1][2], *mine)
        .with_hint(F, "INDEXED BY ix_follows_member_added", "sqlite")
        .subquery()
    )
    came = select(begun.c.day, func.count(), func.sum(begun.c.new)).group_by(begun.c.day)
    gone = union_all(
        *(
            select(literal(number), func.count())
            .where(IS_LEFT, F.c.ended_at >= begin, F.c.ended_at < end, *mine)
            # A day's are few, however few members they are asked of.
            .with_hint(F, "INDEXED BY ix_follows_left", "sqlite")
            for number, (_, begin, end) in enumerate(spans)
        )
    )
    added = {number: (count, int(people)) for number, count, people in session.execute(came, given)}
    left: dict[int, int] = dict(session.execute(gone, given).all())
    return [DayNumbers(day, *added.get(number, (0, 0)), left[number]) for number, (day, _, _) in enumerate(spans)]


def _number_of(column: Any, spans: Sequence[tuple[date, datetime, datetime]], first: int = 0) -> Any:
    """Which of some spans that follow each other an instant is in: by halves, for it is asked of each row."""
    if len(spans) == 1:
        return literal(first)
    half = len(spans) // 2
    earlier, later = _number_of(column, spans[:half], first), _number_of(column, spans[half:], first + half)
    return case((column < spans[half][1], earlier), else_=later)


def list_shares(
    session: Session, by: str, now: datetime, zone: tzinfo, days: int, userids: Collection[str] | None = None
) -> list[Share]:
    """The members (`by` userid) or channels (`by` state) through which most came within the last so many days."""
    since = day_began(local_datetime(now, zone).date() - timedelta(days=days - 1), zone)
    mine, given = _among(session, userids)
    count = func.count()
    query = (
        select(F.c[by], count, func.coalesce(func.sum(case((IS_NEW, 1), else_=0)), 0))
        .where(F.c.added_at >= since, *mine)
        .group_by(F.c[by])
        .order_by(count.desc(), F.c[by])
        .limit(TOP)
        .with_hint(F, "INDEXED BY ix_follows_member_added", "sqlite")
    )
    found = session.execute(query, given).all()
    gone = (
        select(F.c[by], func.count())
        .where(IS_LEFT, F.c.ended_at >= since, F.c[by].in_([row[0] for row in found]), *mine)
        .group_by(F.c[by])
        .with_hint(F, "INDEXED BY ix_follows_left", "sqlite")
    )
    left: dict[str, int] = dict(session.execute(gone, given).all()) if found else {}
    return [Share(key, added, int(people), left.get(key, 0)) for key, added, people in found]


class WelcomeNumbers(NamedTuple):
    """Welcomes since an instant."""

    sent: int
    missed: int


def count_welcomes(session: Session, since: datetime, userids: Collection[str] | None = None) -> WelcomeNumbers:
    """How welcomes went."""
    mine = (
        [] if userids is None else [among(session.get_bind().dialect.name, W.c.userid, "userids")]
    )  # fmt: skip
    query = (
        select(col(Welcome.status), func.count())
        .where(col(Welcome.received_at) >= since, *mine)
        .group_by(col(Welcome.status))
    )
    found: dict[str, int] = dict(session.execute(query, _given(userids)).all())
    return WelcomeNumbers(found.get("sent", 0), found.get("missed", 0))


#: Of so many, the latest, one asks how long they took.
TIMED = 500


def time_welcomes(session: Session, since: datetime, userids: Collection[str] | None = None) -> list[float]:
    """Seconds that the latest welcomes since an instant took, from the event to WeCom's answer, the quickest first."""
    mine = [] if userids is None else [among(session.get_bind().dialect.name, W.c.userid, "userids")]
    query = (
        select(W.c.received_at, W.c.sent_at)
        .where(W.c.received_at >= since, W.c.status == WelcomeStatus.SENT.value, W.c.sent_at.is_not(None), *mine)
        .order_by(W.c.received_at.desc())
        .limit(TIMED)
    )
    return sorted(
        max((sent - received).total_seconds(), 0.0) for received, sent in session.execute(query, _given(userids))
    )


class Waiting(NamedTuple):
    """What of campaigns waits for a person."""

    approvals: int
    words_due: int
    paused: int
    unknown: int


def count_waiting(session: Session, now: datetime, sight: Sight, *, decides: bool) -> Waiting:
    """Requests for approval, runs without words, paused ones, and calls whose outcome nobody knows, of the campaigns
    that somebody sees. Whoever `decides` sees all requests."""
    is_seen, given = seen(session, sight)
    approvals = (
        select(func.count())
        .select_from(Approval)
        .join(Campaign, col(Campaign.id) == col(Approval.campaign_id))
        .where(col(Approval.status) == ApprovalStatus.PENDING, col(Approval.expires_at) > now)
    )
    if not decides:
        approvals = approvals.where(is_seen)
    runs = (
        select(col(Run.status), func.count())
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(col(Run.status).in_([RunStatus.WORDS_DUE, RunStatus.PAUSED]), is_seen)
        .group_by(col(Run.status))
    )
    unknown = (
        select(func.count())
        .select_from(Batch)
        .join(Run, col(Run.id) == col(Batch.run_id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(col(Batch.status) == BatchStatus.UNKNOWN, is_seen)
    )
    by_status: dict[str, int] = dict(session.execute(runs, given).all())
    return Waiting(
        int(session.execute(approvals, {} if decides else given).scalar_one()),
        by_status.get(RunStatus.WORDS_DUE, 0),
        by_status.get(RunStatus.PAUSED, 0),
        int(session.execute(unknown, given).scalar_one()),
    )


def _among(session: Session, userids: Collection[str] | None) -> tuple[list[Any], dict[str, Any]]:
    if userids is None:
        return [], {}
    return [among(session.get_bind().dialect.name, F.c.userid, "userids")], _given(userids)


def _given(userids: Collection[str] | None) -> dict[str, Any]:
    return {} if userids is None else {"userids": sorted(userids)}
