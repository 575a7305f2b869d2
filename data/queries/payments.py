"""How far payments in chats have been read, and their records written as orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from data.models import Order, PaymentPull
from data.queries.orders import SavedOrder, save_orders
from data.rules.orders import WECOM_PAY
from data.rules.payments import Bill, Span, next_span

ONLY = 1


def find_pull(session: Session) -> PaymentPull | None:
    """How far payments were read; None: never."""
    return session.get(PaymentPull, ONLY)


def begin_span(session: Session, now: datetime, days_back: int) -> Span:
    """The span that is being read and how far, or the next one, which is noted."""
    pull = session.get(PaymentPull, ONLY, with_for_update=True)
    if pull is None:
        pull = PaymentPull(id=ONLY)
        session.add(pull)
    if pull.begin_at is None or pull.end_at is None:
        span = next_span(pull.read_until, now, days_back)
        pull.begin_at, pull.end_at, pull.cursor = span.begin_at, span.end_at, ""
    return Span(pull.begin_at, pull.end_at, pull.cursor)


def save_page(
    session: Session, bills: Sequence[Bill], span: Span, following: str, now: datetime
) -> list[SavedOrder]:  # fmt: skip
    """Write a page of a span and how far it was read, together; an empty `following` ends the span."""
    placed = dict(
        session.execute(
            select(col(Order.number), col(Order.placed_at)).where(
                col(Order.source) == WECOM_PAY,
                col(Order.number).in_([bill.order.number for bill in bills if bill.is_refund]),
            )
        ).all()
    )
    orders = [
        bill.order.model_copy(update={"placed_at": min(placed.get(bill.order.number, now), bill.order.placed_at)})
        if bill.is_refund
        else bill.order
        for bill in bills
    ]
    saved = save_orders(session, orders, now)
    pull = session.get_one(PaymentPull, ONLY, with_for_update=True)
    if (pull.begin_at, pull.end_at) == (span.begin_at, span.end_at):
        pull.cursor = following
        if not following:
            pull.read_until, pull.begin_at, pull.end_at = span.end_at, None, None
    return saved


def restart_span(session: Session) -> None:
    """WeCom takes the cursor no more: the span is read from its beginning."""
    pull = session.get_one(PaymentPull, ONLY, with_for_update=True)
    pull.cursor = ""
