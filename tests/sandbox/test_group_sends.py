"""Group-sends through the API: what is refused, who gets which task, what lists, tasks and results tell."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.clock import FrozenClock
from tests.sandbox.conftest import Client
from tests.sandbox.test_media import PNG, upload

FOLDER = "externalcontact/"
ADD, LIST = FOLDER + "add_msg_template", FOLDER + "get_groupmsg_list_v2"
TASK, RESULT = FOLDER + "get_groupmsg_task", FOLDER + "get_groupmsg_send_result"
REMIND, CANCEL = FOLDER + "remind_groupmsg_send", FOLDER + "cancel_groupmsg_send"
HELLO = {"text": {"content": "周末有新品"}}
UNKNOWN = "wm" + "x" * 30
LINK = {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/"}}


def members(client: Client) -> list[str]:
    return [member.userid for member in client.sandbox.world.population.service]


def customers_of(client: Client, userid: str) -> list[str]:
    return list(client.sandbox.world.customers.listed_by(userid))


def shared(client: Client) -> tuple[str, str, str]:
    """(customer, first member, second member): followed by two, the second of whom was added later."""
    world = client.sandbox.world
    for external_userid in customers_of(client, members(client)[0]):
        follows = sorted(world.customers.follows_of(external_userid), key=lambda follow: follow.createtime)
        if len(follows) == 2:
            return external_userid, follows[0].userid, follows[1].userid
    raise AssertionError("nobody is shared")


async def settle_at_once(client: Client) -> None:
    await client.control("settings", group_send_settle_seconds=0)


async def create(client: Client, **body: Any) -> dict[str, Any]:
    answer = await client.post(ADD, {**HELLO, **body})
    assert answer["errcode"] == 0, answer
    return answer


async def results(client: Client, msgid: str, userid: str) -> dict[str, int]:
    """id → status."""
    rows = (await client.post(RESULT, {"msgid": msgid, "userid": userid, "limit": 1000}))["send_list"]
    return {row.get("external_userid") or row["chat_id"]: row["status"] for row in rows}


def span(client: Client) -> dict[str, int]:
    now = client.sandbox.world.now
    return {"start_time": now - 86_400, "end_time": now + 86_400}


# -- what is refused


async def test_a_group_send_that_is_refused(client: Client) -> None:
    sender = members(client)[0]
    mine = customers_of(client, sender)[:2]
    one = {"sender": sender, "external_userid": mine}
    for errcode, body in [
        (0, {**one, **HELLO}),
        (40063, one),
        (40063, {**one, "text": {"content": ""}, "attachments": []}),
        (40063, HELLO),
        (41035, {**HELLO, "external_userid": []}),
        (40058, {**HELLO, **one, "chat_type": "everyone"}),
        (40058, {**one, "text": {"content": "长" * 1334}}),
        (0, {**one, "text": {"content": "长" * 1333}}),
        (41064, {**one, "attachments": [LINK] * 10}),
        (0, {**one, "attachments": [LINK] * 9}),
        (41065, {**one, "attachments": [{"msgtype": "voice", "voice": {"media_id": "x"}}]}),
        (40007, {**one, "attachments": [{"msgtype": "image", "image": {"media_id": "x"}}]}),
        (40003, {**HELLO, "sender": "nobody", "external_userid": mine}),
        (40058, {**HELLO, "external_userid": [UNKNOWN] * 10_001}),
        (40096, {**HELLO, "external_userid": [UNKNOWN]}),
        (41048, {**HELLO, "sender": sender, "external_userid": [customers_of(client, members(client)[2])[0]]}),
        (40068, {**HELLO, "tag_filter": {"group_list": [{"tag_list": ["et-unknown"]}]}}),
        (40058, {**HELLO, "tag_filter": {"group_list": [{"tag_list": ["et-unknown"] * 101}]}}),
        (40058, {**HELLO, "chat_type": "group", "sender": ""}),
        (40063, {**HELLO, "chat_type": "group"}),
        (40058, {**HELLO, "chat_type": "group", "sender": sender, "chat_id_list": ["wr"] * 2001}),
        (41048, {**HELLO, "chat_type": "group", "sender": sender, "chat_id_list": ["wr-unknown"]}),
    ]:
        answer = await client.post(ADD, body)
        assert answer["errcode"] == errcode, (str(body)[:200], answer)
        if errcode:
            assert answer["fail_list"] == []
    await client.control("staff/change", userid=sender, customer_contact=False)
    assert await client.code(ADD, {**HELLO, **one}) == 84061
    assert await client.code(ADD, {**HELLO, "external_userid": mine}) == 41048
    assert len(list(client.sandbox.world.group_sends)) == 3


async def test_an_id_that_is_missing_or_unknown(client: Client) -> None:
    for path in (TASK, RESULT, REMIND, CANCEL):
        assert await client.code(path, {"userid": "x"}) == 41046
        assert await client.code(path, {"userid": "x", "msgid": "msg-unknown"}) == 41047


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({}, 0),
        ({"chat_type": None}, 40058),
        ({"chat_type": "all"}, 40058),
        ({"start_time": None}, 40058),
        ({"end_time": None}, 40058),
        ({"end_time": 1}, 40058),
        ({"filter_type": 3}, 40058),
        ({"cursor": "xx"}, 50100),
    ],
)
async def test_a_list_that_is_refused(client: Client, change: dict[str, Any], errcode: int) -> None:
    assert await client.code(LIST, {"chat_type": "single", **span(client), **change}) == errcode
    assert await client.code(LIST, {"chat_type": "single", "start_time": 0, "end_time": 31 * 86_400 + 1}) == 40058


# -- who gets which task


async def test_a_named_sender_reaches_only_customers_of_their_own(client: Client) -> None:
    await settle_at_once(client)
    sender, other = members(client)[0], members(client)[2]
    mine, strange = customers_of(client, sender)[:3], customers_of(client, other)[:1]
    answer = await create(client, sender=sender, external_userid=[*mine, *strange, UNKNOWN, mine[0]])
    assert answer["fail_list"] == [*strange, UNKNOWN]
    assert answer["msgid"].startswith("msg")
    assert (await client.post(TASK, {"msgid": answer["msgid"]}))["task_list"] == [{"userid": sender, "status": 0}]
    assert await results(client, answer["msgid"], sender) == dict.fromkeys(mine, 0)
    assert await results(client, answer["msgid"], other) == {}


async def test_without_a_sender_the_member_who_had_to_do_with_the_customer_last_gets_the_task(client: Client) -> None:
    await settle_at_once(client)
    customer, first, second = shared(client)
    answer = await create(client, external_userid=[customer])
    assert await results(client, answer["msgid"], second) == {customer: 0}
    await client.control("write", userid=first, external_userid=customer, sender="customer", text="在吗")
    answer = await create(client, external_userid=[customer])
    assert (await client.post(TASK, {"msgid": answer["msgid"]}))["task_list"] == [{"userid": first, "status": 0}]
    answer = await create(client, external_userid=[customer], sender=second)
    assert (await client.post(TASK, {"msgid": answer["msgid"]}))["task_list"] == [{"userid": second, "status": 0}]


async def test_every_id_is_in_one_task_or_failed(client: Client) -> None:
    await settle_at_once(client)
    world, rng = client.sandbox.world, random.Random(7)
    everyone = [one for userid in members(client) for one in customers_of(client, userid)]
    for external_userid in rng.sample(everyone, 40):
        follow = rng.choice(world.customers.follows_of(external_userid))
        follow.friendship = rng.choice(("gone", "left", "half", "requested"))
        world.customers.put_follow(follow)
    for turn in range(25):
        named = rng.choices([*everyone, UNKNOWN, "", "wr"], k=rng.randrange(1, 120))
        sender = rng.choice(["", *members(client)])
        answer = await client.post(ADD, {**HELLO, "external_userid": named, "sender": sender})
        if answer["errcode"]:
            assert answer["errcode"] in (41048, 40096), turn
            continue
        found = list(answer["fail_list"])
        for userid in members(client):
            rows = await results(client, answer["msgid"], userid)
            assert not rows or sender in ("", userid)
            for external_userid in rows:
                kept = world.customers.find_follow(userid, external_userid)
                assert kept is not None
                assert kept.friendship in ("mutual", "left")
            found += rows
        assert sorted(found) == sorted(set(named)), turn


async def test_a_sender_alone_reaches_all_of_their_customers(client: Client) -> None:
    await settle_at_once(client)
    sender = members(client)[1]
    answer = await create(client, sender=sender)
    assert list(await results(client, answer["msgid"], sender)) == customers_of(client, sender)


async def test_tags_choose_customers_and_ids_overrule_them(client: Client) -> None:
    await settle_at_once(client)
    world, sender = client.sandbox.world, members(client)[0]
    groups = [{tag.id for tag in group.tags} for group in world.tags.groups.values()][:2]
    # a change of tags counts like the tags of the base
    gained, lost = customers_of(client, sender)[:2]
    for external_userid, tags in ((gained, [sorted(groups[0])[0], sorted(groups[1])[0]]), (lost, [])):
        follow = world.customers.find_follow(sender, external_userid)
        assert follow is not None
        follow.tag_ids = tags
        world.customers.put_follow(follow)
    tag_filter = {"group_list": [{"tag_list": sorted(group)} for group in groups]}

    def fits(userid: str, external_userid: str) -> bool:
        follow = world.customers.find_follow(userid, external_userid)
        return follow is not None and all(group & set(follow.tag_ids) for group in groups)

    expected = [external_userid for external_userid in customers_of(client, sender) if fits(sender, external_userid)]
    answer = await create(client, sender=sender, tag_filter=tag_filter)
    assert list(await results(client, answer["msgid"], sender)) == expected
    assert gained in expected
    assert lost not in expected
    assert len(expected) < len(customers_of(client, sender))

    everyone = await create(client, tag_filter=tag_filter)
    handed_out: list[str] = []
    for userid in members(client):
        found = list(await results(client, everyone["msgid"], userid))
        assert all(fits(userid, external_userid) for external_userid in found)
        handed_out += found
    assert len(handed_out) == len(set(handed_out))
    assert set(handed_out) == {
        external_userid
        for userid in members(client)
        for external_userid in customers_of(client, userid)
        if fits(userid, external_userid)
    }
    customer, first, second = shared(client)
    tag = sorted(groups[0])[0]
    for userid in (first, second):
        await client.control("edit", userid=userid, external_userid=customer, add_tags=[tag])
    both = await create(client, tag_filter={"group_list": [{"tag_list": [tag]}]})
    assert customer not in await results(client, both["msgid"], first)
    assert customer in await results(client, both["msgid"], second)
    answer = await create(client, sender=sender, external_userid=[lost], tag_filter=tag_filter)
    assert list(await results(client, answer["msgid"], sender)) == [lost]


async def test_who_deleted_the_member_is_taken_and_who_was_deleted_is_not(client: Client) -> None:
    sender = members(client)[0]
    left, gone, half = *customers_of(client, sender)[:2], ""
    await client.control("delete_by_customer", userid=sender, external_userid=left)
    await client.control("delete_by_staff", userid=sender, external_userid=gone)
    half = (await client.control("scan", userid=sender, name="半路", flow="half"))["external_userid"]
    await settle_at_once(client)
    answer = await create(client, sender=sender, external_userid=[left, gone, half])
    assert answer["fail_list"] == [gone, half]
    assert await results(client, answer["msgid"], sender) == {left: 0}


async def test_groups_go_to_their_owners(client: Client) -> None:
    await settle_at_once(client)
    groups = list(client.sandbox.world.groups)
    owner = groups[0].owner
    owned = [group.chat_id for group in groups if group.owner == owner]
    foreign = next(group for group in groups if group.owner != owner)
    named = await create(client, chat_type="group", sender=owner, chat_id_list=[owned[0], foreign.chat_id])
    assert named["fail_list"] == [foreign.chat_id]
    assert await results(client, named["msgid"], owner) == {}  # of groups nothing is told before the owner acts
    free = await create(client, chat_type="group", chat_id_list=[owned[0], foreign.chat_id])
    tasks = (await client.post(TASK, {"msgid": free["msgid"]}))["task_list"]
    assert [task["userid"] for task in tasks] == [owner, foreign.owner]
    alone = await create(client, chat_type="group", sender=owner)
    await client.control("staff/confirm_group_send", userid=owner, msgid=alone["msgid"], only=owned[:1])
    assert await results(client, alone["msgid"], owner) == {owned[0]: 1}


# -- after the making


async def test_a_new_group_send_takes_a_while_to_be_handed_out(client: Client, clock: FrozenClock) -> None:
    sender = members(client)[0]
    msgid = (await create(client, sender=sender, external_userid=customers_of(client, sender)[:1]))["msgid"]
    assert await client.code(TASK, {"msgid": msgid}) == 41063
    assert await client.code(RESULT, {"msgid": msgid, "userid": sender}) == 41063
    assert (await client.post(LIST, {"chat_type": "single", **span(client)}))["group_msg_list"] == []
    assert (await client.read(f"staff/{sender}/group_sends"))["tasks"] == []
    await client.control("staff/confirm_group_send", 409, userid=sender, msgid=msgid)
    clock.advance(timedelta(seconds=3))
    assert await client.code(TASK, {"msgid": msgid}) == 0
    assert await client.code(RESULT, {"msgid": msgid, "userid": sender}) == 0
    assert len((await client.post(LIST, {"chat_type": "single", **span(client)}))["group_msg_list"]) == 1


async def test_lists_page_and_filter(client: Client, clock: FrozenClock) -> None:
    await settle_at_once(client)
    sender, other = members(client)[:2]
    mine = customers_of(client, sender)[:1]
    media_id = (await upload(client, "image", "a.png", PNG))["media_id"]
    image = {"msgtype": "image", "image": {"media_id": media_id}}
    made = [(await create(client, sender=sender, external_userid=mine))["msgid"] for _ in range(119)]
    made.append((await create(client, sender=sender, external_userid=mine, attachments=[image, LINK]))["msgid"])
    own = await client.control("staff/group_send", userid=other, text="我自己的", ids=customers_of(client, other)[:1])
    body = {"chat_type": "single", **span(client)}
    pages, cursor = [], ""
    while True:
        page = await client.post(LIST, {**body, "limit": 100, "cursor": cursor})
        pages.append([row["msgid"] for row in page["group_msg_list"]])
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert [len(page) for page in pages] == [100, 21]
    assert [msgid for page in pages for msgid in page] == [*made, own["msgid"]]
    for limit in (101, 0, -1, None):
        assert len((await client.post(LIST, {**body, "limit": limit}))["group_msg_list"]) == 50
    company = (await client.post(LIST, {**body, "filter_type": 0, "limit": 100}))["group_msg_list"]
    assert "creator" not in company[0]
    assert company[0]["create_type"] == 0
    personal = (await client.post(LIST, {**body, "filter_type": 1}))["group_msg_list"]
    assert [(row["creator"], row["create_type"]) for row in personal] == [(other, 1)]
    assert (await client.post(LIST, {**body, "creator": other}))["group_msg_list"] == personal
    assert (await client.post(LIST, {**body, "creator": sender}))["group_msg_list"] == []
    assert (await client.post(LIST, {**body, "chat_type": "group"}))["group_msg_list"] == []
    assert (await client.post(LIST, {**body, "end_time": body["start_time"]}))["group_msg_list"] == []
    last = await client.post(LIST, {**body, "limit": 100, "cursor": await _second_page(client, body)})
    row = last["group_msg_list"][-2]
    assert row["create_time"] == str(int(clock.timestamp()))
    assert row["text"] == HELLO["text"]
    assert [attachment["msgtype"] for attachment in row["attachments"]] == ["image", "link"]
    assert row["attachments"][0] == image


async def _second_page(client: Client, body: dict[str, Any]) -> str:
    cursor: str = (await client.post(LIST, {**body, "limit": 100}))["next_cursor"]
    return cursor


async def test_tasks_and_results_page(client: Client) -> None:
    await settle_at_once(client)
    everyone = list(dict.fromkeys(one for userid in members(client) for one in customers_of(client, userid)))
    msgid = (await create(client, external_userid=everyone))["msgid"]
    whole = (await client.post(TASK, {"msgid": msgid}))["task_list"]
    assert [task["userid"] for task in whole] == sorted((t["userid"] for t in whole), key=members(client).index)
    first = await client.post(TASK, {"msgid": msgid, "limit": 2})
    rest = await client.post(TASK, {"msgid": msgid, "cursor": first["next_cursor"]})
    assert first["task_list"] + rest["task_list"] == whole
    assert rest["next_cursor"] == ""
    userid = whole[0]["userid"]
    body = {"msgid": msgid, "userid": userid.upper()}
    rows = (await client.post(RESULT, {**body, "limit": 1001}))["send_list"]
    first = await client.post(RESULT, {**body, "limit": 5})
    rest = await client.post(RESULT, {**body, "cursor": first["next_cursor"]})
    assert first["send_list"] + rest["send_list"] == rows
    assert {*rows[0]} == {"external_userid", "userid", "status"}
    assert await client.code(RESULT, {"msgid": msgid}) == 40063
    assert await client.code(RESULT, {"msgid": msgid, "userid": "nobody"}) == 40003
    total = 0
    for task in whole:
        total += len(await results(client, msgid, task["userid"]))
    assert total == len(everyone)


async def test_cancelling_stops_what_is_not_confirmed(client: Client) -> None:
    await settle_at_once(client)
    _, first, second = shared(client)
    one, two = customers_of(client, first)[0], customers_of(client, second)[-1]
    msgid = (await create(client, external_userid=[one, two]))["msgid"]
    tasks = [task["userid"] for task in (await client.post(TASK, {"msgid": msgid}))["task_list"]]
    await client.control("staff/confirm_group_send", userid=tasks[0], msgid=msgid)
    assert await client.code(CANCEL, {"msgid": msgid}) == 0
    assert await client.code(TASK, {"msgid": msgid}) == 41093
    assert await client.code(CANCEL, {"msgid": msgid}) == 41093
    assert await client.code(REMIND, {"msgid": msgid}) == 41093
    assert set((await results(client, msgid, tasks[0])).values()) == {1}
    assert set((await results(client, msgid, tasks[1])).values()) == {0}
    refused = await client.control("staff/confirm_group_send", 409, userid=tasks[1], msgid=msgid)
    assert "cancelled" in refused["error"]["message"]
    assert (await client.read(f"staff/{tasks[1]}/group_sends", waiting="true"))["tasks"] == []


async def test_three_reminders_a_day(client: Client, clock: FrozenClock) -> None:
    sender = members(client)[0]
    await client.control("settings", token_life_seconds=200_000)
    msgid = (await create(client, sender=sender))["msgid"]
    for _ in range(3):
        assert await client.code(REMIND, {"msgid": msgid}) == 0
        clock.advance(timedelta(hours=1))
    assert await client.code(REMIND, {"msgid": msgid}) == 41094
    clock.advance(timedelta(hours=21))
    assert await client.code(REMIND, {"msgid": msgid}) == 0
    assert await client.code(REMIND, {"msgid": msgid}) == 41094


async def test_an_answer_that_is_lost_leaves_the_group_send(client: Client) -> None:
    await settle_at_once(client)
    sender = members(client)[0]
    await client.get_token()
    await client.control("faults", kind="lose_answer", on=ADD, count=1)
    with pytest.raises(aiohttp.ClientError):
        await client.post(ADD, {**HELLO, "sender": sender})
    assert len((await client.post(LIST, {"chat_type": "single", **span(client)}))["group_msg_list"]) == 1
    for kind, more, errcode in (("errcode", {"errcode": -1}, -1), ("throttle", {"seconds": 0}, 45009)):
        await client.control("faults", kind=kind, on=ADD, count=1, **more)
        assert await client.code(ADD, {**HELLO, "sender": sender}) == errcode
    assert len(list(client.sandbox.world.group_sends)) == 1
