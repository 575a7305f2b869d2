"""Payments in chats read as orders, and which span of time is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.rules.payments import OVERLAP, SPAN, next_span, read_bill
from data.rules.problems import InvalidRuleError

NOW = datetime(2026, 3, 4, tzinfo=UTC)
BILL: dict[str, Any] = {
    "transaction_id": "4200001", "bill_type": 0, "trade_state": 1, "pay_time": int(NOW.timestamp()),
    "out_trade_no": "WXWK1", "external_userid": "wm1", "total_fee": 9900, "payee_userid": "lin", "payment_type": 0,
    "mch_id": "1", "remark": "", "commodity_list": [{"description": "茶\u0000\n叶", "amount": 9900}],
    "total_refund_fee": 0, "refund_list": [], "contact_info": {"name": "", "phone": "138", "address": ""},
}  # fmt: skip


def test_a_payment_is_a_paid_order_with_the_customer_and_the_trade_number() -> None:
    order, is_refund = read_bill(BILL)
    assert not is_refund
    assert (order.source, order.number, order.status, order.amount_fen) == ("wecom_pay", "4200001", "paid", 9900)
    assert (order.external_userid, order.trade_number, order.mobile, order.userid) == ("wm1", "WXWK1", "138", "lin")
    assert order.placed_at == order.changed_at == NOW
    assert order.items[0].name == "茶叶"


def test_what_was_given_back_is_taken_off_and_all_of_it_is_a_refund() -> None:
    later = int(NOW.timestamp()) + 60
    part = BILL | {"total_refund_fee": 900, "refund_list": [{"refund_reqtime": later, "refund_fee": 900}]}
    assert (read_bill(part).order.status, read_bill(part).order.amount_fen) == ("paid", 9000)
    assert read_bill(part).order.changed_at == NOW + timedelta(seconds=60)
    whole = BILL | {"bill_type": 1, "total_refund_fee": 9900}
    assert (read_bill(whole).order.status, read_bill(whole).is_refund) == ("refunded", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"transaction_id": ""}, {"total_fee": "x"}, {"total_fee": None}, {"total_fee": -1}, {"pay_time": 10**20},
        {"pay_time": 0}, {"commodity_list": [5]}, {"contact_info": 5}, {"refund_list": 5},
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((InvalidRuleError, LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError)):
        read_bill(BILL | changes)


def test_spans_follow_one_another_with_an_overlap_and_reach_no_further_than_now() -> None:
    first = next_span(None, NOW, 90)
    assert (first.begin_at, first.end_at) == (NOW - timedelta(days=90), NOW - timedelta(days=90) + SPAN)
    second = next_span(first.end_at, NOW, 90)
    assert second.begin_at == first.end_at - OVERLAP
    assert next_span(NOW, NOW, 90).end_at == NOW
