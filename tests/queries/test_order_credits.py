"""For whom an order counts is what is kept, whoever writes an order or how a member and a customer stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from data.db import Database
from data.models import FollowStatus, Order
from data.queries import customers, order_credits, sync_ends, sync_pages
from data.queries import orders as rows
from data.rules.orders import OrderGiven

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


@pytest.mark.first_case_on_both
@pytest.mark.parametrize("_", ["everything"])
async def test_an_order_counts_for_whoever_the_customer_is_of(db: Database, _: str) -> None:
    async def counts_for(*wanted: str) -> None:
        def read(session: Session) -> list[str]:
            assert order_credits.list_wrong(session, 0, 100) == ([], len(wanted))
            return [each.credited_to for each in session.exec(select(Order).order_by(Order.id))]  # type: ignore[arg-type]

        assert await db.read(read) == list(wanted)

    def given(number: str, **more: Any) -> OrderGiven:
        told = {"source": "shop", "number": number, "status": "paid", "amount_fen": 5, "placed_at": NOON, **more}
        return OrderGiven.model_validate(told)

    async def add(userid: str, minutes: int) -> None:
        told: Any = {"state": "", "half": False, "inherited": False, "event_at": at(minutes), "now": at(minutes)}
        await db.write(customers.record_add, userid, "wm1", **told)

    await db.write(rows.save_orders, [given("1", external_userid="wm1"), given("2", userid="zoe"), given("3")], NOON)
    await counts_for("", "zoe", "")
    await add("bo", 1)
    await db.write(rows.save_orders, [given("1", external_userid="wm1")], at(1))
    await add("ann", 2)
    await db.write(rows.claim_order, 1, "wm1", at(2))
    await counts_for("bo", "zoe", "")
    ended = {"event_at": at(3), "now": at(3)}
    await db.write(customers.record_end, "bo", "wm1", FollowStatus.DELETED_BY_CUSTOMER, **ended)
    await counts_for("ann", "zoe", "")
    await add("bo", 4)
    await counts_for("ann", "zoe", "")

    def listed(session: Session) -> None:
        page = [
            {
                "external_contact": {"external_userid": "wm1", "name": "王", "type": 1},
                "follow_info": {"userid": "cy", "createtime": 1_700_000_000, "tag_id": []},
            }
        ]
        found, problems = sync_pages.read_page("cy", page, at(5))
        assert problems == []
        sync_pages.apply_listed(session, found, {}, at(5))

    await db.write(listed)
    await counts_for("cy", "zoe", "")
    await db.write(sync_ends.end_unlisted, "cy", ["wm1"], asked_at=at(60), now=at(60))
    await counts_for("ann", "zoe", "")
    fetched: Any = [{"userid": each, "createtime": when} for each, when in (("bo", 1), ("ann", 1_700_000_000))]
    await db.write(customers.apply_fetched, {"external_userid": "wm1"}, fetched, asked_at=at(90), now=at(90))
    await counts_for("bo", "zoe", "")
    await db.write(rows.claim_order, 3, "wm1", at(91))
    await counts_for("bo", "zoe", "bo")
    await db.write(rows.unclaim_order, 3, at(92))
    await db.write(rows.save_orders, [given("1", userid="di"), given("2", userid="ann")], at(93))
    await counts_for("di", "ann", "")
