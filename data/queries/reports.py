"""The report of a week or month by department and member: what was counted here, and what WeCom counts.

Every member's figures add up to the department's and the company's: a person is counted where they were new to the
company, an order where it belongs. Whoever may see only some members gets those alone, in SQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from datetime import date, datetime, tzinfo
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from sqlalchemy import Date, and_, bindparam, case, func, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import (
    Account,
    BehaviourDay,
    Campaign,
    Order,
    OwnerDay,
    ReportReader,
    Role,
    Run,
    Staff,
    StaffTask,
    StaffTaskStatus,
)
from data.queries.accounts import is_open, list_visible
from data.queries.batches import MADE
from data.queries.boards import B
from data.queries.numbers import IS_LEFT, IS_NEW, F, W
from data.queries.staff import NOWHERE, map_places
from data.queries.upsert import insert_into
from data.rules.orders import PAID
from data.rules.reports import Period, Span, days_of, spans_of
from data.rules.schedule import local_datetime
from data.rules.waves import CUSTOMERS, GROUPS
from data.types import UtcDateTime

O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741
T: Any = StaffTask.__table__  # type: ignore[attr-defined]
D: Any = BehaviourDay.__table__  # type: ignore[attr-defined]
G: Any = OwnerDay.__table__  # type: ignore[attr-defined]


@dataclass(slots=True)
class Figures:
    """What was counted. Relations and people apart: `added` relations began, by which `people` became customers.

    `left`: relations that customers ended. `tasks`: group-sends that staff were to confirm, `reached`: how often one
    arrived at a customer. `orders`: paid and kept. From `chats` on they are WeCom's; `replied` and `waited` are its
    rate and minutes times `rated` and `timed`, the chats that had them.
    """

    added: int = 0
    people: int = 0
    left: int = 0
    welcomed: int = 0
    missed: int = 0
    tasks: int = 0
    confirmed: int = 0
    reached: int = 0
    done: int = 0
    orders: int = 0
    amount_fen: int = 0
    chats: int = 0
    messages: int = 0
    rated: int = 0
    replied: float = 0.0
    timed: int = 0
    waited: float = 0.0
    deletions: int = 0
    group_messages: int = 0
    group_members: int = 0

    def add(self, other: Figures) -> None:
        """Count another's along."""
        for name in _NAMES:
            if number := getattr(other, name):
                setattr(self, name, getattr(self, name) + number)

    @property
    def net(self) -> int:
        """How many more relations there are."""
        return self.added - self.left

    @property
    def welcome_percent(self) -> float | None:
        """Of the welcomes that were to be sent, how many were in time."""
        return _percent(self.welcomed, self.welcomed + self.missed)

    @property
    def confirmed_percent(self) -> float | None:
        """Of the group-sends that staff were to confirm, how many were."""
        return _percent(self.confirmed, self.tasks)

    @property
    def reply_percent(self) -> float | None:
        """WeCom's reply rate, of several days and members weighted by their chats."""
        return round(self.replied / self.rated, 1) if self.rated else None

    @property
    def reply_minutes(self) -> float | None:
        """WeCom's mean time until the first answer, weighted alike."""
        return round(self.waited / self.timed, 1) if self.timed else None


_NAMES = tuple(each.name for each in fields(Figures))
#: A department's sums are added up of whole numbers, but for these; PostgreSQL gives decimals.
_KINDS = {"replied": float, "waited": float}


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


@dataclass(frozen=True, slots=True)
class Line:
    """A member's figures, with those of the period before; without a `userid` a department's, without a department
    those of nobody whom we know."""

    userid: str
    name: str
    department_id: int
    department: str
    now: Figures = field(default_factory=Figures)
    before: Figures = field(default_factory=Figures)


@dataclass(frozen=True)
class Report:
    """A period's members, by department and name. `told_until`: the last of its days of which WeCom's figures are
    here."""

    period: Period
    is_over: bool
    lines: list[Line]
    told_until: date | None = None

    @cached_property
    def total(self) -> Line:
        """All of them together."""
        return _sum_up(Line("", "", 0, ""), self.departments)

    @cached_property
    def departments(self) -> list[Line]:
        """Each department with the sum of its members."""
        found: dict[int, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.department_id, []).append(line)
        return [_sum_up(Line("", "", number, lines[0].department), lines) for number, lines in found.items()]

    def of_department(self, department_id: int) -> Report:
        """Its members in one department."""
        mine = [line for line in self.lines if line.department_id == department_id]
        return Report(self.period, self.is_over, mine, self.told_until)


def _sum_up(line: Line, lines: Iterable[Line]) -> Line:
    for each in lines:
        line.now.add(each.now)
        line.before.add(each.before)
    return line


def read_report(
    session: Session, period: Period, now: datetime, zone: tzinfo, userids: Collection[str] | None = None
) -> Report:
    """The report of a period and the one before it. `userids`: of these members alone."""
    today = local_datetime(now, zone).date()
    spans, days = spans_of(period, now, zone), days_of(period, today)
    counted, before = (_count(session, *which, userids) for which in zip(spans, days, strict=True))
    places = map_places(session)
    seats = {userid for userid in session.execute(_SEATS).scalars() if userids is None or userid in userids}
    lines = [
        Line(
            userid,
            *places.get(userid, NOWHERE),
            counted.get(userid, Figures()),
            before.get(userid, Figures()),
        )
        for userid in seats | counted.keys() | before.keys()
    ]
    lines.sort(key=lambda line: (line.department_id == 0, line.department, line.department_id, line.name, line.userid))
    return Report(period, now >= spans[0].end and today > period.last, lines, _told_until(session, days[0], userids))


_SEATS = select(col(Staff.userid)).where(col(Staff.follows_customers), col(Staff.gone_at).is_(None))


def _members() -> Any:
    """Whoever has follows, from one to the next: a thousand looks into an index of a million."""
    first = select(func.min(F.c.userid).label("userid")).cte("members", recursive=True)
    following = select(func.min(F.c.userid)).where(F.c.userid > first.c.userid).scalar_subquery()
    return first.union_all(select(following).where(first.c.userid.is_not(None)))


_MEMBERS = _members()


#: A report's instants and days in its statements, which are the same for all.
_SPAN: Any = SimpleNamespace(**{name: bindparam(name, type_=UtcDateTime()) for name in ("begin", "end")})
_DAYS: Any = SimpleNamespace(first=bindparam("first", type_=Date()), last=bindparam("last", type_=Date()))


def _count(session: Session, span: Span, days: Period, userids: Collection[str] | None) -> dict[str, Figures]:
    found: dict[str, Figures] = {}
    given = {**span._asdict(), "first": days.first, "last": days.last, "userids": sorted(userids or ())}
    for query, names in _statements(session.get_bind().dialect.name, narrowed=userids is not None):
        for userid, *numbers in session.connection().execute(query, given):
            figures = found.setdefault(userid, Figures())
            for name, number in zip(names, numbers, strict=True):
                setattr(figures, name, getattr(figures, name) + _KINDS.get(name, int)(number or 0))
    return found


@lru_cache
def _statements(dialect: str, *, narrowed: bool) -> list[tuple[Any, list[str]]]:
    """What is asked, and the names of what is counted. Made once: that takes longer than most of them."""
    found = []
    for column, query in _queries(narrowed=narrowed):
        names = [each.name for each in query.selected_columns][1:]
        found.append((query.where(among(dialect, column, "userids")) if narrowed else query, names))
    return found


def _queries(*, narrowed: bool) -> Iterable[tuple[Any, Any]]:
    """What is counted, each by the member that it is counted for. `narrowed`: to some members, who are named."""
    yield F.c.userid, _added(_SPAN, narrowed=narrowed)
    yield F.c.userid, _left(_SPAN)
    yield W.c.userid, _welcomes(_SPAN)
    yield B.c.userid, _broadcasts(_SPAN)
    yield T.c.answered_by, _tasks(_SPAN)
    yield O.c.credited_to, _orders(_SPAN)
    yield D.c.userid, _behaviour(_DAYS)
    yield G.c.userid, _groups(_DAYS)


def _count_if(condition: Any, name: str) -> Any:
    return func.sum(case((condition, 1), else_=0)).label(name)


def _within(column: Any, span: Span) -> Any:
    return and_(column >= span.begin, column < span.end)


def _added(span: Span, *, narrowed: bool) -> Any:
    """Member by member: the index is by them."""
    query = (
        select(F.c.userid, func.count().label("added"), _count_if(IS_NEW, "people"))
        .where(_within(F.c.added_at, span))
        .group_by(F.c.userid)
        .with_hint(F, "INDEXED BY ix_follows_member_added", "sqlite")
    )
    return query if narrowed else query.where(F.c.userid.in_(select(_MEMBERS.c.userid)))


def _left(span: Span) -> Any:
    return (
        select(F.c.userid, func.count().label("left"))
        .where(IS_LEFT, _within(F.c.ended_at, span))
        .group_by(F.c.userid)
        .with_hint(F, "INDEXED BY ix_follows_left", "sqlite")
    )


def _welcomes(span: Span) -> Any:
    sent, missed = (_count_if(W.c.status == status, name) for status, name in (("sent", "welcomed"), ("missed",) * 2))
    return select(W.c.userid, sent, missed).where(_within(W.c.received_at, span)).group_by(W.c.userid)


def _broadcasts(span: Span) -> Any:
    """Those that were made in these days, however late they were confirmed. Tests are none."""
    return (
        select(
            B.c.userid, func.count().label("tasks"), _count_if(B.c.confirmed_at.is_not(None), "confirmed"),
            func.sum(case((B.c.kind == CUSTOMERS, B.c.sent), else_=0)).label("reached"),
        )
        .select_from(B)
        .join(Run, col(Run.id) == B.c.run_id)
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        # A task is made while its run goes on: so only these runs' are looked at.
        .where(col(Run.started_at) < span.end, col(Run.valid_until) >= span.begin, col(Campaign.test_of).is_(None))
        .where(B.c.kind.in_((CUSTOMERS, GROUPS)), B.c.status.in_(MADE), _within(B.c.made_at, span))
        .group_by(B.c.userid)
    )  # fmt: skip


def _tasks(span: Span) -> Any:
    """By who has done them."""
    return (
        select(T.c.answered_by, func.count().label("done"))
        # Member by member: the index is by them.
        .where(T.c.answered_by.in_(select(col(Staff.userid))), _within(T.c.answered_at, span))
        .where(T.c.status == StaffTaskStatus.DONE)
        .group_by(T.c.answered_by)
    )


def _orders(span: Span) -> Any:
    kept = (O.c.status.in_([each.value for each in PAID]), O.c.covered.is_not(True))
    sums = (func.count().label("orders"), func.sum(O.c.amount_fen).label("amount_fen"))
    return (
        select(O.c.credited_to, *sums)
        .where(_within(O.c.placed_at, span), *kept)
        .group_by(O.c.credited_to)
        .with_hint(O, "INDEXED BY ix_orders_counted", "sqlite")
    )


def _behaviour(days: Period) -> Any:
    rated, timed = D.c.reply_percent.is_not(None), D.c.reply_minutes.is_not(None)
    return (
        select(
            D.c.userid, func.sum(D.c.chats).label("chats"), func.sum(D.c.messages).label("messages"),
            func.sum(D.c.deletions).label("deletions"),
            func.sum(case((rated, D.c.chats), else_=0)).label("rated"),
            func.sum(case((rated, D.c.chats * D.c.reply_percent), else_=0.0)).label("replied"),
            func.sum(case((timed, D.c.chats), else_=0)).label("timed"),
            func.sum(case((timed, D.c.chats * D.c.reply_minutes), else_=0.0)).label("waited"),
        )
        .where(D.c.day.between(days.first, days.last))
        .group_by(D.c.userid)
    )  # fmt: skip


def _groups(days: Period) -> Any:
    messages = func.sum(G.c.messages).label("group_messages")
    members = func.sum(G.c.members_new).label("group_members")
    return select(G.c.userid, messages, members).where(G.c.day.between(days.first, days.last)).group_by(G.c.userid)


def _told_until(session: Session, days: Period, userids: Collection[str] | None) -> date | None:
    query = select(func.max(D.c.day)).where(D.c.day.between(days.first, days.last))
    if userids is not None:
        query = query.where(among(session.get_bind().dialect.name, D.c.userid, "userids"))
    last: date | None = session.execute(query, {"userids": sorted(userids or ())}).scalar_one()
    return last


# -- who is sent it


class Reader(NamedTuple):
    """An account that can be sent the report, and whether it is."""

    account: Account
    is_chosen: bool


def list_readers(session: Session) -> list[Reader]:
    """Managers and admins who are members of the company: WeCom brings nothing to others."""
    chosen = set(session.execute(select(col(ReportReader.account_id))).scalars())
    query = (
        select(Account)
        .where(col(Account.userid).is_not(None), col(Account.role).in_((Role.MANAGER, Role.ADMIN)))
        .order_by(col(Account.name), col(Account.id))
    )
    return [Reader(each, each.id in chosen) for each in session.execute(query).scalars() if is_open(session, each)]


def choose_readers(session: Session, account_ids: Collection[int], by: str, now: datetime) -> list[int]:
    """Have these accounts sent the report, and no others; those of them who can be. Who was chosen before stays so."""
    able = {each.account.id for each in list_readers(session)}
    wanted = sorted({*account_ids} & {each for each in able if each is not None})
    for row in session.execute(select(ReportReader)).scalars():
        if row.account_id not in wanted:
            session.delete(row)
    for account_id in wanted:
        session.execute(
            insert_into(session, ReportReader)
            .values(account_id=account_id, chosen_by=by[:80], chosen_at=now)
            .on_conflict_do_nothing(index_elements=["account_id"])
        )
    return wanted


def list_chosen(session: Session) -> dict[str, frozenset[str] | None]:
    """Who is to be sent the report, by userid, and whose figures each of them sees; None: everybody's."""
    readers = [each.account for each in list_readers(session) if each.is_chosen]
    return {each.userid: list_visible(session, each) for each in readers if each.userid}
