"""Two bots on one PostgreSQL: every event handled once, and when one is gone the other takes over."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from bot.sandbox.faults import Fault
from data.queries import events as event_rows
from data.queries import inbox as inbox_rows
from data.queries import inbox_claims as claim_rows
from tests.scenarios.conftest import Company, Start

pytestmark = pytest.mark.parametrize("urls", ["postgresql"], indirect=True)

GET = "externalcontact/get"
SEND = "externalcontact/send_welcome_msg"


async def pair_of(start: Start) -> tuple[Company, Company]:
    """Two replicas; WeCom calls the second one started. Jobs run on whichever has the lease.

    Each handles no more at a time than it has connections: on a busy machine those who wait for one are told after
    half a minute that there is none, and their events are tried again later.
    """
    one = await start(inbox={"concurrency": 8})
    two = await start(reads=False, inbox={"concurrency": 8})
    return one, two


async def settle(*companies: Company) -> None:
    for company in companies:
        await company.settle()


async def test_every_event_is_handled_once(start: Start) -> None:
    one, two = await pair_of(start)
    await one.add_rule()
    await one.add_tag_rule(name="全部", put_on=[one.tag_ids[0]])
    everyone = []
    app = one.world.app
    for number in range(40):
        app.callback_url = f"{(one, two)[number % 2].bot.url}/callback"
        everyone.append(one.scan())
        await asyncio.sleep(0)
    await settle(one, two)
    assert [len(one.texts(added)) for added in everyone] == [1] * 40
    assert one.calls(SEND) == 40
    assert one.calls("externalcontact/mark_tag") == 40
    stored = await one.bot.inbox.db.read(event_rows.list_events, limit=1000)
    assert Counter(task["status"] for event in stored for task in event["tasks"]) == {"done": 80}
    handled = [
        sum(sample.value for metric in company.bot.metrics.events_handled.collect() for sample in metric.samples
            if sample.name.endswith("_total"))
        for company in (one, two)
    ]  # fmt: skip
    assert sum(handled) == 120, "three handlers of forty adds"


async def test_the_same_event_at_both_is_handled_once(start: Start) -> None:
    one, two = await pair_of(start)
    await one.add_rule()
    added = one.scan()
    (delivery,) = await _deliveries(one)
    app = one.world.app
    for company in (one, two):
        app.callback_url = f"{company.bot.url}/callback"
        for number in range(5):
            one.sandbox.machine.callbacks.send(app, delivery.plaintext, f"{id(company)}{number}")
    await settle(one, two)
    assert one.texts(added) == ["您好"]
    assert one.calls(SEND) == 1


async def _deliveries(company: Company) -> list[Any]:
    await company.sandbox.machine.callbacks.idle()
    return list(company.sandbox.machine.callbacks.history)


async def test_what_a_stopped_replica_left_is_finished_by_the_other(start: Start) -> None:
    one, two = await pair_of(start)
    one.world.app.callback_url = f"{one.bot.url}/callback"
    one.sandbox.machine.faults.add(Fault(0, "api", "latency", on=GET, seconds=0.2))
    everyone = [one.scan() for _ in range(30)]
    await one.sandbox.machine.callbacks.idle()
    await one.bot.inbox.stop()
    await two.settle()
    stored = await two.bot.inbox.db.read(event_rows.list_events, limit=1000)
    assert {task["status"] for event in stored for task in event["tasks"]} == {"done"}
    assert len(stored) == len(everyone)


async def test_what_a_dead_replica_held_comes_back_when_its_lease_ends(start: Start) -> None:
    one, two = await pair_of(start)
    # A replica that died holding a claim: it claimed, and nothing more is heard of it.
    async with one.nobody_works():
        async with two.nobody_works():
            added = one.scan()
            await one.sandbox.machine.callbacks.idle()
            now = one.bot.clock.now()
            until = inbox_rows.lease_end(now, 60)
            held = await one.bot.inbox.db.write(claim_rows.claim_tasks, now, "dead-1", until, 10)
            assert held
        await asyncio.sleep(0.3)
        counts = await two.bot.inbox.db.read(event_rows.count_tasks)
        assert counts == {"claimed": len(held)}, "a live lease is respected"
        two.bot.clock.advance(timedelta(seconds=61))
        two.bot.inbox.wake()
        await two.settle()
        assert await two.bot.inbox.db.read(event_rows.count_tasks) == {}
        assert added.outcome == "mutual"
