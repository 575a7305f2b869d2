"""Payments in chats whose purchase the shop sent as well: the purchase counts once, as the shop's order."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, select, union, update
from sqlmodel import Session

from data.models import Order
from data.queries.follow_facts import Facts, note_facts
from data.queries.locks import lock_names
from data.rules.orders import TRADE_NUMBER_MIN, WECOM_PAY

O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741

PER_STATEMENT = 500
_NUMBERS: Any = bindparam("numbers", expanding=True)
_PAYMENTS = select(O.c.id, O.c.trade_number, O.c.covered, O.c.external_userid).where(
    O.c.trade_number.in_(_NUMBERS), O.c.trade_number != "", O.c.source == WECOM_PAY
)
_BOUGHT = union(
    select(O.c.number).where(O.c.number.in_(_NUMBERS), O.c.source != WECOM_PAY),
    select(O.c.trade_number).where(O.c.trade_number.in_(_NUMBERS), O.c.trade_number != "", O.c.source != WECOM_PAY),
)
_COVER = update(O).where(O.c.id == bindparam("payment_id")).values(covered=bindparam("is_covered"))


def note_covered(session: Session, numbers: Collection[str]) -> None:
    """Decide anew which payments with these trade numbers are of orders that a shop has sent."""
    usable = sorted({number for number in numbers if len(number) >= TRADE_NUMBER_MIN})
    for start in range(0, len(usable), PER_STATEMENT):
        some = {"numbers": usable[start : start + PER_STATEMENT]}
        # A shop and a payment that come in the same moment: whoever is second sees both.
        lock_names(session, "payments", some["numbers"])
        payments = session.execute(_PAYMENTS, some).all()
        if not payments:
            continue
        bought = set(session.execute(_BOUGHT, some).scalars())
        changed = [row for row in payments if row.covered != (row.trade_number in bought)]
        if changed:
            values = [{"payment_id": row.id, "is_covered": not row.covered} for row in changed]
            session.connection().execute(_COVER, values)
            note_facts(session, {row.external_userid for row in changed if row.external_userid}, Facts.ORDERS)
