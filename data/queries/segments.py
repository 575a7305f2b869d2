"""Asking segments: how many, who, and why. The unit is the follow: a staff member and a customer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, case, func, select
from sqlmodel import Session

from bot.phrases import Phrase
from data.bulk import among
from data.db import Database
from data.errors import NotFoundError
from data.models import Customer, FollowStatus, Staff
from data.queries.customers import find_last_follow_id
from data.queries.segment_names import read_known
from data.queries.segment_plans import lower, make_plan, prepare, simplified
from data.queries.segment_sql import Plan, counted, is_tagged, rows_where, selected, sql_of
from data.queries.segment_terms import Asking, F, Is, SetTerm, opposite
from data.rules.segments import Node, list_nodes, names_status

#: Follows that are looked at at a time when all of a segment are gone through.
CHUNK_ROWS = 5_000
#: So many of the newest are looked at, whatever a page is of.
LOOKED_AT = 4_000

C: Any = Customer.__table__  # type: ignore[attr-defined]
S: Any = Staff.__table__  # type: ignore[attr-defined]
_WHO = (F.c.id, F.c.userid, F.c.external_userid)


class Recipient(NamedTuple):
    """One follow of a segment."""

    follow_id: int
    userid: str
    external_userid: str


def asking(session: Session, tree: Node, now: datetime, zone: tzinfo) -> Asking:
    """What a tree is asked with. Days are those of `zone`."""
    return Asking(now, zone, session.get_bind().dialect.name, read_known(session, tree))


def plan_segment(
    session: Session,
    tree: Node,
    now: datetime,
    zone: tzinfo,
    *,
    whole: bool = False,
    userids: Collection[str] | None = None,
) -> Plan:
    """How a segment is asked just now; the plan can be used again, on the same database.

    `whole`: all of the segment is asked for in one statement. `userids`: of these members' follows alone.
    """
    prepare(session)
    return make_plan(session, tree, asking(session, tree, now, zone), whole=whole, userids=userids)


def count(session: Session, tree: Node, now: datetime, zone: tzinfo, *, customers: bool = False) -> int:
    """How many follows a segment has, or how many different customers."""
    if customers:
        return count_both(session, tree, now, zone).customers
    plan = plan_segment(session, tree, now, zone, whole=True)
    return int(session.execute(counted(plan)).scalar_one())


class Counted(NamedTuple):
    """How many follows, and how many different customers they are of."""

    follows: int
    customers: int


def count_both(
    session: Session, tree: Node, now: datetime, zone: tzinfo, userids: Collection[str] | None = None
) -> Counted:
    """How many of both a segment has, in one walk. `userids`: of these members' follows alone."""
    plan = plan_segment(session, tree, now, zone, whole=True, userids=userids)
    # Only customers whom several members have are told apart.
    alone = func.coalesce(func.sum(case((F.c.shared, 0), else_=1)), 0)
    others = func.count(case((F.c.shared, F.c.external_userid)).distinct())
    follows, single, several = session.execute(selected(plan, func.count(), alone, others)).one()
    return Counted(follows, single + several)


def sample(session: Session, tree: Node, now: datetime, zone: tzinfo, size: int, *, seed: int = 0) -> list[Recipient]:
    """Some of a segment, spread over all of it; the same ones for the same seed. Costs as much as counting."""
    plan = plan_segment(session, tree, now, zone, whole=True)
    # A multiplicative hash of the id; the numbers stay within 63 bits.
    scrambled = ((F.c.id + seed % 1_000_003) % 1_000_000_007) * 2_654_435_761 % 4_294_967_296
    rows = session.execute(selected(plan, *_WHO).order_by(scrambled, F.c.id).limit(size))
    return [Recipient(*row) for row in rows]


def list_newest(
    session: Session,
    tree: Node,
    now: datetime,
    zone: tzinfo,
    *,
    limit: int,
    before_id: int | None = None,
    userids: Collection[str] | None = None,
) -> list[int]:
    """Ids of a segment's follows, newest first.

    `before_id`: only older ones than this follow; `userids`: only these members'. Most pages are full after a look at
    the newest; what a segment is best asked by is found out where that one is not.
    """
    prepare(session)
    asked = asking(session, tree, now, zone)
    last = find_last_follow_id(session) if before_id is None else before_id - 1
    plan, older = _near(session, make_plan(session, tree, asked, one=True, userids=userids), last)
    near = selected(plan, F.c.id, within=(older, last)).order_by(F.c.id.desc()).limit(limit)
    found = list(session.execute(near).scalars())
    if len(found) == limit or older <= 0 or plan.never:
        return found
    plan = make_plan(session, tree, asked, page=True, userids=userids)
    return found + list(session.execute(_newest(plan, older).limit(limit - len(found))).scalars())


def _near(session: Session, plan: Plan, last: int) -> tuple[Plan, int]:
    """How to look at the newest follows up to one, and where these end: so many of all, or of those with the rarest of
    the tags that are asked for."""
    older, leader = last - LOOKED_AT, plan.leader
    for each in plan.conjuncts:
        match each:
            case Is(SetTerm(unique=True) as term, True) if term.of_tags:
                rows = select(term.member).where(*rows_where(term, plan), term.member <= last)
                in_order = rows.order_by(term.member.desc()).offset(LOOKED_AT).limit(1)
                end = session.execute(in_order).scalar() or 0
                older, leader = (end, each) if end < older else (older, leader)
    return replace(plan, leader=leader), older


def _newest(plan: Plan, until: int) -> Any:
    """SELECT of the ids up to one, newest first: on the way through whatever leads, where that lies in their order."""
    if plan.leader is None or is_tagged(plan.leader):
        return selected(plan, F.c.id, within=(0, until)).order_by(F.c.id.desc())
    return selected(plan, F.c.id).where(F.c.id <= until).order_by(F.c.id.desc())


def list_page(
    session: Session,
    tree: Node,
    now: datetime,
    zone: tzinfo,
    *,
    limit: int,
    before_id: int | None = None,
    userids: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Follows of a segment with names, newest first.

    `before_id`: only older ones than this follow; `userids`: only these members'.
    """
    ids = list_newest(session, tree, now, zone, limit=limit, before_id=before_id, userids=userids)
    columns = (
        F.c.id, F.c.userid, S.c.name.label("staff_name"), F.c.external_userid, C.c.name, F.c.remark, F.c.status,
        F.c.state, F.c.added_at,
    )  # fmt: skip
    rows = session.execute(
        select(*columns)
        .select_from(F)
        .outerjoin(C, C.c.external_userid == F.c.external_userid)
        .outerjoin(S, S.c.userid == F.c.userid)
        .where(F.c.id.in_(ids))
        .order_by(F.c.id.desc())
    )
    return [dict(row) for row in rows.mappings()]


async def iterate(db: Database, tree: Node, now: datetime, zone: tzinfo) -> AsyncIterator[list[Recipient]]:
    """All of a segment in the order of their ids, many at a time: memory does not grow with their number.

    What the segment means is fixed at the beginning; each part is read as it is when its turn comes. Follows that are
    made meanwhile are not visited.
    """
    plan, after, end = await db.read(_begin, tree, now, zone)
    while after < end:
        found, after = await db.read(read_part, plan, after, end)
        if found:
            yield found


def _begin(session: Session, tree: Node, now: datetime, zone: tzinfo) -> tuple[Plan, int, int]:
    plan = plan_segment(session, tree, now, zone)
    last = 0 if plan.never else find_last_follow_id(session)
    return plan, 0, last


_AFTER: Any = bindparam("after")
_UNTIL: Any = bindparam("until")


def next_end_of(chunk_rows: int) -> Any:
    """SELECT of the id at which the next so many follows end."""
    ids = select(F.c.id).where(F.c.id > _AFTER, F.c.id <= _UNTIL).order_by(F.c.id).limit(chunk_rows)
    return select(func.max(ids.with_hint(F, "NOT INDEXED", "sqlite").subquery().c.id))


_NEXT_END = next_end_of(CHUNK_ROWS)


def plan_everybody(session: Session, now: datetime, zone: tzinfo) -> Plan:
    """The same for all present follows."""
    asked = Asking(now, zone, session.get_bind().dialect.name, read_known(session))
    return Plan(asked, (), live=True)


def read_part(
    session: Session, plan: Plan, after: int, end: int, where: Sequence[ColumnElement[bool]] = ()
) -> tuple[list[Recipient], int]:
    """The recipients among the next follows for which `where` holds too, and the id of the last follow that was looked
    at."""
    prepare(session)
    until = session.execute(_next_end(plan), {"after": after, "until": end}).scalar()
    if until is None:
        return [], end
    part = selected(plan, *_WHO, within=(_AFTER, _UNTIL)).where(*where).order_by(F.c.id)
    rows = session.execute(part, {"after": after, "until": until})
    return [Recipient(*row) for row in rows], until


def _next_end(plan: Plan) -> Any:
    """SELECT of where a part ends: so many follows on, or so many with the tag that leads."""
    term = plan.leader.term if plan.leader is not None else None
    if not (isinstance(term, SetTerm) and term.of_tags and term.unique and plan.live):
        return _NEXT_END
    rows = (
        select(term.member.label("id"))
        .where(*term.where, term.member.table.c.live.is_(True), term.member > _AFTER, term.member <= _UNTIL)
        .order_by(term.member)
        .limit(CHUNK_ROWS)
    )
    return select(func.max(rows.subquery().c.id))


def find_follow_id(session: Session, userid: str, external_userid: str) -> int:
    """The id of a pair. Raises NotFoundError."""
    query = select(F.c.id).where(F.c.userid == userid, F.c.external_userid == external_userid)
    found = session.execute(query).scalar()
    if found is None:
        raise NotFoundError(
            Phrase("成员 %(userid)s 没有客户 %(external_userid)s。", userid=userid, external_userid=external_userid),
            Phrase("请核对 userid 和 external_userid。"),
        )
    return int(found)


def matches(session: Session, tree: Node, now: datetime, zone: tzinfo, follow_id: int) -> bool:
    """Whether one follow is of the segment."""
    plan = make_plan(session, tree, asking(session, tree, now, zone), one=True)
    one = selected(plan, F.c.id, in_order=True).where(F.c.id == follow_id)
    return session.execute(one).first() is not None


def list_members(
    session: Session, tree: Node, now: datetime, zone: tzinfo, follow_ids: Collection[int]
) -> frozenset[str]:
    """The customers of whom one of some follows is of the segment."""
    if not follow_ids:
        return frozenset()
    plan = make_plan(session, tree, asking(session, tree, now, zone), one=True)
    listed = among(session.get_bind().dialect.name, F.c.id, "follows")
    some = selected(plan, F.c.external_userid, in_order=True).where(listed)
    return frozenset(session.execute(some, {"follows": sorted(follow_ids)}).scalars())


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a follow is of a segment, and of every node (by its path) whether it holds; None: that is not known.

    `status`: how the two stand. Where the tree has no `status` leaf they have to be present.
    """

    matches: bool
    status: str
    status_counts: bool
    holds: dict[str, bool | None]

    def to_json(self) -> dict[str, Any]:
        return {
            "matches": self.matches,
            "status": self.status,
            "must_be_present": not self.status_counts,
            "nodes": [{"path": path, "holds": holds} for path, holds in self.holds.items()],
        }


def explain(session: Session, tree: Node, now: datetime, zone: tzinfo, follow_id: int) -> Explanation:
    """Why a follow is of a segment, or is not. Raises NotFoundError."""
    asked = asking(session, tree, now, zone)
    plan = Plan(asked, (), live=False, few=True)
    columns: list[Any] = [F.c.status]
    paths: list[str] = []
    for path, node in list_nodes(tree):
        condition = lower(node, asked)
        columns.append(sql_of(simplified(condition), plan).label(f"yes{len(paths)}"))
        columns.append(sql_of(simplified(opposite(condition)), plan).label(f"no{len(paths)}"))
        paths.append(path)
    row = session.execute(select(*columns).select_from(F).where(F.c.id == follow_id)).one_or_none()
    if row is None:
        raise NotFoundError(
            Phrase("没有编号为 %(follow_id)s 的跟进关系。", follow_id=follow_id), Phrase("请核对编号。")
        )
    status, *values = row
    holds = {
        path: True if values[2 * number] else False if values[2 * number + 1] else None
        for number, path in enumerate(paths)
    }
    status_counts = names_status(tree)
    found = holds[paths[0]] is True and (status_counts or status == FollowStatus.PRESENT)
    return Explanation(found, status, status_counts, holds)
