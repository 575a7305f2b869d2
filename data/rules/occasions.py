"""The occasions on which auto-tagging rules are asked, made up afterwards from what is known of a follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from data.rules.tagging import OrderFacts, TagFacts, Trigger


class FollowRow(NamedTuple):
    """A contact as our rows have it. Not `fetched`: name and remark are not known."""

    follow_id: int
    userid: str
    external_userid: str
    state: str
    add_way: int | None
    added_at: datetime | None
    remark: str
    name: str | None
    fetched: bool


class GroupJoin(NamedTuple):
    """A customer group that the customer is in."""

    chat_id: str
    joined_at: datetime | None


class Ordered(NamedTuple):
    """A paid order of the customer."""

    source: str
    amount_fen: int
    placed_at: datetime


def occasions_of(
    follow: FollowRow,
    *,
    tag_ids: frozenset[str],
    department_ids: frozenset[int],
    joins: Iterable[GroupJoin] = (),
    orders: Sequence[Ordered] = (),
    triggers: Collection[Trigger],
    zone: tzinfo,
    now: datetime,
) -> list[TagFacts]:
    """What rules with any of `triggers` would have been asked about this follow, each at its own time.

    Nobody knows when the remark was last edited: an edit counts as made now.
    """
    moments: list[tuple[Trigger, datetime, str, OrderFacts | None]] = []
    if Trigger.ADD in triggers:
        moments.append((Trigger.ADD, follow.added_at or now, "", None))
    if Trigger.EDIT in triggers:
        moments.append((Trigger.EDIT, now, "", None))
    if Trigger.GROUP_JOIN in triggers:
        moments += [(Trigger.GROUP_JOIN, join.joined_at or now, join.chat_id, None) for join in joins]
    if Trigger.ORDER in triggers:
        # As when one is paid: it is asked about on each of the customer's follows.
        moments += [
            (Trigger.ORDER, order.placed_at, "", OrderFacts(order.source, order.amount_fen, len(orders)))
            for order in orders
        ]
    return [
        TagFacts(
            userid=follow.userid,
            external_userid=follow.external_userid,
            at=at,
            zone=zone,
            state=follow.state,
            department_ids=department_ids,
            trigger=trigger,
            add_way=follow.add_way,
            name=follow.name if follow.fetched else None,
            remark=follow.remark if follow.fetched else None,
            chat_id=chat_id,
            order=order,
            tag_ids=tag_ids,
        )
        for trigger, at, chat_id, order in moments
    ]
