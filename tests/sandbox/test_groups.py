"""Customer groups, channel codes and codes into groups."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Client, Receiver

LIST, GET = "externalcontact/groupchat/list", "externalcontact/groupchat/get"


async def test_listing_pages_and_filters(client: Client) -> None:
    everything = (await client.post(LIST, {"limit": 1000}))["group_chat_list"]
    assert len(everything) == 4
    pages: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await client.post(LIST, {"limit": 3, "cursor": cursor})
        pages += answer["group_chat_list"]
        cursor = answer["next_cursor"]
        if not cursor:
            break
    assert pages == everything
    assert await client.code(LIST, {}) == 40058
    assert await client.code(LIST, {"limit": 1001}) == 40058
    assert await client.code(LIST, {"limit": 10, "status_filter": 4}) == 40058
    assert await client.code(LIST, {"limit": 10, "cursor": "xx"}) == 50100
    owner = (await client.post(GET, {"chat_id": everything[0]["chat_id"]}))["group_chat"]["owner"]
    owned = await client.post(LIST, {"limit": 10, "owner_filter": {"userid_list": [owner]}})
    assert everything[0] in owned["group_chat_list"]


async def test_a_group_in_detail(client: Client) -> None:
    chat_id = (await client.post(LIST, {"limit": 1}))["group_chat_list"][0]["chat_id"]
    group = (await client.post(GET, {"chat_id": chat_id}))["group_chat"]
    assert {member["type"] for member in group["member_list"]} == {1, 2}
    assert all("name" not in member for member in group["member_list"])
    named = (await client.post(GET, {"chat_id": chat_id, "need_name": 1}))["group_chat"]
    assert all(member["name"] for member in named["member_list"])
    assert len(group["member_version"]) == 32
    assert await client.code(GET, {"chat_id": "wr-unknown"}) == 40050


async def test_the_life_of_a_group(client: Client, receiver: Receiver) -> None:
    owner, other = [member.userid for member in client.sandbox.world.population.service[:2]]
    customer = (await client.get("externalcontact/list", userid=owner))["external_userid"][0]
    created = await client.control("groups/create", owner=owner, name="春季群", people=[other])
    chat_id = created["chat_id"]
    versions = [(await client.post(GET, {"chat_id": chat_id}))["group_chat"]["member_version"]]
    await client.control("groups/join", chat_id=chat_id, people=[customer], scene=3)
    versions.append((await client.post(GET, {"chat_id": chat_id}))["group_chat"]["member_version"])
    await client.control("groups/leave", chat_id=chat_id, people=[customer], kicked=True)
    versions.append((await client.post(GET, {"chat_id": chat_id}))["group_chat"]["member_version"])
    await client.control("groups/change", chat_id=chat_id, name="夏季群")
    await client.control("groups/change", chat_id=chat_id, notice="周五见", owner=other)
    await client.control("groups/dismiss", chat_id=chat_id)
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["create", "update", "update", "update", "update", "update", "dismiss"]
    assert receiver.named("UpdateDetail") == [
        "", "add_member", "del_member", "change_name", "change_notice", "change_owner", "",
    ]  # fmt: skip
    assert receiver.named("ChatId") == [chat_id] * 7
    assert receiver.named("JoinScene")[1] == "3"
    assert receiver.named("QuitScene")[2] == "1"
    assert receiver.named("Item")[1] == customer
    assert receiver.named("LastMemVer")[1:3] == versions[:2]
    assert receiver.named("CurMemVer")[1:3] == versions[1:]
    assert await client.code(GET, {"chat_id": chat_id}) == 49008


async def test_a_join_way_leaves_its_state(client: Client) -> None:
    chat_ids = [group["chat_id"] for group in (await client.post(LIST, {"limit": 10}))["group_chat_list"]]
    folder = "externalcontact/groupchat/"
    body = {"scene": 2, "chat_id_list": chat_ids[:1], "remark": "长" * 40, "state": "poster"}
    config_id = (await client.post(folder + "add_join_way", body))["config_id"]
    way = (await client.post(folder + "get_join_way", {"config_id": config_id}))["join_way"]
    assert way["remark"] == "长" * 30  # cut, not refused
    assert way["state"] == "poster"
    group = await client.control("groups/join", chat_id=chat_ids[0], config_id=config_id, name="路过的人")
    assert group["members"][-1]["state"] == "poster"
    update = {"config_id": config_id, "scene": 2, "chat_id_list": chat_ids[:2]}
    assert await client.code(folder + "update_join_way", update) == 0
    way = (await client.post(folder + "get_join_way", {"config_id": config_id}))["join_way"]
    assert way["state"] == ""  # an update overwrites everything
    assert await client.code(folder + "add_join_way", {"scene": 2, "chat_id_list": chat_ids[:1] * 6}) == 41091
    assert await client.code(folder + "add_join_way", {"scene": 2}) == 40058
    assert await client.code(folder + "add_join_way", {"chat_id_list": chat_ids[:1]}) == 41038
    assert await client.code(folder + "del_join_way", {"config_id": config_id}) == 0
    assert await client.code(folder + "get_join_way", {"config_id": config_id}) == 41044


async def test_statistics_count_members(client: Client) -> None:
    path = "externalcontact/groupchat/statistic"
    owners = [member.userid for member in client.sandbox.world.population.service]
    day = client.sandbox.world.now - 86_400
    body = {"day_begin_time": day, "owner_filter": {"userid_list": owners}, "order_by": 4}
    answer = await client.post(path, body)
    assert answer["total"] == answer["next_offset"] == len(owners)
    totals = [item["data"]["member_total"] for item in answer["items"]]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > 0
    assert await client.code(path, {**body, "day_begin_time": client.sandbox.world.now + 86_400}) == 600018
    assert await client.code(path, {"owner_filter": {"userid_list": owners}}) == 600018
    assert await client.code(path, {"day_begin_time": day}) == 40058


async def test_more_than_a_thousand_members_need_a_filter(client: Client) -> None:
    for number in range(1001):
        await client.control("staff/join", name="众", userid=f"many{number}")
    assert await client.code(LIST, {"limit": 10}) == 81017


ADD, READ = "externalcontact/add_contact_way", "externalcontact/get_contact_way"


async def test_a_channel_is_made_scanned_changed_and_deleted(client: Client) -> None:
    users = [member.userid for member in client.sandbox.world.population.service[:3]]
    body = {"type": 2, "scene": 2, "user": users, "state": "booth", "remark": "展台", "skip_verify": False}
    made = await client.post(ADD, body)
    assert len(made["config_id"]) == 32
    assert "/wwpic/" in made["qr_code"]
    way = (await client.post(READ, {"config_id": made["config_id"]}))["contact_way"]
    assert (way["state"], way["user"], way["skip_verify"]) == ("booth", users, False)
    added = await client.control("scan", config_id=made["config_id"])
    assert added["outcome"] == "requested"
    assert added["userid"] in users
    update = {"config_id": made["config_id"], "skip_verify": True, "user": users[:1]}
    assert await client.code("externalcontact/update_contact_way", update) == 0
    again = await client.control("scan", config_id=made["config_id"])
    assert (again["outcome"], again["userid"], again["follow"]["state"]) == ("mutual", users[0], "booth")
    listed = await client.post("externalcontact/list_contact_way", {"limit": 3})
    rest = await client.post("externalcontact/list_contact_way", {"cursor": listed["next_cursor"]})
    ids = [way["config_id"] for way in listed["contact_way"] + rest["contact_way"]]
    assert len(ids) == len(set(ids)) == 7
    assert made["config_id"] in ids
    assert await client.code("externalcontact/del_contact_way", {"config_id": made["config_id"]}) == 0
    assert await client.code(READ, {"config_id": made["config_id"]}) == 41044


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"type": None}, 41037),
        ({"scene": None}, 41038),
        ({"type": 3}, 41039),
        ({"scene": 3}, 41040),
        ({"type": 1, "user": ["a", "b"]}, 40058),
        ({"user": []}, 40058),
        ({"user": ["nobody"]}, 40003),
        ({"state": "长" * 31}, 40058),
        ({"remark": "长" * 31}, 40058),
        ({"user": [], "party": [99]}, 60003),
        ({"user": [], "party": [3]}, 0),
    ],
)
async def test_a_channel_that_is_refused(client: Client, change: dict[str, Any], errcode: int) -> None:
    users = [client.sandbox.world.population.service[0].userid]
    assert await client.code(ADD, {"type": 2, "scene": 2, "user": users, **change}) == errcode


async def test_a_member_without_seat_or_not_active_cannot_stand_behind_a_channel(client: Client) -> None:
    userid = client.sandbox.world.population.service[0].userid
    await client.control("staff/change", userid=userid, customer_contact=False)
    assert await client.code(ADD, {"type": 1, "scene": 2, "user": [userid]}) == 84074
    await client.control("staff/change", userid=userid, customer_contact=True, status=4)
    assert await client.code(ADD, {"type": 1, "scene": 2, "user": [userid]}) == 41054
