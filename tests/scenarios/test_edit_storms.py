"""Staff who tag by hand in masses: the number of fetches stays far below that of the events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot import markings
from tests.scenarios.conftest import Company
from tests.scenarios.test_markings import GET, agree, ask, everyone, finish
from tests.scenarios.test_sync import sync, world_rows

EDITS = 100


@asynccontextmanager
async def faster_than_they_are_looked_at(company: Company) -> AsyncIterator[None]:
    """Edits come, however slow the machine is; afterwards they are looked at."""
    async with company.nobody_works():
        yield
        await company.sandbox.machine.callbacks.idle()


async def test_a_hundred_edits_of_one_customer_cost_a_few_fetches(company: Company) -> None:
    await sync(company)
    pair, before = sorted(world_rows(company))[0], company.calls(GET)
    async with faster_than_they_are_looked_at(company):
        for number in range(EDITS):
            tag = company.tag_ids[number % 5]
            if number % 10 < 5:
                company.people.edit(*pair, add_tags=[tag])
            else:
                company.people.edit(*pair, remove_tags=[tag])
    await company.settle()
    assert company.calls(GET) - before <= EDITS / 4
    await agree(company)


async def test_edits_of_many_customers_cost_one_fetch_each_however_often_they_are_edited(company: Company) -> None:
    await sync(company)
    pairs, before = sorted(world_rows(company))[:25], company.calls(GET)
    async with faster_than_they_are_looked_at(company):
        for pair in pairs:
            for number in range(5):
                company.people.edit(*pair, add_tags=[company.tag_ids[number]], remark=f"第{number}次")
    await company.settle()
    assert company.calls(GET) - before <= 2.5 * len(pairs), "125 edits"
    await agree(company)


async def test_a_marking_beside_a_storm_of_edits_fetches_no_more_than_the_edits_do(company: Company) -> None:
    await sync(company)
    pairs, before = sorted(world_rows(company))[:40], company.calls(GET)
    tag, theirs = company.tag_ids[:2]
    marking_id = await ask(company, everyone([tag]))
    async with faster_than_they_are_looked_at(company):
        work = asyncio.create_task(finish(company, marking_id))
        for pair in pairs:
            company.people.edit(*pair, add_tags=[theirs])
    marking = await work
    await company.settle()
    assert marking.items > 2 * len(pairs)
    assert company.calls(GET) - before <= 2 * len(pairs)
    assert all(tag in row[-1] for row in world_rows(company).values())
    await agree(company)
    assert (await markings.count_marking(company.bot.context, everyone([tag]))).items == 0
