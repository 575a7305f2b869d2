"""Payments in chats become orders: read once, resumed where it stopped, and beside what shops tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.config import PaymentsSettings
from bot.sandbox.control_payments import Pay, Refund, pay, refund
from bot.sandbox.faults import Fault
from bot.wecom.errors import NotPermittedError, WeComError
from data.queries import customers as customer_rows
from data.queries import orders as rows
from data.queries import payments as payment_rows
from data.rules.orders import OrderGiven
from data.rules.payments import read_bill
from scheduler import payments
from scheduler.payments import pull_payments
from tests.scenarios.conftest import Company, Start
from tests.scenarios.test_orders import keep, order

BILLS = "externalpay/get_bill_list"


@pytest.fixture
async def shop(start: Start) -> Company:
    """The pair, with payments read; no job runs but those that the test runs."""
    company = await start(payments=PaymentsSettings(pull=True, days_back=60))
    await company.bot.runner.run_now("pull_payments")
    return company


def paid(company: Company, external_userid: str, **more: Any) -> str:
    body = Pay(userid=company.followers[0], external_userid=external_userid, amount_fen=9900, **more)
    return str(pay(company.sandbox.machine, body)["transaction_id"])


async def found(company: Company) -> dict[str, tuple[str, int, str | None]]:
    orders = await company.read(rows.list_orders)
    return {each.number: (each.status, each.amount_fen, each.external_userid) for each in orders}


async def test_a_payment_is_an_order_of_its_customer_and_a_refund_changes_it(shop: Company) -> None:
    whom = shop.scan().follow.external_userid
    await shop.settle()
    number = paid(shop, whom)
    assert await pull_payments(shop.bot.context) == 1
    assert await found(shop) == {number: ("paid", 9900, whom)}
    assert await pull_payments(shop.bot.context) == 0, "read again in the overlap, and nothing changed"
    shop.bot.clock.advance(timedelta(days=20))
    placed_at = (await shop.read(rows.list_orders))[0].placed_at
    refund(shop.sandbox.machine, Refund(transaction_id=number, amount_fen=900))
    assert await pull_payments(shop.bot.context) == 1
    assert await found(shop) == {number: ("paid", 9000, whom)}
    refund(shop.sandbox.machine, Refund(transaction_id=number))
    await pull_payments(shop.bot.context)
    assert await found(shop) == {number: ("refunded", 9900, whom)}
    assert (await shop.read(rows.list_orders))[0].placed_at == placed_at


async def test_a_shop_that_knows_only_the_trade_number_gets_the_customer_from_the_payment(shop: Company) -> None:
    whom = shop.scan().follow.external_userid
    await shop.settle()
    await keep(shop, order("E2026030401"), order("A2", trade_number="E2026030402"))
    for trade in ("E2026030401", "E2026030402"):
        paid(shop, whom, out_trade_no=trade)
    await pull_payments(shop.bot.context)
    assert {each.number for each in await shop.read(rows.list_orders) if each.matched_by == "number"} == {
        "E2026030401", "A2",
    }  # fmt: skip
    assert {each.external_userid for each in await shop.read(rows.list_orders)} == {whom}


@pytest.mark.parametrize("shop_first", [True, False])
@pytest.mark.parametrize("given", [order("E2026030401"), order("A2", trade_number="E2026030401")])
async def test_a_purchase_that_the_shop_sends_too_counts_once(
    shop: Company, given: OrderGiven, shop_first: bool
) -> None:
    whom = shop.scan().follow.external_userid
    await shop.settle()
    paid(shop, whom, out_trade_no="E2026030401")
    if shop_first:
        await keep(shop, given)
    await pull_payments(shop.bot.context)
    if not shop_first:
        assert (await shop.read(rows.sum_orders, [whom]))[whom].paid_orders == 1
        await keep(shop, given)
    summary = (await shop.read(rows.sum_orders, [whom]))[whom]
    assert (summary.orders, summary.paid_orders, summary.paid_amount_fen) == (1, 1, given.amount_fen)
    (follow,) = await shop.read(customer_rows.list_follows, whom)
    assert (follow.paid_orders, follow.paid_fen) == (1, given.amount_fen)
    assert {each.source: each.covered for each in await shop.read(rows.list_orders)} == {
        given.source: False, "wecom_pay": True,
    }  # fmt: skip


async def test_reading_goes_on_at_the_page_it_stopped_at(shop: Company, monkeypatch: Any) -> None:
    monkeypatch.setattr(payments, "PAGE_ROWS", 2)
    whom = shop.scan().follow.external_userid
    await shop.settle()
    numbers = {paid(shop, whom) for _ in range(5)}
    span = await shop.bot.db.write(payment_rows.begin_span, shop.bot.clock.now(), 60)
    first = await shop.bot.wecom.externalpay.get_bill_list(
        int(span.begin_at.timestamp()), int(span.end_at.timestamp()), limit=2
    )
    bills = [read_bill(each) for each in first["bill_list"]]
    await shop.bot.db.write(payment_rows.save_page, bills, span, first["next_cursor"], shop.bot.clock.now())
    before = shop.calls(BILLS)
    shop.bot.clock.advance(timedelta(hours=3))
    await pull_payments(shop.bot.context)
    assert set(await found(shop)) == numbers
    assert shop.calls(BILLS) - before == 2 + 3, "what was left of the span, and its end once more with what came after"


async def test_what_fails_is_read_the_next_time(shop: Company) -> None:
    whom = shop.scan().follow.external_userid
    await shop.settle()
    number = paid(shop, whom)
    shop.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=BILLS, errcode=40058, count=1))
    with pytest.raises(WeComError):
        await pull_payments(shop.bot.context)
    await pull_payments(shop.bot.context)
    assert set(await found(shop)) == {number}


async def test_a_cursor_that_wecom_takes_no_more_begins_the_span_again(shop: Company, monkeypatch: Any) -> None:
    monkeypatch.setattr(payments, "PAGE_ROWS", 2)
    whom = shop.scan().follow.external_userid
    await shop.settle()
    numbers = {paid(shop, whom) for _ in range(3)}
    span = await shop.bot.db.write(payment_rows.begin_span, shop.bot.clock.now(), 60)
    await shop.bot.db.write(payment_rows.save_page, [], span, "stale", shop.bot.clock.now())
    await pull_payments(shop.bot.context)
    assert set(await found(shop)) == numbers


async def test_a_long_absence_is_read_month_by_month(shop: Company) -> None:
    whom = shop.scan().follow.external_userid
    await shop.settle()
    numbers = set()
    for _ in range(4):
        numbers.add(paid(shop, whom))
        shop.bot.clock.advance(timedelta(days=25))
    await pull_payments(shop.bot.context)
    assert set(await found(shop)) == numbers


async def test_without_the_permission_the_job_says_so(shop: Company) -> None:
    app = shop.world.app
    app.external_pay = False
    shop.world.put_app(app)
    with pytest.raises(NotPermittedError):
        await pull_payments(shop.bot.context)


async def test_nothing_is_read_unless_it_is_wanted(company: Company) -> None:
    assert await pull_payments(company.bot.context) == 0
    assert company.calls(BILLS) == 0
