"""Payments that members collect from customers (对外收款), read by apps that may."""

from __future__ import annotations

from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Payment

MAX_LIMIT = 1000
MONTH_SECONDS = 31 * 86_400


async def get_bill_list(call: Call) -> Answer:
    """Income and refunds of a span, oldest first. Records of payees out of the app's range are left out of a page."""
    if not call.app.external_pay:
        raise ApiError(48002)
    params, world = call.params, call.world
    begin, end = params.optional_number("begin_time"), params.optional_number("end_time")
    limit = params.number("limit", MAX_LIMIT)
    if begin is None or end is None or not begin <= end <= begin + MONTH_SECONDS:
        raise ApiError(40058, "begin_time or end_time invalid. invalid Request Parameter")
    if not 1 <= limit <= MAX_LIMIT:
        raise ApiError(40058, "limit invalid. invalid Request Parameter")
    payee = params.text("payee_userid")
    bills = [
        bill
        for payment in world.payments.values()
        for bill in bills_of(payment)
        if begin <= bill["pay_time"] <= end and payee in ("", payment.payee_userid)
    ]
    bills.sort(key=lambda bill: (bill["pay_time"], bill["transaction_id"], bill["bill_type"]))
    start = read_place(params.text("cursor"))
    page = bills[start : start + limit]
    made: dict[str, Any] = {"bill_list": [bill for bill in page if _in_range(call, bill["payee_userid"])]}
    if start + limit < len(bills):
        made["next_cursor"] = write_place(start + limit)
    return made


def _in_range(call: Call, userid: str) -> bool:
    member = call.world.directory.find(userid)
    return member is not None and call.world.directory.in_range(call.app, member)


def bills_of(payment: Payment) -> list[dict[str, Any]]:
    """The records of a payment: the income, and one for every refund at its own time."""
    returned = sum(refund["refund_fee"] for refund in payment.refunds)
    income = {
        "transaction_id": payment.transaction_id,
        "bill_type": 0,
        "trade_state": 3 if payment.refunds else 1,
        "pay_time": payment.pay_time,
        "out_trade_no": payment.out_trade_no,
        "external_userid": payment.external_userid,
        "total_fee": payment.total_fee,
        "payee_userid": payment.payee_userid,
        "payment_type": payment.payment_type,
        "mch_id": payment.mch_id,
        "remark": payment.remark,
        "commodity_list": [{"description": payment.description, "amount": payment.total_fee}],
        "total_refund_fee": returned,
        "refund_list": payment.refunds,
        "contact_info": {"name": "", "phone": payment.phone, "address": ""},
    }
    refunds = [
        {**income, "bill_type": 1, "pay_time": refund["refund_reqtime"], "out_refund_no": refund["out_refund_no"]}
        for refund in payment.refunds
    ]
    return [income, *refunds]


ENDPOINTS = (Endpoint("externalpay/get_bill_list", "POST", get_bill_list, {"bill_list": []}),)
