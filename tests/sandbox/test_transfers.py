"""Customers who pass to another member: queued, in effect a day later on the moved clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Client, Receiver

START, RESULT = "externalcontact/transfer_customer", "externalcontact/transfer_result"
DAY = 86_400


@pytest.fixture
async def pair(client: Client) -> dict[str, Any]:
    handover, takeover = [member.userid for member in client.sandbox.world.population.service[:2]]
    return {"handover_userid": handover, "takeover_userid": takeover}


async def new_customer(client: Client, userid: str) -> str:
    added = await client.control("scan", userid=userid)
    return str(added["external_userid"])


async def test_a_transfer_takes_effect_after_a_day(client: Client, receiver: Receiver, pair: dict[str, Any]) -> None:
    external_userid = await new_customer(client, pair["handover_userid"])
    await client.control("edit", userid=pair["handover_userid"], external_userid=external_userid, remark="大客户")
    await client.control("callbacks/wait")
    receiver.plaintexts.clear()
    answer = await client.post(START, {**pair, "external_userid": [external_userid, "wm-unknown"]})
    assert answer["customer"] == [
        {"external_userid": external_userid, "errcode": 0},
        {"external_userid": "wm-unknown", "errcode": 40096},
    ]
    waiting = (await client.post(RESULT, pair))["customer"]
    due = client.sandbox.world.now + DAY
    assert waiting == [{"external_userid": external_userid, "status": 2, "takeover_time": due}]
    again = await client.post(START, {**pair, "external_userid": [external_userid]})
    assert again["customer"][0]["errcode"] == 40100
    await client.control("clock", advance_seconds=DAY - 1)
    client.token = None
    assert (await client.post(RESULT, pair))["customer"][0]["status"] == 2
    assert receiver.plaintexts == []
    await client.control("clock", advance_seconds=1)
    assert (await client.post(RESULT, pair))["customer"][0]["status"] == 1
    await client.control("callbacks/wait")
    assert list(zip(receiver.named("ChangeType"), receiver.named("UserID"), receiver.named("Source"), strict=True)) == [
        ("add_external_contact", pair["takeover_userid"], ""),
        ("del_external_contact", pair["handover_userid"], "DELETE_BY_TRANSFER"),
    ]
    answer = await client.get("externalcontact/get", external_userid=external_userid)
    (follow,) = answer["follow_user"]
    assert follow["userid"] == pair["takeover_userid"]
    assert follow["add_way"] == 202
    assert follow["remark"] == "大客户"


async def test_a_customer_may_refuse(client: Client, receiver: Receiver, pair: dict[str, Any]) -> None:
    external_userid = await new_customer(client, pair["handover_userid"])
    await client.post(START, {**pair, "external_userid": [external_userid]})
    await client.control("transfers/refuse", external_userid=external_userid)
    assert (await client.post(RESULT, pair))["customer"] == [
        {"external_userid": external_userid, "status": 3, "takeover_time": 0}
    ]
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType")[-1] == "transfer_fail"
    assert receiver.named("FailReason")[-1] == "customer_refused"
    assert receiver.named("UserID")[-1] == pair["takeover_userid"]
    await client.control("clock", advance_seconds=DAY)
    client.token = None
    answer = await client.get("externalcontact/get", external_userid=external_userid)
    assert [follow["userid"] for follow in answer["follow_user"]] == [pair["handover_userid"]]


async def test_a_member_at_the_cap_takes_over_nobody(client: Client, receiver: Receiver, pair: dict[str, Any]) -> None:
    external_userid = await new_customer(client, pair["handover_userid"])
    await client.control("settings", member_customer_cap=5)
    await client.post(START, {**pair, "external_userid": [external_userid]})
    await client.control("clock", advance_seconds=DAY)
    client.token = None
    assert (await client.post(RESULT, pair))["customer"][0]["status"] == 4
    await client.control("callbacks/wait")
    assert receiver.named("FailReason")[-1] == "customer_limit_exceed"


async def test_nobody_is_transferred_a_third_time_within_ninety_days(client: Client, pair: dict[str, Any]) -> None:
    external_userid = await new_customer(client, pair["handover_userid"])
    back = {"handover_userid": pair["takeover_userid"], "takeover_userid": pair["handover_userid"]}
    for people in (pair, back):
        answer = await client.post(START, {**people, "external_userid": [external_userid]})
        assert answer["customer"][0]["errcode"] == 0
        await client.control("clock", advance_seconds=DAY)
        client.token = None
    answer = await client.post(START, {**pair, "external_userid": [external_userid]})
    assert answer["customer"][0]["errcode"] == 40128


async def test_what_is_refused(client: Client, pair: dict[str, Any]) -> None:
    external_userid = await new_customer(client, pair["takeover_userid"])
    assert await client.code(START, {**pair, "external_userid": []}) == 41035
    assert await client.code(START, {**pair, "external_userid": ["x"] * 101}) == 40058
    assert await client.code(START, {**pair, "handover_userid": "nobody", "external_userid": ["x"]}) == 40003
    same = {"handover_userid": pair["takeover_userid"], "takeover_userid": pair["takeover_userid"]}
    assert await client.code(START, {**same, "external_userid": [external_userid]}) == 40130
    answer = await client.post(START, {**pair, "external_userid": [external_userid]})
    assert answer["customer"][0]["errcode"] == 40131
    resigned = "externalcontact/resigned/transfer_customer"
    assert await client.code(resigned, {**pair, "external_userid": [external_userid]}) == 40097


async def test_the_customers_of_a_member_who_left(client: Client, receiver: Receiver, pair: dict[str, Any]) -> None:
    listed = (await client.get("externalcontact/list", userid=pair["handover_userid"]))["external_userid"]
    await client.control("staff/leave", userid=pair["handover_userid"])
    assert await client.code("user/get", userid=pair["handover_userid"]) == 60111
    found: list[str] = []
    cursor = ""
    while True:
        page = await client.post("externalcontact/get_unassigned_list", {"page_size": 20, "cursor": cursor})
        found += [row["external_userid"] for row in page["info"]]
        cursor = page["next_cursor"]
        if page["is_last"]:
            break
    assert cursor == ""
    assert found == listed
    only_mine = next(
        external_userid
        for external_userid in listed
        if len(client.sandbox.world.customers.follows_of(external_userid)) == 1
    )
    assert await client.code("externalcontact/get", external_userid=only_mine) == 84061
    answer = await client.post("externalcontact/resigned/transfer_customer", {**pair, "external_userid": [only_mine]})
    assert answer["customer"][0]["errcode"] == 0
    await client.control("clock", advance_seconds=DAY)
    client.token = None
    result = await client.post("externalcontact/resigned/transfer_result", pair)
    assert [row["status"] for row in result["customer"]] == [1]
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["add_external_contact"]  # a member who left is not told of a deletion
    answer = await client.get("externalcontact/get", external_userid=only_mine)
    assert [follow["userid"] for follow in answer["follow_user"]] == [pair["takeover_userid"]]
    groups = await client.post("externalcontact/groupchat/list", {"limit": 10, "status_filter": 1})
    assert groups["group_chat_list"] == []  # groups of somebody who left need an owner_filter
    filtered = {"limit": 10, "status_filter": 1, "owner_filter": {"userid_list": [pair["handover_userid"]]}}
    assert (await client.post("externalcontact/groupchat/list", filtered))["group_chat_list"]


async def test_an_admin_hands_over_at_once(client: Client, receiver: Receiver, pair: dict[str, Any]) -> None:
    external_userid = await new_customer(client, pair["handover_userid"])
    await client.control("callbacks/wait")
    receiver.plaintexts.clear()
    await client.control("transfers", external_userid=external_userid, **pair)
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["add_external_contact", "del_external_contact"]


async def test_a_friend_of_both_is_not_announced_again(
    client: Client, receiver: Receiver, pair: dict[str, Any]
) -> None:
    external_userid = await new_customer(client, pair["handover_userid"])
    await client.control("scan", userid=pair["takeover_userid"], external_userid=external_userid)
    await client.control("callbacks/wait")
    receiver.plaintexts.clear()
    await client.control("transfers", external_userid=external_userid, **pair)
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["del_external_contact"]


async def test_a_member_who_once_had_the_customer_hears_nothing(
    client: Client, receiver: Receiver, pair: dict[str, Any]
) -> None:
    external_userid = await new_customer(client, pair["handover_userid"])
    await client.control("scan", userid=pair["takeover_userid"], external_userid=external_userid)
    await client.control("delete_by_staff", userid=pair["takeover_userid"], external_userid=external_userid)
    await client.control("callbacks/wait")
    receiver.plaintexts.clear()
    await client.control("transfers", external_userid=external_userid, **pair)
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["del_external_contact"]
    answer = await client.get("externalcontact/get", external_userid=external_userid)
    assert [follow["userid"] for follow in answer["follow_user"]] == [pair["takeover_userid"]]
