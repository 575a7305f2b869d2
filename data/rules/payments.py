"""Payments in chats (对外收款) as WeCom tells them, read as orders; and which span of time is asked for next."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from data.rules.orders import ITEMS_MAX, WECOM_PAY, OrderGiven
from data.rules.problems import parse

#: WeCom answers for at most a month.
SPAN = timedelta(days=28)
#: Read again each time: a payment may become known late.
OVERLAP = timedelta(hours=2)
#: refund_status of a refund that was carried out.
REFUNDED = 1


class Bill(NamedTuple):
    """A record. `order` is the payment as it stands by this record; `is_refund`: its time is that of the refund."""

    order: OrderGiven
    is_refund: bool


def read_bill(told: Mapping[str, Any]) -> Bill:
    """A record of `get_bill_list`. Raises InvalidRuleError, LookupError, TypeError, ValueError for one that cannot be.

    The money that was given back is taken off; a payment that was given back as a whole is refunded.
    """
    paid, returned = int(told["total_fee"]), int(told.get("total_refund_fee") or 0)
    if paid < 0 or returned < 0:
        raise ValueError("an amount below zero")
    is_refund = int(told.get("bill_type") or 0) == 1
    whole = returned >= paid > 0
    at = datetime.fromtimestamp(int(told["pay_time"]), UTC)
    refunds = [int(each.get("refund_reqtime") or 0) for each in told.get("refund_list") or ()]
    contact = told.get("contact_info") or {}
    order = parse(
        OrderGiven,
        {
            "source": WECOM_PAY,
            "number": str(told["transaction_id"]),
            "status": "refunded" if whole else "paid",
            "amount_fen": paid if whole else max(paid - returned, 0),
            "placed_at": at,
            "changed_at": max([at, *(datetime.fromtimestamp(each, UTC) for each in refunds if each)]),
            "external_userid": _text(told.get("external_userid"), 64),
            "mobile": _text(contact.get("phone"), 32),
            "trade_number": _text(told.get("out_trade_no"), 64),
            "userid": _text(told.get("payee_userid"), 64),
            "items": [
                {"name": _text(each.get("description"), 200), "amount_fen": int(each.get("amount") or 0)}
                for each in (told.get("commodity_list") or ())[:ITEMS_MAX]
            ],
        },
    )
    return Bill(order, is_refund)


def _text(value: Any, length: int) -> str:
    """What staff and customers typed, without what cannot be shown."""
    kept = "".join(char for char in str(value or "") if unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"))
    return kept.strip()[:length].strip()


class Span(NamedTuple):
    """A span of time that is read page by page; `cursor`: how far."""

    begin_at: datetime
    end_at: datetime
    cursor: str = ""


def next_span(read_until: datetime | None, now: datetime, days_back: int) -> Span:
    """What is read next: from a while before what was read last, at most a month."""
    begin_at = now - timedelta(days=days_back) if read_until is None else read_until - OVERLAP
    return Span(begin_at, min(begin_at + SPAN, now))
