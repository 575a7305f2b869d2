"""`/orders`: what customers bought, as shops tell it; whose each order is, and which ones wait for their customer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot.api.answers import answer, answer_text, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.repeats import do_once
from bot.api.service import Api
from bot.api.shapes import Items, Page
from data.models import Order
from data.queries import orders as rows
from data.queries.repeated_requests import Answered
from data.rules.orders import BATCH_MAX, WECOM_PAY, MatchedBy, OrderGiven, OrderItem, OrderStatus, Waits
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.texts import Line

#: Some hundred orders with their items.
BODY_MAX_BYTES = 2_000_000


class OrderBatch(RuleModel):
    """Several orders in one call: all are kept, or none."""

    orders: Annotated[tuple[OrderGiven, ...], Field(min_length=1, max_length=BATCH_MAX)]


class OrdersQuery(RuleModel):
    """Filters; all that are given must hold. `unmatched`: orders that wait for their customer."""

    external_userid: str | None = Field(default=None, max_length=64)
    source: str | None = Field(default=None, max_length=32)
    number: str | None = Field(default=None, max_length=64)
    status: OrderStatus | None = None
    unmatched: bool = False
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class Claim(RuleModel):
    """Whose the order is, says a person."""

    external_userid: Annotated[Line, Field(min_length=1, max_length=64)]


class OrderTold(RuleModel):
    """An order as it is kept. `external_userid` is the customer it was matched to, `told` what the shop said of them.

    `changed_at` is ours, `told_at` the shop's own time of this state. `covered`: a payment for an order that the shop
    sent as well; that one counts.
    """

    id: int
    source: str
    number: str
    status: OrderStatus
    amount_fen: int
    placed_at: datetime
    userid: str
    items: list[OrderItem]
    external_userid: str | None
    matched_by: MatchedBy | None
    matched_at: datetime | None
    waits_because: Waits | None
    covered: bool
    told: Buyer
    told_at: datetime | None
    received_at: datetime
    changed_at: datetime


class Buyer(RuleModel):
    """What the shop knows of the buyer; the mobile as numbers are compared."""

    external_userid: str
    unionid: str
    mobile: str
    trade_number: str


class OrderResult(RuleModel):
    """What became of one order of a call."""

    id: int
    source: str
    number: str
    result: Literal["created", "updated", "unchanged", "stale"]
    external_userid: str | None
    matched_by: MatchedBy | None
    waits_because: Waits | None


@described(Items[OrderResult], body=OrderGiven | OrderBatch, keyed=True)
async def save_orders(api: Api, request: web.Request) -> web.Response:
    body = await read_object(request, BODY_MAX_BYTES)
    given = parse(OrderBatch, body).orders if "orders" in body else (parse(OrderGiven, body),)
    reserved = [
        Problem(f"orders[{number}].source" if "orders" in body else "source", f"{WECOM_PAY} 是系统读取对外收款时用的")
        for number, each in enumerate(given)
        if each.source == WECOM_PAY
    ]
    if reserved:
        raise InvalidRuleError(reserved)

    def save(session: Session, now: datetime) -> Answered:
        saved = [
            OrderResult.model_validate(
                {**each._asdict(), "matched_by": each.matched_by or None, "waits_because": each.waits_because or None}
            )
            for each in rows.save_orders(session, given, now)
        ]
        return Answered(200, answer_text(Items[OrderResult](items=saved)))

    return await do_once(api, request, save)


@described(Page[OrderTold], query=OrdersQuery)
async def list_orders(api: Api, request: web.Request) -> web.Response:
    query = read_query(OrdersQuery, request)
    found = await api.db.read(rows.list_orders, **dict(query))
    return answer(Page[OrderTold].model_validate(page([told(order) for order in found], query.limit)))


@described(OrderTold)
async def get_order(api: Api, request: web.Request) -> web.Response:
    return answer(OrderTold.model_validate(told(await api.db.read(rows.get_order, path_id(request)))))


@described(OrderTold, body=Claim)
async def claim_order(api: Api, request: web.Request) -> web.Response:
    claim = parse(Claim, await read_object(request))
    order = await api.db.write(rows.claim_order, path_id(request), claim.external_userid, api.clock.now())
    return answer(OrderTold.model_validate(told(order)))


@described(OrderTold)
async def unclaim_order(api: Api, request: web.Request) -> web.Response:
    order = await api.db.write(rows.unclaim_order, path_id(request), api.clock.now())
    return answer(OrderTold.model_validate(told(order)))


def told(order: Order) -> dict[str, Any]:
    """An order as the API and the commands tell it."""
    clues = {name: getattr(order, name) for name in ("unionid", "mobile", "trade_number")}
    kept = order.model_dump(exclude={*clues, "told_external_userid", "tag_due_at", "tag_attempts", "credited_to"})
    return {
        **kept,
        "matched_by": order.matched_by or None,
        "waits_because": order.waits_because or None,
        "told": {"external_userid": order.told_external_userid, **clues},
    }


OrderTold.model_rebuild()
