"""What the staff assistant reads: a member's customers by what they are called, one of them, and what waits today.

Everything is led by the members whose customers are asked for: of a million follows a member has some hundreds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, literal_column, select
from sqlmodel import Session, col

from data.models import (
    Account,
    AssistantState,
    Campaign,
    Customer,
    Enrolment,
    Follow,
    FollowMobile,
    FollowStatus,
    JourneyRow,
    NextContact,
    Touch,
    Welcome,
    WelcomeStatus,
)
from data.queries import accounts as account_rows
from data.queries.customer_pages import Shown as ShownFollow
from data.queries.customer_pages import list_shown
from data.queries.customer_search import search
from data.queries.orders import OrdersSummary, sum_orders
from data.rules.assistant import REMEMBERED, Shown

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
M: Any = FollowMobile.__table__  # type: ignore[attr-defined]

#: Of those whom a search finds, so many are put in order.
RANKED = 100
TOUCHES = 3


# -- what was shown


def find_state(session: Session, userid: str, now: datetime) -> AssistantState | None:
    """What a member was shown, as long as they may mean it."""
    found = session.get(AssistantState, userid)
    return found if found is not None and found.until > now else None


def save_state(
    session: Session,
    userid: str,
    now: datetime,
    *,
    kind: Shown = Shown.NOTHING,
    numbers: Sequence[int] = (),
    follow_id: int | None = None,
) -> None:
    """Remember what a member is shown now."""
    state = session.get(AssistantState, userid, with_for_update=True) or AssistantState(userid=userid, until=now)
    state.kind, state.numbers, state.follow_id, state.until = kind, list(numbers), follow_id, now + REMEMBERED
    session.add(state)
    session.flush()


# -- who asks


class Asker(NamedTuple):
    """Who asks: whose customers they see (None: everybody's), their language (empty: not chosen) and role."""

    userid: str
    visible: frozenset[str] | None
    language: str = ""
    role: str = ""


def read_asker(session: Session, userid: str) -> Asker:
    """A member who writes to the app: without an account of the console they see their own customers."""
    account = session.execute(select(Account).where(col(Account.userid) == userid)).scalar_one_or_none()
    if account is None or not account_rows.is_open(session, account):
        return Asker(userid, frozenset({userid}))
    visible = account_rows.list_visible(session, account)
    return Asker(userid, visible if visible is None else visible | {userid}, account.language, account.role)


# -- customers


def find_follows(session: Session, text: str, asker: Asker, limit: int) -> list[int]:
    """The follows of customers whom an asker may see by name, remark, company, the end of a telephone number, or id.

    The asker's own, or where there is none those of others whom they see; first who is called just so and is still a
    contact, then the newest.
    """
    text = unicodedata.normalize("NFKC", text)
    found = search(session, text, [asker.userid], RANKED)
    if not found and asker.visible != frozenset({asker.userid}):
        found = search(session, text, asker.visible, RANKED)
    exact = text.casefold()

    def rank(shown: ShownFollow) -> tuple[bool, bool, int]:
        is_exact = exact in (shown.name.casefold(), shown.remark.casefold())
        return not is_exact, shown.status != FollowStatus.PRESENT, -shown.follow_id

    return [each.follow_id for each in sorted(list_shown(session, found), key=rank)[:limit]]


def find_follow(session: Session, follow_id: int, asker: Asker) -> Follow | None:
    """A follow that an asker may see."""
    follow = session.get(Follow, follow_id)
    if follow is None or (asker.visible is not None and follow.userid not in asker.visible):
        return None
    return follow


class Touched(NamedTuple):
    """Something that reached a customer; `name` of the campaign, where it was one."""

    at: datetime
    kind: str
    name: str


class Next(NamedTuple):
    """What a journey does next for a customer."""

    name: str
    due_at: datetime


class Profile(NamedTuple):
    """One customer as a member is shown them."""

    shown: ShownFollow
    orders: OrdersSummary
    touches: list[Touched]
    next_step: Next | None
    colleagues: int


def read_profile(session: Session, follow: Follow) -> Profile:
    """All that is told of the customer of a follow."""
    whose = follow.external_userid
    touches = session.execute(
        select(col(Touch.touched_at), col(Touch.kind), func.coalesce(col(Campaign.name), ""))
        .outerjoin(Campaign, col(Campaign.id) == col(Touch.campaign_id))
        .where(col(Touch.external_userid) == whose)
        .order_by(col(Touch.touched_at).desc(), col(Touch.id).desc())
        .limit(TOUCHES)
    )
    step = session.execute(
        select(func.coalesce(col(JourneyRow.name), ""), col(Enrolment.due_at))
        .outerjoin(JourneyRow, col(JourneyRow.id) == col(Enrolment.journey_id))
        .where(
            col(Enrolment.external_userid) == whose, col(Enrolment.ended_at).is_(None),
            col(Enrolment.held_out).is_not(True),
        )
        .order_by(col(Enrolment.due_at))
        .limit(1)
    ).first()  # fmt: skip
    others = select(func.count()).where(
        F.c.external_userid == whose, F.c.userid != follow.userid, F.c.status == FollowStatus.PRESENT.value
    )
    return Profile(
        list_shown(session, [follow.id or 0])[0],
        sum_orders(session, [whose]).get(whose, OrdersSummary(0, 0, 0, None)),
        [Touched(*row) for row in touches],
        None if step is None else Next(*step),
        int(session.execute(others).scalar_one()),
    )


# -- today


class Missed(NamedTuple):
    """A welcome that was not sent, with what it should have said."""

    follow_id: int | None
    name: str
    words: str


@dataclass(slots=True)
class Day:
    """What waits for a member beside their tasks: (follow, what the customer is called), the newest first, and how many
    there are."""

    unnamed: list[tuple[int, str]] = field(default_factory=list)
    unnamed_count: int = 0
    lost: list[tuple[int, str]] = field(default_factory=list)
    lost_count: int = 0
    missed: list[Missed] = field(default_factory=list)


_CALLED: Any = func.coalesce(func.nullif(F.c.remark, ""), func.nullif(C.c.name, ""), "")
_NAMED: Any = F.outerjoin(C, C.c.external_userid == F.c.external_userid)


def read_day(session: Session, userid: str, *, added_since: datetime, since: datetime, limit: int) -> Day:
    """A member's day: customers who came since `added_since` and have no remark; who left, and welcomes that failed,
    since `since`."""
    unnamed = (
        F.c.userid == userid, F.c.added_at >= added_since, F.c.remark == "", F.c.status == FollowStatus.PRESENT.value
    )  # fmt: skip
    lost = (F.c.userid == userid, F.c.status == FollowStatus.DELETED_BY_CUSTOMER.value, F.c.ended_at >= since)
    found = Day()
    found.unnamed, found.unnamed_count = _named_and_counted(session, unnamed, F.c.added_at, limit)
    found.lost, found.lost_count = _named_and_counted(session, lost, F.c.ended_at, limit)
    rows = session.execute(
        select(F.c.id, _CALLED, col(Welcome.words))
        .select_from(Welcome)
        .outerjoin(
            F, (F.c.userid == col(Welcome.userid)) & (F.c.external_userid == col(Welcome.external_userid))
        )
        .outerjoin(C, C.c.external_userid == col(Welcome.external_userid))
        .where(
            col(Welcome.userid) == userid, col(Welcome.received_at) >= since,
            col(Welcome.status) == WelcomeStatus.MISSED.value, col(Welcome.ended_at).is_(None),
        )
        .order_by(col(Welcome.id).desc())
        .limit(limit)
    )  # fmt: skip
    found.missed = [Missed(*row) for row in rows]
    return found


def _named_and_counted(
    session: Session, conditions: Sequence[Any], at: Any, limit: int
) -> tuple[list[tuple[int, str]], int]:
    rows = session.execute(
        select(F.c.id, _CALLED).select_from(_NAMED).where(*conditions).order_by(at.desc(), F.c.id).limit(limit)
    ).all()
    if len(rows) < limit:
        return [(row[0], row[1]) for row in rows], len(rows)
    count = session.execute(select(func.count()).select_from(F).where(*conditions)).scalar_one()
    return [(row[0], row[1]) for row in rows], int(count)


class DayCounts(NamedTuple):
    """How much of each waits for a member."""

    unnamed: int = 0
    lost: int = 0
    missed: int = 0


#: Written out: only then do the databases see that a partial index holds the rows.
_LEFT: Any = literal_column("'deleted_by_customer'")


def count_days(session: Session, *, added_since: datetime, since: datetime) -> dict[str, DayCounts]:
    """The same of all members, in numbers."""
    unnamed = (
        select(F.c.userid, func.count())
        .where(F.c.added_at >= added_since, F.c.remark == "", F.c.status == FollowStatus.PRESENT.value)
        .group_by(F.c.userid)
        .with_hint(F, "INDEXED BY ix_follows_member_added", "sqlite")
    )
    lost = select(F.c.userid, func.count()).where(F.c.status == _LEFT, F.c.ended_at >= since).group_by(F.c.userid)
    missed = (
        select(col(Welcome.userid), func.count())
        .where(
            col(Welcome.received_at) >= since, col(Welcome.status) == WelcomeStatus.MISSED.value,
            col(Welcome.ended_at).is_(None),
        )
        .group_by(col(Welcome.userid))
    )  # fmt: skip
    numbers = [dict(session.execute(query).all()) for query in (unnamed, lost, missed)]
    members = set[str]().union(*numbers)
    return {userid: DayCounts(*(of.get(userid, 0) for of in numbers)) for userid in members}


def count_contacts(session: Session, until: date) -> dict[str, int]:
    """With how many customers each member means to be in touch by a day."""
    query = (
        select(col(NextContact.userid), func.count())
        .join(
            Follow,
            (col(Follow.userid) == col(NextContact.userid))
            & (col(Follow.external_userid) == col(NextContact.external_userid)),
        )
        .where(
            literal_column("next_contacts.due_on IS NOT NULL"), col(NextContact.due_on) <= until,
            col(Follow.status) == FollowStatus.PRESENT.value,
        )
        .group_by(col(NextContact.userid))
    )  # fmt: skip
    return {userid: int(count) for userid, count in session.execute(query)}
