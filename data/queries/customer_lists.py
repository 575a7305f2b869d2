"""Customers listed page by page, by their key, and one with everything that is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, func, literal_column, select
from sqlmodel import Session, col

from data.bulk import among
from data.errors import NotFoundError
from data.models import Customer, CustomerGroup, Follow, FollowTag, GroupMember, Tag, TagGroup
from data.queries.customer_search import search
from data.queries.fields import list_values
from data.queries.orders import OrdersSummary, sum_orders

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]

#: Written out, not bound: only then do the databases see that the partial index holds the rows.
_PRESENT: Any = literal_column("'present'")
#: So few rows are sorted faster than customers are walked through in the hope of meeting them.
FEW = 10_000


class CustomerFilter(NamedTuple):
    """Which customers: all that is given holds for one of their follows. `changed_since`: when it last changed.
    `text`: their id, the end of a telephone number or a part of what they are called."""

    userid: str | None = None
    status: str | None = None
    tag_id: str | None = None
    changed_since: datetime | None = None
    text: str = ""


def list_ids(session: Session, wanted: CustomerFilter, after: str = "", limit: int = 50) -> list[str]:
    """The next customers by id, from after `after`.

    What is rare (a tag on few, few changes) is looked up and sorted; what is common is met while walking in the order
    of the ids. Both are index work whatever the number of customers.
    """
    if wanted == CustomerFilter():
        query = select(C.c.external_userid).where(C.c.external_userid > after).order_by(C.c.external_userid)
        return list(session.execute(query.limit(limit)).scalars())
    tag_no = None
    if wanted.tag_id is not None:
        tag_no = session.execute(select(col(Tag.tag_no)).where(col(Tag.tag_id) == wanted.tag_id)).scalar()
        if tag_no is None:
            return []
    if wanted.text:
        ids = search(session, wanted.text, None if wanted.userid is None else {wanted.userid})
        named = select(F.c.external_userid).where(among(session.get_bind().dialect.name, F.c.id, "ids"))
        found = set(session.execute(named.where(*_conditions(wanted, tag_no)), {"ids": ids}).scalars())
        return sorted(each for each in found if each > after)[:limit]
    few = None if wanted.userid is not None else _find_few(session, wanted, tag_no)
    if few is not None:
        # Sorted here: a database that is asked for the first by id walks all of them in that order instead.
        joined = select(F.c.external_userid).join(few.ids, few.ids.c.id == F.c.id)
        found = set(session.execute(joined.where(*_conditions(few.left, few.left_tag_no))).scalars())
        return sorted(each for each in found if each > after)[:limit]
    conditions = [*_conditions(wanted, tag_no), F.c.external_userid > after]
    walk = select(F.c.external_userid).where(*conditions).order_by(F.c.external_userid).distinct().limit(limit)
    return list(session.execute(walk).scalars())


def _conditions(wanted: CustomerFilter, tag_no: int | None) -> list[Any]:
    found: list[Any] = []
    if wanted.userid is not None:
        found.append(F.c.userid == wanted.userid)
    if wanted.status is not None:
        found.append(F.c.status == wanted.status)
    if wanted.changed_since is not None:
        found.append(F.c.changed_at >= wanted.changed_since)
    if tag_no is not None:
        found.append(exists().where(FT.c.follow_id == F.c.id, FT.c.tag_no == tag_no))
    return found


class Few(NamedTuple):
    """A subquery of the follows that one condition leaves, and the conditions still to be asked of them."""

    ids: Any
    left: CustomerFilter
    left_tag_no: int | None


def _find_few(session: Session, wanted: CustomerFilter, tag_no: int | None) -> Few | None:
    """The follows that can be meant, if one condition leaves only few."""
    narrow: list[tuple[Any, CustomerFilter, int | None]] = []
    if tag_no is not None:
        narrow.append((select(FT.c.follow_id.label("id")).where(FT.c.tag_no == tag_no), wanted, None))
    if wanted.changed_since is not None:
        changed = select(F.c.id).where(F.c.changed_at >= wanted.changed_since)
        narrow.append((changed, wanted._replace(changed_since=None), tag_no))
    if wanted.status not in (None, "present"):
        status = select(F.c.id).where(F.c.status == wanted.status, F.c.status != _PRESENT)
        narrow.append((status, wanted._replace(status=None), tag_no))
    for query, left, left_tag_no in narrow:
        ids = query.limit(FEW + 1).subquery()
        if session.execute(select(func.count()).select_from(ids)).scalar_one() <= FEW:
            return Few(ids, left, left_tag_no)
    return None


class TagShown(NamedTuple):
    """A tag on a follow."""

    tag_id: str
    name: str
    group_name: str


class FollowShown(NamedTuple):
    """A follow with its tags."""

    follow: Follow
    tags: list[TagShown]


class GroupShown(NamedTuple):
    """A customer group that the customer is in, or was."""

    chat_id: str
    name: str
    joined_at: datetime | None
    left_at: datetime | None


class CustomerShown(NamedTuple):
    """A customer with follows; `groups`, `fields` and `orders` only where one customer is asked for."""

    customer: Customer
    follows: list[FollowShown]
    groups: list[GroupShown]
    fields: dict[str, Any]
    orders: OrdersSummary


def list_customers(
    session: Session, wanted: CustomerFilter, after: str = "", limit: int = 50
) -> list[tuple[Customer, list[FollowShown]]]:
    """The next customers by id with their follows and tags."""
    ids = list_ids(session, wanted, after, limit)
    found = session.execute(
        select(Customer).where(col(Customer.external_userid).in_(ids)).order_by(col(Customer.external_userid))
    )
    follows = _follows(session, ids)
    return [(customer, follows.get(customer.external_userid, [])) for customer in found.scalars()]


def get_customer(session: Session, external_userid: str) -> CustomerShown:
    """Everything about one customer. Raises NotFoundError."""
    customer = session.get(Customer, external_userid)
    if customer is None:
        raise NotFoundError("There is no such customer.", "Check the id; siyu sync reads all customers from WeCom.")
    groups = session.execute(_GROUPS, {"userid": external_userid})
    return CustomerShown(
        customer,
        _follows(session, [external_userid]).get(external_userid, []),
        [GroupShown(*row) for row in groups],
        list_values(session, [external_userid]).get(external_userid, {}),
        sum_orders(session, [external_userid]).get(external_userid, OrdersSummary(0, 0, 0, None)),
    )


def _follows(session: Session, external_userids: Sequence[str]) -> dict[str, list[FollowShown]]:
    dialect = session.get_bind().dialect.name
    follows = list(session.execute(_follows_of(dialect), {"ids": list(external_userids)}).scalars())
    tags: dict[int, list[TagShown]] = {}
    rows = session.execute(_tags_of(dialect), {"ids": [follow.id for follow in follows]})
    for follow_id, tag_id, name, group_name in rows:
        tags.setdefault(follow_id, []).append(TagShown(tag_id, name, group_name or ""))
    found: dict[str, list[FollowShown]] = {}
    for follow in follows:
        found.setdefault(follow.external_userid, []).append(FollowShown(follow, tags.get(follow.id or 0, [])))
    return found


_GROUPS = (
    select(col(GroupMember.chat_id), col(CustomerGroup.name), col(GroupMember.joined_at), col(GroupMember.left_at))
    .join(CustomerGroup, col(CustomerGroup.chat_id) == col(GroupMember.chat_id))
    .where(col(GroupMember.userid) == bindparam("userid"))
    .order_by(col(GroupMember.joined_at))
)


@lru_cache
def _follows_of(dialect: str) -> Any:
    return select(Follow).where(among(dialect, F.c.external_userid, "ids")).order_by(col(Follow.id))


@lru_cache
def _tags_of(dialect: str) -> Any:
    return (
        select(FT.c.follow_id, col(Tag.tag_id), col(Tag.name), col(TagGroup.name))
        .join(Tag, col(Tag.tag_no) == FT.c.tag_no)
        .outerjoin(TagGroup, col(TagGroup.group_id) == col(Tag.group_id))
        .where(among(dialect, FT.c.follow_id, "ids"))
        .order_by(col(Tag.tag_id))
    )
