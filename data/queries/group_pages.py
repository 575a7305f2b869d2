"""Customer groups as people look through them: a page at a time, one with its members, sendings and days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import and_, exists, func, literal_column, or_, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import NotFoundError
from data.models import (
    Campaign,
    Customer,
    CustomerGroup,
    Follow,
    GroupMember,
    GroupRecipient,
    RecipientState,
    Run,
    Staff,
)
from data.rules.schedule import local_datetime

C: Any = CustomerGroup.__table__  # type: ignore[attr-defined]
M: Any = GroupMember.__table__  # type: ignore[attr-defined]
R: Any = GroupRecipient.__table__  # type: ignore[attr-defined]
S: Any = Staff.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
P: Any = Customer.__table__  # type: ignore[attr-defined]

#: Of a group of which only the end is known nobody knows when it was made: it comes last.
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def _made() -> Any:
    return func.coalesce(C.c.created_at, NEVER)


class GroupShown(NamedTuple):
    """A group as a row of a list. `members`: now in it, `customers` of them not of the staff."""

    chat_id: str
    name: str
    owner: str
    owner_name: str
    owner_left: bool
    created_at: datetime | None
    dismissed_at: datetime | None
    members: int
    customers: int

    @property
    def place(self) -> str:
        """Where the next page begins behind it."""
        return f"{int((self.created_at or NEVER).timestamp())}.{self.chat_id}"


def list_page(
    session: Session,
    userids: Collection[str] | None,
    *,
    text: str = "",
    dismissed: bool = False,
    limit: int = 50,
    before: tuple[datetime, str] | None = None,
) -> list[GroupShown]:
    """Groups, the newest first: those that are, or those that are `dismissed`; `userids`: of these owners alone."""
    # First which they are: SQLite would count the members of all before it sorts them.
    query = select(C.c.chat_id).outerjoin_from(C, S, S.c.userid == C.c.owner)
    query = query.where(C.c.dismissed_at.is_not(None) if dismissed else C.c.dismissed_at.is_(None))
    if userids is not None:
        query = query.where(C.c.owner.in_(userids))
    if text:
        named = [column.contains(text, autoescape=True) for column in (C.c.name, S.c.name)]
        query = query.where(or_(C.c.owner == text, C.c.chat_id == text, *named))
    if before is not None:
        at, chat_id = before
        query = query.where(or_(_made() < at, and_(_made() == at, C.c.chat_id < chat_id)))
    ids = session.execute(query.order_by(_made().desc(), C.c.chat_id.desc()).limit(limit)).scalars().all()
    rows = session.execute(_shown().where(C.c.chat_id.in_(ids)).order_by(_made().desc(), C.c.chat_id.desc()))
    return [GroupShown(*row) for row in rows]


def read_place(text: str) -> tuple[datetime, str] | None:
    """`GroupShown.place` as it came back; None for anything else."""
    at, dot, chat_id = text.partition(".")
    if not dot or not at.isascii() or not at.isdecimal() or len(at) > 11:
        return None
    return datetime.fromtimestamp(int(at), UTC), chat_id


def get_shown(session: Session, chat_id: str, userids: Collection[str] | None) -> GroupShown:
    """One group. Raises NotFoundError where there is none, or its owner is none of `userids`."""
    query = _shown().where(C.c.chat_id == chat_id)
    if userids is not None:
        query = query.where(C.c.owner.in_(userids))
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(Phrase("没有这个客户群，或者不在您能看到的范围内。"), Phrase("请从客户群列表进入。"))
    return GroupShown(*row)


def _shown() -> Any:
    def count(*more: Any) -> Any:
        there = and_(M.c.chat_id == C.c.chat_id, M.c.left_at.is_(None), *more)
        return select(func.count()).select_from(M).where(there).scalar_subquery()

    return select(
        C.c.chat_id, C.c.name, C.c.owner, func.coalesce(S.c.name, ""), S.c.gone_at.is_not(None), C.c.created_at,
        C.c.dismissed_at, count(), count(M.c.type == 2),
    ).outerjoin_from(C, S, S.c.userid == C.c.owner)  # fmt: skip


def is_member(session: Session, chat_id: str, userid: str) -> bool:
    """Whether somebody is in a group now."""
    query: Any = select(literal_column("1")).where(M.c.chat_id == chat_id, M.c.userid == userid, M.c.left_at.is_(None))
    return session.execute(query.limit(1)).first() is not None


class MemberShown(NamedTuple):
    """A member of a group. `seen`: a customer whose page who looks may open."""

    userid: str
    type: int
    name: str
    join_scene: int | None
    state: str
    joined_at: datetime | None
    left_at: datetime | None
    seen: bool


def list_members(
    session: Session,
    chat_id: str,
    userids: Collection[str] | None,
    *,
    gone: bool = False,
    after: str = "",
    limit: int = 100,
) -> list[MemberShown]:
    """Who is in a group, or was (`gone`), by their ids. `userids`: whose customers who looks may see; None: all."""
    theirs = [F.c.external_userid == M.c.userid]
    if userids is not None:
        theirs.append(F.c.userid.in_(userids))
    name = func.coalesce(S.c.name, P.c.name, "")
    query = (
        select(
            M.c.userid, M.c.type, name, M.c.join_scene, M.c.state, M.c.joined_at, M.c.left_at,
            exists(select(literal_column("1")).select_from(F).where(*theirs)),
        )
        .select_from(M)
        .outerjoin(S, and_(S.c.userid == M.c.userid, M.c.type == 1))
        .outerjoin(P, and_(P.c.external_userid == M.c.userid, M.c.type != 1))
        .where(M.c.chat_id == chat_id, M.c.userid > after, M.c.left_at.is_not(None) if gone else M.c.left_at.is_(None))
        .order_by(M.c.userid)
        .limit(limit)
    )  # fmt: skip
    return [MemberShown(*row) for row in session.execute(query)]


class Day(NamedTuple):
    """What came and went on a day."""

    day: date
    joined: int
    left: int


def list_days(session: Session, chat_id: str, now: datetime, zone: tzinfo, days: int = 30) -> list[Day]:
    """How many customers joined and left a group on each of the last days, the latest first."""
    since = now - timedelta(days=days)
    counts: dict[str, Counter[date]] = {}
    for name, column in (("joined", M.c.joined_at), ("left", M.c.left_at)):
        query = select(column).where(M.c.chat_id == chat_id, M.c.type == 2, column >= since)
        counts[name] = Counter(local_datetime(at, zone).date() for at in session.execute(query).scalars())
    today = local_datetime(now, zone).date()
    listed = [today - timedelta(days=number) for number in range(days)]
    return [Day(each, counts["joined"][each], counts["left"][each]) for each in listed]


class SendingShown(NamedTuple):
    """A run that was for a group, and what became of it there (the name of a RecipientState)."""

    run_id: int
    campaign_id: int
    name: str
    due_at: datetime
    state: str


def list_sendings(session: Session, chat_id: str, limit: int = 20) -> list[SendingShown]:
    """The latest runs that were for a group."""
    # By the whole key: the runs are few, and nothing else finds a group in each of them at once.
    recent = select(col(Run.id)).order_by(col(Run.id).desc()).limit(2000)
    query = (
        select(R.c.run_id, col(Run.campaign_id), col(Campaign.name), col(Run.due_at), R.c.state)
        .join(Run, col(Run.id) == R.c.run_id)
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(R.c.run_id.in_(recent), R.c.chat_id == chat_id)
        .order_by(R.c.run_id.desc())
        .limit(limit)
    )
    return [
        SendingShown(run_id, campaign_id, name, due_at, RecipientState(state).name.lower())
        for run_id, campaign_id, name, due_at, state in session.execute(query)
    ]
