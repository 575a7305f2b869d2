"""`/customers`: the people the company's staff have as contacts, page by page, and one with all that is known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, path_customer, read_query
from bot.api.described import described
from bot.api.fields import ValuesTold
from bot.api.service import Api
from data.models import Customer, FollowStatus
from data.queries import customer_lists as rows
from data.queries.customer_lists import CustomerFilter, FollowShown
from data.rules.problems import RuleModel
from data.rules.schedule import Instant


class CustomersQuery(RuleModel):
    """Filters; all that are given hold for one of the customer's follows. `changed_since`: when it last changed. `q`: a
    part of a name, remark or company, the last digits of a mobile number (at least four), or the id."""

    userid: str | None = Field(default=None, max_length=64)
    status: FollowStatus | None = None
    tag_id: str | None = Field(default=None, max_length=64)
    changed_since: Instant | None = None
    q: str = Field(default="", max_length=64)
    limit: int = Field(default=50, ge=1, le=200)
    after: str = Field(default="", max_length=64)


class TagTold(RuleModel):
    """A tag on a follow."""

    tag_id: str
    name: str
    group_name: str


class FollowTold(RuleModel):
    """A staff member's relation to the customer, with the tags that this member's contact has."""

    userid: str
    status: FollowStatus
    state: str
    add_way: int | None
    remark: str
    description: str
    remark_mobiles: list[str]
    remark_corp_name: str
    inherited: bool
    added_at: datetime | None
    ended_at: datetime | None
    changed_at: datetime
    tags: list[TagTold]


class CustomerTold(RuleModel):
    """A customer. `type`: 1 WeChat, 2 WeCom of another company, 0 not fetched yet; `gender`: 1 male, 2 female."""

    external_userid: str
    name: str
    avatar: str
    type: int
    gender: int
    unionid: str
    corp_name: str
    position: str
    first_seen_at: datetime
    fetched_at: datetime | None
    follows: list[FollowTold]


class CustomersPage(RuleModel):
    """Customers by id. The next page is asked with `after`; null: there is none."""

    items: list[CustomerTold]
    next_after: str | None


class GroupTold(RuleModel):
    """A customer group that the customer is in; with `left_at`, was in."""

    chat_id: str
    name: str
    joined_at: datetime | None
    left_at: datetime | None


class OrdersTold(RuleModel):
    """The customer's orders in numbers; `paid_` counts those paid or finished."""

    orders: int
    paid_orders: int
    paid_amount_fen: int
    last_placed_at: datetime | None


class CustomerInFull(CustomerTold):
    """A customer with groups, fields and orders."""

    groups: list[GroupTold]
    fields: ValuesTold
    orders: OrdersTold


@described(CustomersPage, query=CustomersQuery)
async def list_customers(api: Api, request: web.Request) -> web.Response:
    query = read_query(CustomersQuery, request)
    wanted = CustomerFilter(query.userid, query.status, query.tag_id, query.changed_since, query.q.strip())
    found = await api.db.read(rows.list_customers, wanted, query.after, query.limit)
    items = [CustomerTold.model_validate(_customer(*each)) for each in found]
    full = len(items) == query.limit
    return answer(CustomersPage(items=items, next_after=items[-1].external_userid if full else None))


@described(CustomerInFull)
async def get_customer(api: Api, request: web.Request) -> web.Response:
    found = await api.db.read(rows.get_customer, path_customer(request))
    told = CustomerInFull.model_validate(
        {
            **_customer(found.customer, found.follows),
            "groups": [group._asdict() for group in found.groups],
            "fields": found.fields,
            "orders": found.orders._asdict(),
        }
    )
    # Fields without a value are left out, as in /fields.
    return answer({**told.model_dump(mode="json"), "fields": found.fields})


def _customer(customer: Customer, follows: list[FollowShown]) -> dict[str, Any]:
    names = set(FollowTold.model_fields) - {"tags"}
    return {
        **customer.model_dump(),
        "follows": [
            {**shown.follow.model_dump(include=names), "tags": [tag._asdict() for tag in shown.tags]}
            for shown in follows
        ],
    }
