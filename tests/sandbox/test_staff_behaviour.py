"""Members who confirm by themselves: as many as the statistics say, in their own time, the same for the same seed."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

import pytest

from bot.clock import FrozenClock
from bot.sandbox.errors import WorldError
from bot.sandbox.group_sends import GroupSend
from bot.sandbox.machine import Machine
from bot.sandbox.server import Sandbox, run_sandbox
from bot.sandbox.staff_behaviour import Behaviour, parse_behaviour
from bot.sandbox.world import World
from tests.sandbox.conftest import START, Client
from tests.sandbox.test_group_sends import CANCEL, REMIND, TASK, create, customers_of, members

HOUR = 3600.0


def test_a_behaviour_is_a_share_and_a_time() -> None:
    assert parse_behaviour("80%,4h") == Behaviour(0.8, 4 * HOUR)
    assert parse_behaviour(" 100 % / 1.5 m ") == Behaviour(1, 90)
    for text in ("", "80", "101%,4h", "80%,4", "80%", "4h", "-1%,4h"):
        with pytest.raises(WorldError, match="no behaviour"):
            parse_behaviour(text)


def many(share: float, *, seed: int = 1) -> tuple[Machine, FrozenClock, GroupSend]:
    """A company of 400 members, all of whom have a task."""
    clock = FrozenClock(START)
    machine = Machine.build(World(staff=400, customers=4000, seed=seed, clock=clock))
    machine.behave(Behaviour(share, HOUR))
    world = machine.world
    recipients = {
        member.userid: found
        for member in world.population.service
        if (found := [*world.customers.listed_by(member.userid)])
    }
    send = world.group_sends.create("single", [("text", {"content": "早"})], recipients, now=clock.timestamp())
    machine.staff_behaviour.plan(send)
    return machine, clock, send


def confirmed(machine: Machine, send: GroupSend) -> dict[str, int]:
    """userid → send_time."""
    tasks = machine.world.group_sends.tasks(send.msgid).values()
    return {task.userid: task.send_time for task in tasks if task.send_time}


def test_as_many_confirm_as_the_statistics_say() -> None:
    machine, clock, send = many(0.8)
    tasks = len(machine.world.group_sends.tasks(send.msgid))
    assert tasks > 250
    assert machine.due_at == START.timestamp() + 3
    clock.advance(timedelta(hours=1, seconds=3))
    machine.settle()
    assert 0.30 < len(confirmed(machine, send)) / tasks < 0.50
    clock.advance(timedelta(days=30))
    machine.settle()
    assert 0.72 < len(confirmed(machine, send)) / tasks < 0.88
    assert machine.staff_behaviour.due_at == math.inf


def test_a_jump_of_the_clock_confirms_the_same_at_the_same_times() -> None:
    machine, clock, send = many(0.5)
    clock.advance(timedelta(days=40))
    machine.settle()
    at_once = confirmed(machine, send)
    machine, clock, send = many(0.5)
    for _ in range(40 * 24):
        clock.advance(timedelta(hours=1))
        machine.settle()
    assert confirmed(machine, send) == at_once
    assert min(at_once.values()) >= START.timestamp() + 3
    assert len(set(at_once.values())) > len(at_once) / 2
    machine, clock, send = many(0.5, seed=2)
    clock.advance(timedelta(days=40))
    machine.settle()
    assert confirmed(machine, send) != at_once


def test_statistics_that_come_later_change_nothing_that_was() -> None:
    machine, clock, send = many(0)
    clock.advance(timedelta(days=40))
    machine.settle()
    assert confirmed(machine, send) == {}
    machine.settings.staff_confirm_share = 1
    machine.staff_behaviour.plan_anew(clock.timestamp())
    machine.settle()
    assert min(confirmed(machine, send).values()) >= int(clock.timestamp())


async def test_a_reminder_is_another_chance_and_a_cancelled_one_is_never_confirmed(
    client: Client, clock: FrozenClock
) -> None:
    await client.control("settings", staff_confirm_share=0.5, staff_confirm_half_seconds=60, token_life_seconds=10**8)
    everyone = [one for userid in members(client) for one in customers_of(client, userid)]

    async def waiting(msgid: str) -> int:
        return sum(1 for task in (await client.post(TASK, {"msgid": msgid}))["task_list"] if not task["status"])

    msgid = (await create(client, external_userid=everyone))["msgid"]
    cancelled = (await create(client, external_userid=everyone))["msgid"]
    assert await client.code(CANCEL, {"msgid": cancelled}) == 0
    clock.advance(timedelta(days=1))
    before = await waiting(msgid)
    assert 0 < before < len(members(client))
    left = before
    for _ in range(12):
        assert await client.code(REMIND, {"msgid": msgid}) == 0
        clock.advance(timedelta(days=1))
        left = await waiting(msgid)
        if not left:
            break
    assert left == 0
    tasks = (await client.read(f"group_sends/{cancelled}"))["tasks"]
    assert {task["state"] for task in tasks} == {"cancelled"}


def test_posts_in_moments_are_published_in_the_same_way() -> None:
    clock = FrozenClock(START)
    machine = Machine.build(World(staff=400, customers=4000, clock=clock))
    machine.behave(Behaviour(0.8, HOUR))
    world = machine.world
    now, userids = clock.timestamp(), [member.userid for member in world.population.service]
    content = [("text", {"content": "早"})]
    post = world.moments.create(content, userids, now=now, ready_at=now + 3, agentid=1)
    cancelled = world.moments.create(content, userids, now=now, ready_at=now + 3, agentid=1)
    for moment in (post, cancelled):
        machine.staff_behaviour.plan_post(moment)
    cancelled.cancelled_at = now
    clock.advance(timedelta(days=30))
    machine.settle()
    times = [task.published_at for task in world.moments.tasks(post.moment_id).values() if task.published_at]
    assert 0.72 < len(times) / len(userids) < 0.88
    assert sum(at <= START.timestamp() + HOUR + 3 for at in times) in range(len(times) // 3, 2 * len(times) // 3)
    assert not any(task.published_at for task in world.moments.tasks(cancelled.moment_id).values())


async def test_who_watches_hears_that_a_group_send_is_handed_out(client: Client) -> None:
    await client.control("settings", group_send_settle_seconds=10)
    msgid = (await create(client, sender=members(client)[0]))["msgid"]
    changes = client.sandbox.world.changes
    seen = changes.watch(0)
    await client.control("clock", advance_seconds=10)
    kinds = []
    async for _, text in seen:
        kinds.append("handed_out" in text and msgid in text)
        if kinds[-1]:
            break
    assert kinds.count(True) == 1


async def test_the_command_passes_the_statistics_on() -> None:
    started: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_sandbox(port=0, behaviour=Behaviour(0.8, HOUR), started=started))
    sandbox = await started
    assert sandbox.machine.settings.staff_confirm_share == 0.8
    assert sandbox.machine.settings.staff_confirm_half_seconds == HOUR
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
