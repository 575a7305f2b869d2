"""Staff who tag by hand in masses: the number of fetches stays far below that of the events."""

from __future__ import annotations

import asyncio

import pytest

from bot import markings
from bot.sandbox.faults import Fault
from tests.scenarios.conftest import Company
from tests.scenarios.test_markings import GET, agree, ask, everyone, finish
from tests.scenarios.test_sync import sync, world_rows

EDITS = 100


async def begin(company: Company) -> None:
    """All customers are known, and WeCom takes its time to answer: edits come faster than they are looked at.

    Half a second, so that they do on a busy machine too.
    """
    await sync(company)
    company.sandbox.machine.faults.add(Fault(0, "api", "latency", on=GET, seconds=0.5))


async def calm(company: Company) -> None:
    """Wait until all is delivered and handled: these are more events than elsewhere."""
    async with asyncio.timeout(120):
        for _ in range(2):
            await company.sandbox.machine.callbacks.idle()
            await company.bot.inbox.wait_until_idle()


@pytest.mark.slow
async def test_a_hundred_edits_of_one_customer_cost_a_few_fetches(company: Company) -> None:
    await begin(company)
    pair, before = sorted(world_rows(company))[0], company.calls(GET)
    for number in range(EDITS):
        tag = company.tag_ids[number % 5]
        if number % 10 < 5:
            company.people.edit(*pair, add_tags=[tag])
        else:
            company.people.edit(*pair, remove_tags=[tag])
    await calm(company)
    assert company.calls(GET) - before <= EDITS / 4
    await agree(company)


@pytest.mark.slow
async def test_edits_of_many_customers_cost_one_fetch_each_however_often_they_are_edited(company: Company) -> None:
    await begin(company)
    pairs, before = sorted(world_rows(company))[:25], company.calls(GET)
    for pair in pairs:
        for number in range(5):
            company.people.edit(*pair, add_tags=[company.tag_ids[number]], remark=f"第{number}次")
    await calm(company)
    assert company.calls(GET) - before <= 2.5 * len(pairs), "125 edits"
    await agree(company)


async def test_a_marking_beside_a_storm_of_edits_fetches_no_more_than_the_edits_do(company: Company) -> None:
    await begin(company)
    pairs, before = sorted(world_rows(company))[:40], company.calls(GET)
    tag, theirs = company.tag_ids[:2]
    marking_id = await ask(company, everyone([tag]))
    for pair in pairs:
        company.people.edit(*pair, add_tags=[theirs])
    marking = await finish(company, marking_id)
    await calm(company)
    assert marking.items > 2 * len(pairs)
    assert company.calls(GET) - before <= 2 * len(pairs)
    assert all(tag in row[-1] for row in world_rows(company).values())
    await agree(company)
    assert (await markings.count_marking(company.bot.context, everyone([tag]))).items == 0
