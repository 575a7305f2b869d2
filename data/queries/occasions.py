"""What happened between staff and customers long ago, read for many at once: so that rules can be asked about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from data.models import Customer, CustomerGroup, Follow, GroupMember, Order
from data.queries.markings import in_audience, read_worn
from data.queries.segment_sql import Plan
from data.rules.markings import Audience
from data.rules.occasions import FollowRow, GroupJoin, Ordered
from data.rules.orders import PAID
from data.rules.tagging import Trigger

F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]

_COLUMNS = (
    F.c.id, F.c.userid, F.c.external_userid, F.c.state, F.c.add_way, F.c.added_at, F.c.remark, C.c.name,
    C.c.fetched_at,
)  # fmt: skip
_IDS: Any = bindparam("ids", expanding=True)
_JOINS = (
    select(col(GroupMember.userid), col(GroupMember.chat_id), col(GroupMember.joined_at))
    .join(CustomerGroup, col(CustomerGroup.chat_id) == col(GroupMember.chat_id))
    .where(col(GroupMember.userid).in_(_IDS), col(GroupMember.left_at).is_(None))
    .where(col(CustomerGroup.dismissed_at).is_(None))
)
_ORDERS = select(col(Order.external_userid), col(Order.source), col(Order.amount_fen), col(Order.placed_at)).where(
    col(Order.external_userid).in_(_IDS),
    col(Order.status).in_([status.value for status in PAID]),
    col(Order.covered).is_(False),
)


class Span(NamedTuple):
    """Follows whose numbers lie together, with what rules ask of them."""

    follows: list[FollowRow]
    worn: dict[int, frozenset[str]]
    joins: dict[str, list[GroupJoin]]
    orders: dict[str, list[Ordered]]


def read_span(
    session: Session,
    audience: Audience,
    segment: Plan | None,
    after: int,
    upto: int,
    tag_nos: Mapping[int, str],
    triggers: Collection[Trigger],
) -> Span:
    """The contacts of an audience whose follow's number is in (after, upto]; group joins and orders only if asked."""
    query = select(*_COLUMNS).join_from(F, C, C.c.external_userid == F.c.external_userid, isouter=True)
    rows = session.execute(in_audience(session, query, audience, segment, after, upto))
    follows = [FollowRow._make([*row[:-1], row[-1] is not None]) for row in rows]
    customers = sorted({follow.external_userid for follow in follows})
    joins: dict[str, list[GroupJoin]] = {}
    if Trigger.GROUP_JOIN in triggers and customers:
        for external_userid, chat_id, joined_at in session.execute(_JOINS, {"ids": customers}):
            joins.setdefault(external_userid, []).append(GroupJoin(chat_id, joined_at))
    orders: dict[str, list[Ordered]] = {}
    if Trigger.ORDER in triggers and customers:
        for external_userid, *told in session.execute(_ORDERS, {"ids": customers}):
            orders.setdefault(external_userid, []).append(Ordered._make(told))
    return Span(follows, read_worn(session, after, upto, tag_nos), joins, orders)
