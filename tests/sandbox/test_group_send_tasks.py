"""Members confirm group-sends on their phones: who receives them, who does not, and what is kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clock import FrozenClock
from bot.sandbox.group_send_caps import period_of
from bot.sandbox.group_sends import SendTask
from bot.sandbox.machine import Machine
from bot.sandbox.world import World
from tests.sandbox.conftest import START, Client
from tests.sandbox.test_group_sends import LINK, create, customers_of, members, results, settle_at_once, span


async def confirm(client: Client, userid: str, msgid: str, expect: int = 200, **more: Any) -> dict[str, Any]:
    return await client.control("staff/confirm_group_send", expect, userid=userid, msgid=msgid, **more)


async def test_a_confirmed_task_reaches_the_customers(client: Client, clock: FrozenClock) -> None:
    await settle_at_once(client)
    sender = members(client)[0]
    mine = customers_of(client, sender)[:3]
    msgid = (await create(client, sender=sender, external_userid=mine[:2], attachments=[LINK]))["msgid"]
    (waiting,) = (await client.read(f"staff/{sender}/group_sends", waiting="true"))["tasks"]
    assert (waiting["state"], waiting["recipients"], waiting["not_sent"]) == ("waiting", 2, 2)
    assert (await client.read(f"chats/{sender}/{mine[0]}"))["messages"] == []
    clock.advance(timedelta(minutes=5))
    await client.control("write", userid=sender, external_userid=mine[0], sender="customer", text="在吗")
    done = await confirm(client, sender, msgid)
    assert (done["state"], done["sent"]) == ("sent", 2)
    await client.control("write", userid=sender, external_userid=mine[0], sender="customer", text="好的")
    messages = (await client.read(f"chats/{sender}/{mine[0]}"))["messages"]
    assert [message["origin"] for message in messages] == ["chat", "group_send", "group_send", "chat"]
    assert [message["msgtype"] for message in messages] == ["text", "text", "link", "text"]
    assert len({message["seq"] for message in messages}) == 4
    assert (await client.read(f"chats/{sender}/{mine[2]}"))["messages"] == []
    now = int(clock.timestamp())
    tasks = (await client.post("externalcontact/get_groupmsg_task", {"msgid": msgid}))["task_list"]
    assert tasks == [{"userid": sender, "status": 2, "send_time": now}]
    body = {"msgid": msgid, "userid": sender}
    rows = (await client.post("externalcontact/get_groupmsg_send_result", body))["send_list"]
    assert rows[0] == {"external_userid": mine[0], "userid": sender, "status": 1, "send_time": now}
    await confirm(client, sender, msgid, 409)
    await confirm(client, sender, "msg-unknown", 404)
    await confirm(client, members(client)[1], msgid, 404)
    sends = (await client.read("group_sends"))["group_sends"]
    assert [(send["msgid"], send["tasks"], send["recipients"]) for send in sends] == [(msgid, 1, 2)]
    assert (await client.read(f"group_sends/{msgid}"))["tasks"] == [done]
    page = (await client.read(f"staff/{sender}/group_sends/{msgid}", offset=1))["page"]
    assert page == [{"id": mine[1], "status": 1}]


async def test_who_is_no_friend_any_more_receives_nothing(client: Client) -> None:
    await settle_at_once(client)
    sender = members(client)[0]
    left, gone, there = customers_of(client, sender)[:3]
    msgid = (await create(client, sender=sender, external_userid=[left, gone, there]))["msgid"]
    await client.control("delete_by_customer", userid=sender, external_userid=left)
    await client.control("delete_by_staff", userid=sender, external_userid=gone)
    await confirm(client, sender, msgid)
    assert await results(client, msgid, sender) == {left: 2, gone: 2, there: 1}
    body = {"msgid": msgid, "userid": sender}
    rows = (await client.post("externalcontact/get_groupmsg_send_result", body))["send_list"]
    assert ["send_time" in row for row in rows] == [False, False, True]


@pytest.mark.parametrize(
    ("cap", "most", "fresh_at"),
    [
        ("day", 1, datetime(2026, 3, 2, 16, tzinfo=UTC)),
        ("week", 7, datetime(2026, 3, 8, 16, tzinfo=UTC)),
        ("month", 31, datetime(2026, 3, 31, 16, tzinfo=UTC)),
    ],
)
async def test_what_a_customer_may_receive_shows_when_the_member_confirms(
    cap: str, most: int, fresh_at: datetime, client: Client, clock: FrozenClock
) -> None:
    await client.control("settings", group_send_settle_seconds=0, group_send_cap=cap, token_life_seconds=10**8)
    sender = members(client)[0]
    one, other = customers_of(client, sender)[:2]
    msgid = (await create(client, sender=sender, external_userid=[one, other]))["msgid"]
    for _ in range(most):  # what members send of their own accord counts as well
        await client.control("staff/group_send", userid=sender, text="早", ids=[one])
    clock.advance(fresh_at - clock.now() - timedelta(seconds=1))
    await confirm(client, sender, msgid)
    assert await results(client, msgid, sender) == {one: 3, other: 1}
    messages = (await client.read(f"chats/{sender}/{one}"))["messages"]
    assert len(messages) == most
    clock.advance(timedelta(seconds=1))  # a new period begins at midnight in China
    again = (await create(client, sender=sender, external_userid=[one]))["msgid"]
    await confirm(client, sender, again)
    assert await results(client, again, sender) == {one: 1}


async def test_a_changed_cap_counts_what_was_received_before(client: Client) -> None:
    await settle_at_once(client)
    sender = members(client)[0]
    one = customers_of(client, sender)[0]
    stranger = (await client.control("scan", userid=sender, name="新人"))["external_userid"]
    for _ in range(2):
        await client.control("staff/group_send", userid=sender, text="早", ids=[one, stranger])
    await client.control("settings", group_send_cap="day")
    third = await client.control("staff/group_send", userid=sender, text="早", ids=[one, stranger])
    assert (third["sent"], third["at_cap"]) == (0, 2)


def test_periods_follow_the_calendar_of_china() -> None:
    at = datetime(2028, 2, 29, 16, tzinfo=UTC).timestamp()  # 1 March, 00:00 in China
    assert period_of("month", at - 1)[2] == 29
    assert period_of("month", at) == (at, at + 31 * 86_400, 31)
    assert period_of("day", at) == (at, at + 86_400, 1)
    assert period_of("week", at)[:2] == (at - 2 * 86_400, at + 5 * 86_400)  # a Wednesday


async def test_recipients_are_chosen_only_where_that_is_allowed(client: Client) -> None:
    await settle_at_once(client)
    sender = members(client)[0]
    one, two = customers_of(client, sender)[:2]
    fixed = (await create(client, sender=sender, external_userid=[one, two]))["msgid"]
    await confirm(client, sender, fixed, 409, only=[one])
    free = (await create(client, sender=sender, external_userid=[one, two], allow_select=True))["msgid"]
    await confirm(client, sender, free, 409, only=[])
    await confirm(client, sender, free, 409, only=["wm-unknown"])
    done = await confirm(client, sender, free, only=[two])
    assert (done["sent"], done["not_sent"]) == (1, 1)
    assert await results(client, free, sender) == {one: 0, two: 1}


async def test_groups_receive_and_reach_their_cap(client: Client) -> None:
    await client.control("settings", group_send_settle_seconds=0, group_send_cap="day")
    group = next(iter(client.sandbox.world.groups))
    made = await client.control("groups/create", owner=group.owner, name="新群")
    gone = await client.control("groups/create", owner=group.owner, name="散了的群")
    chat_ids = [group.chat_id, made["chat_id"], gone["chat_id"]]
    msgid = (await create(client, chat_type="group", sender=group.owner, chat_id_list=chat_ids))["msgid"]
    await client.control("staff/group_send", userid=group.owner, text="早", ids=chat_ids[:1], to_groups=True)
    await client.control("groups/dismiss", chat_id=gone["chat_id"])
    await confirm(client, group.owner, msgid)
    assert await results(client, msgid, group.owner) == {chat_ids[0]: 3, chat_ids[1]: 1, chat_ids[2]: 2}
    messages = (await client.read(f"groups/{chat_ids[1]}/messages"))["messages"]
    assert [message["content"]["content"] for message in messages] == ["周末有新品"]
    assert [message["userid"] for message in messages] == [group.owner]
    listed = await client.post("externalcontact/get_groupmsg_list_v2", {"chat_type": "group", **span(client)})
    assert [row["create_type"] for row in listed["group_msg_list"]] == [0, 1]


async def test_a_member_who_left_confirms_nothing(client: Client) -> None:
    await settle_at_once(client)
    sender = members(client)[0]
    msgid = (await create(client, sender=sender))["msgid"]
    await client.control("staff/leave", userid=sender)
    await confirm(client, sender, msgid, 409)
    await client.control("staff/group_send", 409, userid=sender, text="早")


def test_a_recipient_is_found_only_where_an_id_begins() -> None:
    one, two = "wm" + "a" * 30, "wm" + "b" * 30
    task = SendTask("msg", "u", one + two, results="12")
    assert (task.result_of(one), task.result_of(two)) == ("1", "2")
    assert task.result_of(one[16:] + two[:16]) is None
    assert task.result_of("wm") is None


async def test_group_sends_outlive_a_restart(tmp_path: Path) -> None:
    path, clock = tmp_path / "wecom.db", FrozenClock(START)

    def start() -> Machine:
        machine = Machine.build(World.open(path, clock=clock))
        machine.settings.group_send_cap = "day"
        return machine

    machine = start()
    world = machine.world
    sender = world.population.service[0].userid
    mine = list(world.customers.listed_by(sender))[:2]
    made = machine.group_send_acts.send_own(sender, "早", mine[:1])
    waiting = world.group_sends.create("single", [("text", {"content": "晚"})], {sender: mine}, now=0.0, agentid=1)
    await asyncio.to_thread(world.journal.flush)
    world.close()

    machine = start()
    world = machine.world
    assert [send.msgid for send in world.group_sends] == [made.msgid, waiting.msgid]
    (message,) = world.chats.of(sender, mine[0])
    assert message.content == {"content": "早"}
    task = machine.group_send_acts.confirm(sender, waiting.msgid)
    assert task.results == "31"
    assert task.seq > message.seq
    another = machine.group_send_acts.send_own(sender, "夜", mine[1:])
    assert another.msgid not in (made.msgid, waiting.msgid)
    machine.reset()
    assert list(machine.world.group_sends) == []
    assert list(machine.group_send_acts.tasks_of(sender)) == []
    world.close()
