"""The customers as people look through them, a page at a time, with all that a row shows. One row is a follow, the pair
of a staff member and a customer. `userids`: only of these members (None: all)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, exists, func, literal_column, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import among
from data.errors import NotFoundError
from data.models import Customer, Follow, FollowTag, Staff, Tag
from data.queries.segment_plans import FEW, make_plan
from data.queries.segment_sql import selected
from data.queries.segments import asking, list_newest, plan_segment
from data.rules.segments import Node

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]
S: Any = Staff.__table__  # type: ignore[attr-defined]


class Shown(NamedTuple):
    """A follow as a row of a list, with its tags' names."""

    follow_id: int
    external_userid: str
    name: str
    remark: str
    type: int
    corp_name: str
    status: str
    state: str
    userid: str
    staff_name: str
    added_at: datetime | None
    touched_at: datetime | None
    remark_mobiles: Sequence[str]
    tags: Sequence[str]


def list_page(
    session: Session,
    tree: Node,
    now: datetime,
    zone: tzinfo,
    *,
    limit: int,
    before_id: int | None = None,
    userids: Collection[str] | None = None,
    among_ids: Collection[int] | None = None,
) -> list[Shown]:
    """Follows of a segment, newest first. `among_ids`: of these alone; `before_id`: only older ones than this."""
    if among_ids is None:
        ids = list_newest(session, tree, now, zone, limit=limit, before_id=before_id, userids=userids)
        return list_shown(session, ids)
    given = among_ids if before_id is None else [each for each in among_ids if each < before_id]
    query = _asked(session, tree, now, zone, userids, given, F.c.id)
    return list_shown(session, session.execute(query.order_by(F.c.id.desc()).limit(limit)).scalars().all())


def list_customers(
    session: Session,
    tree: Node,
    now: datetime,
    zone: tzinfo,
    *,
    limit: int,
    userids: Collection[str] | None = None,
    among_ids: Collection[int] | None = None,
) -> list[str]:
    """Some of the customers of a segment, each once."""
    query = _asked(session, tree, now, zone, userids, among_ids, F.c.external_userid)
    return list(session.execute(query.distinct().limit(limit)).scalars())


def count_by_member(
    session: Session,
    tree: Node,
    now: datetime,
    zone: tzinfo,
    *,
    userids: Collection[str] | None = None,
    among_ids: Collection[int] | None = None,
) -> dict[str, int]:
    """Whose customers a segment has, and how many of each member's, those with most first."""
    found = _asked(session, tree, now, zone, userids, among_ids, F.c.userid.label("userid")).subquery()
    number = func.count()
    query = select(found.c.userid, number).group_by(found.c.userid).order_by(number.desc(), found.c.userid)
    return dict(session.execute(query).all())


def _asked(
    session: Session,
    tree: Node,
    now: datetime,
    zone: tzinfo,
    userids: Collection[str] | None,
    among_ids: Collection[int] | None,
    column: Any,
) -> Select[Any]:
    if among_ids is None:
        plan = plan_segment(session, tree, now, zone, userids=userids)
        return selected(plan, column, in_order=plan.leader is None or plan.rows > FEW)
    plan = make_plan(session, tree, asking(session, tree, now, zone), one=True, userids=userids)
    listed = among(session.get_bind().dialect.name, F.c.id, "follows")
    return selected(plan, column, in_order=True).where(listed).params(follows=sorted(among_ids))


def list_shown(session: Session, ids: Iterable[int]) -> list[Shown]:
    """These follows with names and tags, newest first."""
    wanted = list(ids)
    if not wanted:
        return []
    tags: dict[int, list[str]] = {}
    dialect = session.get_bind().dialect.name
    for follow_id, name in session.execute(_tags_of(dialect), {"ids": wanted}):
        tags.setdefault(follow_id, []).append(name)
    return [Shown._make((*row, tags.get(row[0], []))) for row in session.execute(_rows_of(dialect), {"ids": wanted})]


@lru_cache
def _tags_of(dialect: str) -> Any:
    return (
        select(FT.c.follow_id, col(Tag.name))
        .join(Tag, col(Tag.tag_no) == FT.c.tag_no)
        .where(among(dialect, FT.c.follow_id, "ids"), col(Tag.deleted_at).is_(None))
        .order_by(col(Tag.order).desc(), col(Tag.tag_id))
    )


@lru_cache
def _rows_of(dialect: str) -> Any:
    """SELECT of what `Shown` has, in its order."""
    return (
        select(
            F.c.id, F.c.external_userid, func.coalesce(C.c.name, ""), F.c.remark, func.coalesce(C.c.type, 0),
            func.coalesce(C.c.corp_name, ""), F.c.status, F.c.state, F.c.userid, func.coalesce(S.c.name, ""),
            F.c.added_at, F.c.touched_at, F.c.remark_mobiles,
        )
        .select_from(F)
        .outerjoin(C, C.c.external_userid == F.c.external_userid)
        .outerjoin(S, S.c.userid == F.c.userid)
        .where(among(dialect, F.c.id, "ids"))
        .order_by(F.c.id.desc())
    )  # fmt: skip


def require_visible(session: Session, external_userid: str, userids: Collection[str] | None) -> None:
    """Raises NotFoundError for a customer whom nobody knows, or none of these members has or had."""
    query: Any = select(literal_column("1")).where(C.c.external_userid == external_userid)
    if userids is not None:
        query = query.where(exists().where(F.c.external_userid == external_userid, F.c.userid.in_(userids)))
    if session.execute(query.limit(1)).first() is None:
        raise NotFoundError(Phrase("没有这位客户，或者不在您能看到的范围内。"), Phrase("请从客户列表进入。"))


def map_names(session: Session, userids: Collection[str]) -> dict[str, str]:
    """The names of members, by userid."""
    query = select(S.c.userid, S.c.name).where(S.c.userid.in_(userids), S.c.name != "")
    return dict(session.execute(query).all()) if userids else {}
