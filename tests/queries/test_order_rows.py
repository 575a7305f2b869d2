"""Orders as shops tell them, in any order and more than once, and whose they end up to be; on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import Customer, Follow
from data.queries import order_matches as match_rows
from data.queries import orders as rows
from data.queries.customers import list_follows
from data.queries.follow_tags import replace_mobiles
from data.queries.follow_words import note_words
from data.rules.orders import BATCH_MAX, WECOM_PAY, OrderGiven, Waits

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


def order(number: str = "A1", **fields: Any) -> OrderGiven:
    given = {"source": "shop", "status": "paid", "amount_fen": 9900, "placed_at": AT, **fields}
    return OrderGiven.model_validate({**given, "number": number})


def save(session: Session, *given: OrderGiven, now: datetime = AT) -> list[rows.SavedOrder]:
    return rows.save_orders(session, given, now)


def turn_up(session: Session, external_userid: str, unionid: str = "", *mobiles: str) -> None:
    """A customer is known, or better known, as after an add and a fetch."""
    customer = session.get(Customer, external_userid)
    if customer is None:
        customer = Customer(external_userid=external_userid, first_seen_at=AT)
        session.add(customer)
        follow = Follow(userid="lin", external_userid=external_userid, status="present", changed_at=AT)
        session.add(follow)
        session.flush()
    customer.unionid = unionid or customer.unionid
    note_words(session, [external_userid])
    follow_id = list_follows(session, external_userid)[0].id
    assert follow_id is not None
    if mobiles:
        replace_mobiles(session, [(follow_id, mobiles)])


def whose(session: Session) -> dict[str, str | None]:
    return {each.number: each.external_userid for each in rows.list_orders(session, limit=1000)}


def match_all(session: Session) -> None:
    """What the jobs do."""
    for listing in (match_rows.list_matchable, match_rows.list_matched):
        after = 0
        while ids := listing(session, after):
            match_rows.match_orders(session, ids, AT)
            after = ids[-1]


async def test_an_order_is_known_by_source_and_number(db: Database) -> None:
    first = await db.write(save, order(amount_fen=100), order(source="other", amount_fen=5))
    assert [each.result for each in first] == ["created", "created"]
    (again,) = await db.write(save, order(status="refunded", amount_fen=0))
    assert (again.result, again.id) == ("updated", first[0].id)
    assert (await db.write(save, order(status="refunded", amount_fen=0)))[0].result == "unchanged"
    kept = await db.read(rows.get_order, first[0].id)
    assert (kept.status, kept.amount_fen) == ("refunded", 0)


async def test_an_older_state_that_comes_late_changes_nothing_but_what_was_not_known(db: Database) -> None:
    await db.write(save, order(status="finished", changed_at=AT))
    (late,) = await db.write(save, order(status="placed", changed_at=AT - HOUR, mobile="+86 13800138000"))
    assert late.result == "stale"
    kept = await db.read(rows.get_order, late.id)
    assert (kept.status, kept.told_at, kept.mobile) == ("finished", AT, "13800138000")


async def test_the_last_of_several_messages_in_one_call_counts(db: Database) -> None:
    saved = await db.write(save, order(status="placed"), order("B"), order(status="paid"))
    assert [each.result for each in saved] == ["created", "created", "updated"]
    assert (await db.read(rows.get_order, saved[0].id)).status == "paid"


async def test_orders_wait_and_find_their_customer_by_each_clue(db: Database) -> None:
    await db.write(
        save, order("id", external_userid="wm1"), order("union", unionid="u1"), order("phone", mobile="138 0013 8000"),
        order("paid-1", trade_number="4200001"), order("4200002"), order("none"),
    )  # fmt: skip
    waiting = await db.read(rows.list_orders, unmatched=True)
    assert {each.number: each.waits_because for each in waiting} == {
        "id": Waits.CUSTOMER_UNKNOWN, "union": Waits.NOBODY_KNOWN, "phone": Waits.NOBODY_KNOWN,
        "paid-1": Waits.NOBODY_KNOWN, "4200002": Waits.NO_CLUE, "none": Waits.NO_CLUE,
    }  # fmt: skip
    await db.write(
        save,
        *[order(f"t{n}", source=WECOM_PAY, external_userid="wm1", trade_number=f"420000{n}") for n in (1, 2)],
    )
    await db.write(turn_up, "wm1", "u1", "+86 138-0013-8000")
    assert len(await db.read(match_rows.list_matchable)) == 5
    await db.write(match_all)
    found = await db.read(rows.list_orders, external_userid="wm1")
    assert {each.number: each.matched_by for each in found} == {
        "id": "external_userid", "union": "unionid", "phone": "mobile", "paid-1": "number", "4200002": "number",
        "t1": "external_userid", "t2": "external_userid",
    }  # fmt: skip
    assert await db.read(match_rows.list_matchable) == []
    assert await db.read(rows.count_unmatched) == {Waits.NO_CLUE: 1}


async def test_short_numbers_are_counters_and_match_no_payment(db: Database) -> None:
    await db.write(turn_up, "wm1")
    await db.write(save, order("t1", source=WECOM_PAY, external_userid="wm1", trade_number="1001"), order("1001"))
    assert await db.read(whose) == {"t1": "wm1", "1001": None}


async def test_a_customer_who_turns_up_gets_what_points_to_them(db: Database) -> None:
    await db.write(save, order("a", mobile="13800138000"), order("b", unionid="u2"))
    await db.write(turn_up, "wm1", "", "13800138000")
    assert await db.write(match_rows.match_customer, "wm1", AT) == 1
    assert await db.write(match_rows.match_customer, "wm1", AT) == 0
    assert await db.read(whose) == {"a": "wm1", "b": None}


async def test_a_claim_is_kept_and_can_be_taken_back(db: Database) -> None:
    await db.write(turn_up, "wm1", "", "13800138000")
    await db.write(turn_up, "wm2")
    ((order_id, *_),) = await db.write(save, order(mobile="13800138000"))
    with pytest.raises(NotFoundError):
        await db.write(rows.claim_order, order_id, "wm9", AT)
    with pytest.raises(ConflictError):
        await db.write(rows.unclaim_order, order_id, AT)
    assert (await db.write(rows.claim_order, order_id, "wm2", AT)).external_userid == "wm2"
    await db.write(save, order(mobile="13800138000", unionid="u1", status="finished"))
    await db.write(match_all)
    assert await db.read(whose) == {"A1": "wm2"}
    assert (await db.write(rows.unclaim_order, order_id, AT)).external_userid == "wm1"


async def test_twins_at_the_same_time_are_one_order(db: Database) -> None:
    calls = [db.write(save, *[order(f"n{n}", amount_fen=k) for n in range(20)]) for k in range(8)]
    saved = await asyncio.gather(*calls)
    assert len(await db.read(rows.list_orders, limit=1000)) == 20
    assert len({each.id for call in saved for each in call}) == 20


async def test_a_full_batch_is_kept(db: Database) -> None:
    saved = await db.write(save, *[order(f"n{n}", mobile=f"138{n:08}") for n in range(BATCH_MAX)])
    assert [each.number for each in saved] == [f"n{n}" for n in range(BATCH_MAX)]


async def test_a_paid_order_of_a_known_customer_asks_for_tags(db: Database) -> None:
    await db.write(turn_up, "wm1", "u1")

    def due(session: Session) -> set[str]:
        return {each.number for each in rows.list_orders(session) if each.tag_due_at is not None}

    await db.write(save, order("a", unionid="u1"), order("b", unionid="u1", status="placed"), order("c", unionid="u9"))
    assert await db.read(due) == {"a"}
    await db.write(save, order("b", status="paid"))
    assert await db.read(due) == {"a", "b"}
    await db.write(turn_up, "wm9", "u9")
    await db.write(match_all)
    assert await db.read(due) == {"a", "b", "c"}


async def test_orders_are_summed_up(db: Database) -> None:
    await db.write(turn_up, "wm1", "u1")
    await db.write(save, order("a", unionid="u1"), order("b", unionid="u1", status="refunded"), order("c"))
    assert await db.read(rows.sum_orders, ["wm1", "wm2"]) == {"wm1": rows.OrdersSummary(2, 1, 9900, AT)}
