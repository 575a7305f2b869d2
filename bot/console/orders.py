"""Orders that wait for their customer, and saying whose one is."""

from __future__ import annotations

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.customer_words import ORDER_STATUSES
from bot.console.painting import N_
from data.errors import NotFoundError
from data.queries import orders as rows
from data.queries.audit import add_entry
from data.rules.orders import Waits

PATH = "/console/orders"
ROWS = 50
WAITS = {
    Waits.NO_CLUE.value: N_("店铺没有说买家是谁"),
    Waits.NOBODY_KNOWN.value: N_("没有客户有这个 unionid、单号或手机号"),
    Waits.CUSTOMER_UNKNOWN.value: N_("店铺说的客户不在企业微信里"),
    Waits.AMBIGUOUS.value: N_("有几位客户都对得上"),
    Waits.CONTRADICTED.value: N_("手机号对上的客户，unionid 不一样"),
}


async def show_list(ask: Ask) -> web.Response:
    """The latest first, with why each waits."""
    return await _page(ask)


async def claim(ask: Ask) -> web.Response:
    """A person says whose an order is; the program never overrules it."""
    order_id, whose = ask.path_number(), ask.text("external_userid", 64)
    try:
        await ask.db.write(_claim, ask, order_id, whose)
    except NotFoundError as error:
        return await _page(ask, 400, {order_id: (whose, ask.told(error))})
    return ask.go(PATH, "saved")


def _claim(session: Session, ask: Ask, order_id: int, whose: str) -> None:
    order = rows.claim_order(session, order_id, whose, ask.now)
    after = {"order": order.id, "source": order.source, "number": order.number, "external_userid": whose}
    add_entry(
        session, ask.actor, "customers.claim_order", f"customer {whose}", {"external_userid": None}, after, ask.now,
        external_userid=whose,
    )  # fmt: skip


async def _page(ask: Ask, status: int = 200, wrong: dict[int, tuple[str, str]] | None = None) -> web.Response:
    before = ask.asked_number("before")
    found = await ask.db.read(
        lambda session: rows.list_orders(session, unmatched=True, limit=ROWS + 1, before_id=before)
    )
    older = found[ROWS - 1].id if len(found) > ROWS else None
    return ask.show(
        "orders", status, orders=found[:ROWS], older=older, waits=WAITS, statuses=ORDER_STATUSES, wrong=wrong or {}
    )
