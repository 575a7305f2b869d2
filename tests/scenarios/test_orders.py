"""Orders beside WeCom's events: whoever turns up gets what waited for them."""

from __future__ import annotations

from datetime import UTC, datetime

from data.queries import orders as rows
from data.rules.orders import OrderGiven
from scheduler.orders import match_waiting, review_matches
from tests.scenarios.conftest import Company

AT = datetime(2026, 3, 4, tzinfo=UTC)
MOBILE = "13800138000"


def order(number: str, **clues: str) -> OrderGiven:
    given = {"source": "shop", "number": number, "status": "paid", "amount_fen": 9900, "placed_at": AT}
    return OrderGiven.model_validate({**given, **clues})


async def keep(company: Company, *given: OrderGiven) -> None:
    await company.bot.db.write(rows.save_orders, given, company.bot.clock.now())


async def whose(company: Company) -> dict[str, str | None]:
    return {each.number: each.external_userid for each in await company.read(rows.list_orders)}


async def test_who_is_added_gets_the_orders_that_waited_for_their_unionid(company: Company) -> None:
    first = company.scan()
    unionid = first.customer.unionid
    await keep(company, order("A", unionid=unionid), order("B", unionid="somebody else"))
    await company.settle()
    assert await whose(company) == {"A": first.follow.external_userid, "B": None}


async def test_a_telephone_number_that_staff_note_brings_the_order(company: Company) -> None:
    added = company.scan()
    await keep(company, order("A", mobile=f"+86 {MOBILE}"))
    await company.settle()
    assert await whose(company) == {"A": None}
    company.people.edit(added.follow.userid, added.follow.external_userid, remark="小鱼", mobiles=["138 0013 8000"])
    await company.settle()
    assert await whose(company) == {"A": added.follow.external_userid}


async def test_the_jobs_find_what_no_event_told_and_take_back_what_became_doubtful(company: Company) -> None:
    one, two = company.scan(), company.scan()
    await company.settle()
    follow = await company.bot.db.read(rows.list_orders)
    assert follow == []
    for added in (one, two):
        company.people.edit(added.follow.userid, added.follow.external_userid, remark="小鱼", mobiles=[MOBILE])
        await company.settle()
        if added is one:
            await keep(company, order("A", mobile=MOBILE))
            assert await whose(company) == {"A": one.follow.external_userid}
    assert await whose(company) == {"A": None}
    assert await match_waiting(company.bot.context) == 0
    assert await review_matches(company.bot.context) == 0
