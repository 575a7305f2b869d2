"""Tag rules asked about paid orders: in the background, once for each, whatever happens on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from bot.sandbox.faults import Fault
from bot.sandbox.people import Added
from data.queries import follow_tags as mark_rows
from data.queries import order_tags as rows
from data.queries import orders as order_rows
from data.rules.orders import OrderGiven
from scheduler.order_tags import LEASE_SECONDS, MAX_ATTEMPTS, tag_orders
from tests.scenarios.conftest import Company
from tests.scenarios.test_orders import AT, keep

MARK = "externalcontact/mark_tag"


def order(number: str, whom: Added, **fields: Any) -> OrderGiven:
    given = {
        "source": "shop", "number": number, "status": "paid", "amount_fen": 9900, "placed_at": AT,
        "external_userid": whom.follow.external_userid, **fields,
    }  # fmt: skip
    return OrderGiven.model_validate(given)


async def tags(company: Company, added: Added) -> list[str]:
    found: list[str] = await company.read(
        mark_rows.list_tag_ids, added.follow.userid, added.follow.external_userid
    )  # fmt: skip
    follow = company.world.customers.find_follow(added.follow.userid, added.follow.external_userid)
    assert follow is not None
    assert sorted(follow.tag_ids) == sorted(found), "WeCom and we agree"
    return found


async def test_a_paid_order_puts_the_tags_of_the_rules_on(company: Company) -> None:
    first, second, *_ = company.tag_ids
    await company.add_tag_rule(name="买过", triggers=["order"], put_on=[first])
    await company.add_tag_rule(
        name="大单", triggers=["order"], put_on=[second],
        conditions={"order_amount_fen_min": 100_000, "order_sources": ["shop"], "order_count_min": 2},
    )  # fmt: skip
    added = company.scan()
    await company.settle()
    await keep(company, order("A", added, status="placed"))
    assert await tag_orders(company.bot.context) == 0
    await keep(company, order("A", added))
    assert await tag_orders(company.bot.context) == 1
    assert await tags(company, added) == [first]
    await keep(company, order("B", added, amount_fen=100_000))
    assert await tag_orders(company.bot.context) == 1
    assert sorted(await tags(company, added)) == sorted([first, second])
    assert company.calls(MARK) == 2
    await keep(company, order("B", added, status="finished"))
    assert await tag_orders(company.bot.context) == 0


async def test_an_order_that_is_paid_back_before_anybody_looked_puts_nothing_on(company: Company) -> None:
    await company.add_tag_rule(name="买过", triggers=["order"], put_on=[company.tag_ids[0]])
    added = company.scan()
    await company.settle()
    await keep(company, order("A", added))
    await keep(company, order("A", added, status="refunded"))
    await tag_orders(company.bot.context)
    assert await tags(company, added) == []


async def test_without_a_rule_nothing_waits(company: Company) -> None:
    added = company.scan()
    await company.settle()
    await keep(company, order("A", added))
    assert await tag_orders(company.bot.context) == 0
    assert await company.bot.db.write(rows.claim_due, company.bot.clock.now() + timedelta(days=1), 1.0) == []


async def test_what_wecom_refuses_for_now_is_tried_again(company: Company) -> None:
    await company.add_tag_rule(name="买过", triggers=["order"], put_on=[company.tag_ids[0]])
    added = company.scan()
    await company.settle()
    await keep(company, order("A", added))
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096, count=1))
    assert await tag_orders(company.bot.context) == 1
    assert await tags(company, added) == []
    company.bot.clock.advance(timedelta(seconds=5))
    assert await tag_orders(company.bot.context) == 1
    assert await tags(company, added) == [company.tag_ids[0]]


async def test_what_is_refused_for_ever_is_given_up(company: Company) -> None:
    await company.add_tag_rule(name="买过", triggers=["order"], put_on=[company.tag_ids[0]])
    added = company.scan()
    await company.settle()
    await keep(company, order("A", added))
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096))
    tries = 0
    while await tag_orders(company.bot.context):
        tries += 1
        company.bot.clock.advance(timedelta(hours=1))
    assert tries == MAX_ATTEMPTS


async def test_a_process_that_dies_on_the_way_leaves_the_order_to_the_next(company: Company) -> None:
    await company.add_tag_rule(name="买过", triggers=["order"], put_on=[company.tag_ids[0]])
    everyone = [company.scan() for _ in range(20)]
    await company.settle()
    await keep(company, *(order(f"n{number}", added) for number, added in enumerate(everyone)))
    fault = company.sandbox.machine.faults.add(Fault(0, "api", "latency", on=MARK, seconds=30))
    work = asyncio.create_task(tag_orders(company.bot.context))
    async with asyncio.timeout(60):
        while not fault.struck:
            await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    company.sandbox.machine.faults.clear(fault.id)
    assert await tag_orders(company.bot.context) == 0, "claimed by the one that died"
    company.bot.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
    assert await tag_orders(company.bot.context) == 20
    for added in everyone:
        assert await tags(company, added) == [company.tag_ids[0]]


async def test_an_order_that_becomes_due_anew_while_it_is_asked_about_is_asked_about_again(company: Company) -> None:
    one, two = company.scan(), company.scan()
    await company.settle()
    await keep(company, order("A", one))
    (due,) = await company.bot.db.write(rows.claim_due, company.bot.clock.now(), LEASE_SECONDS)
    later = company.bot.clock.now() + timedelta(seconds=1)
    await company.bot.db.write(order_rows.claim_order, due.id, two.follow.external_userid, later)
    await company.bot.db.write(rows.finish, due)
    (again,) = await company.bot.db.write(rows.claim_due, later, LEASE_SECONDS)
    assert again.external_userid == two.follow.external_userid


async def test_two_replicas_share_the_orders(company: Company) -> None:
    added = company.scan()
    await company.settle()
    await keep(company, *(order(f"n{number}", added) for number in range(40)))
    now = company.bot.clock.now()
    claims = await asyncio.gather(*(company.bot.db.write(rows.claim_due, now, LEASE_SECONDS, 10) for _ in range(6)))
    ids = [due.id for claim in claims for due in claim]
    assert len(ids) == len(set(ids)) == 40
