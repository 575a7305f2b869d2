"""Customers, follows and friendship: what WeCom shows, and what it answers when there is nothing to show."""

from __future__ import annotations

from typing import Any

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client


async def rows_of(client: Client, userids: list[str], limit: int = 100) -> list[dict[str, Any]]:
    """All pages of batch/get_by_user."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await client.post(
            "externalcontact/batch/get_by_user", {"userid_list": userids, "limit": limit, "cursor": cursor}
        )
        assert answer["errcode"] == 0
        rows += answer["external_contact_list"]
        cursor = answer["next_cursor"]
        if not cursor:
            return rows


async def friendship(client: Client, pair: dict[str, str]) -> tuple[bool, int, int]:
    """(is the member in get's follow_user, errcode of remark, is the customer in the batch)."""
    answer = await client.get("externalcontact/get", external_userid=pair["external_userid"])
    follows = pair["userid"] in [follow["userid"] for follow in answer["follow_user"]]
    remark = await client.code("externalcontact/remark", {**pair, "description": "x"})
    rows = await rows_of(client, [pair["userid"]])
    listed = pair["external_userid"] in [row["external_contact"]["external_userid"] for row in rows]
    return follows, remark, listed


async def test_half_mutual_left_gone(client: Client) -> None:
    added = await client.control("scan", state="website", name="新人", flow="half")
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    answer = await client.get("externalcontact/get", external_userid=pair["external_userid"])
    assert answer["errcode"] == 84061
    assert await friendship(client, pair) == (False, 84061, False)
    await client.control("confirm", **pair)
    assert await friendship(client, pair) == (True, 0, True)
    await client.control("delete_by_customer", **pair)
    assert await friendship(client, pair) == (True, 0, True)  # the member still has the customer
    await client.control("scan", state="website", external_userid=pair["external_userid"])
    assert await friendship(client, pair) == (True, 0, True)
    await client.control("delete_by_staff", **pair)
    assert await friendship(client, pair) == (False, 84061, False)
    again = await client.control("scan", external_userid=pair["external_userid"], userid=pair["userid"])
    assert again["outcome"] == "mutual"
    assert again["follow"]["description"] == ""  # a fresh contact


async def test_a_request_is_no_contact_until_it_is_accepted(client: Client) -> None:
    added = await client.control("scan", state="expo", name="新人")
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    assert added["outcome"] == "requested"
    assert added["welcome_codes"] == []
    assert await friendship(client, pair) == (False, 84061, False)
    accepted = await client.control("confirm", **pair)
    assert len(accepted["welcome_codes"]) == 1
    assert await friendship(client, pair) == (True, 0, True)


async def test_a_new_contact_carries_its_source(client: Client) -> None:
    added = await client.control("scan", state="live_room", name="新人")
    answer = await client.get("externalcontact/get", external_userid=added["external_userid"])
    assert answer["external_contact"]["name"] == "新人"
    (follow,) = answer["follow_user"]
    assert follow["remark"] == "新人"
    assert follow["state"] == "live_room"
    assert follow["add_way"] == 1
    assert follow["oper_userid"] == added["external_userid"]
    assert follow["createtime"] == client.sandbox.world.now


async def test_scanning_again_while_in_contact_does_nothing(client: Client) -> None:
    added = await client.control("scan", state="website")
    again = await client.control("scan", state="website", external_userid=added["external_userid"])
    assert again["outcome"] == "already"
    assert again["userid"] == added["userid"]
    assert again["welcome_codes"] == []


async def test_list_answers_84061_for_nobody(client: Client) -> None:
    world = client.sandbox.world
    assert await client.code("externalcontact/list", userid="") == 60111
    assert await client.code("externalcontact/list", userid="nobody") == 40003
    without = next(member for member in world.directory if not member.customer_contact)
    answer = await client.get("externalcontact/list", userid=without.userid)
    assert (answer["errcode"], answer["external_userid"]) == (84061, [])
    assert await client.code("externalcontact/get") == 41035


async def test_members_out_of_range_or_without_seat_vanish(client: Client) -> None:
    follow_users = (await client.get("externalcontact/get_follow_user_list"))["follow_user"]
    first = follow_users[0]
    external_userid = (await client.get("externalcontact/list", userid=first))["external_userid"][0]
    await client.control("staff/change", userid=first, customer_contact=False)
    assert first not in (await client.get("externalcontact/get_follow_user_list"))["follow_user"]
    assert await client.code("externalcontact/list", userid=first) == 84061
    assert await client.code("externalcontact/get", external_userid=external_userid) == 84061
    await client.control("staff/change", userid=first, customer_contact=True)
    await client.control("apps", visible_userids=[follow_users[1]])
    assert (await client.get("externalcontact/get_follow_user_list"))["follow_user"] == [follow_users[1]]
    assert await client.code("externalcontact/list", userid=first) == 40003
    assert await client.code("user/get", userid=first) == 60011


async def test_the_pages_of_a_batch_join_to_the_lists(client: Client) -> None:
    userids = (await client.get("externalcontact/get_follow_user_list"))["follow_user"]
    wanted = []
    for userid in userids:
        found = (await client.get("externalcontact/list", userid=userid))["external_userid"]
        wanted += [(userid, external_userid) for external_userid in found]
    for limit in (1000, 100, 7):
        rows = await rows_of(client, userids, limit)
        got = [(row["follow_info"]["userid"], row["external_contact"]["external_userid"]) for row in rows]
        assert got == wanted
    assert len(wanted) > 300  # some customers have two members


async def test_batch_clamps_its_limit_and_knows_its_cursors(client: Client) -> None:
    userids = (await client.get("externalcontact/get_follow_user_list"))["follow_user"]
    path = "externalcontact/batch/get_by_user"
    assert len((await client.post(path, {"userid_list": userids}))["external_contact_list"]) == 50
    assert len((await client.post(path, {"userid_list": userids, "limit": 500}))["external_contact_list"]) == 100
    assert await client.code(path, {"userid_list": userids, "cursor": "bad cursor"}) == 50100
    assert await client.code(path, {"userid_list": ["x"] * 101}) == 40032
    assert await client.code(path, {"userid_list": ["nobody"]}) == 40003
    assert await client.code(path, {}) == 40058


async def test_changes_show_in_the_batch(client: Client) -> None:
    userid = (await client.get("externalcontact/get_follow_user_list"))["follow_user"][0]
    ids = (await client.get("externalcontact/list", userid=userid))["external_userid"]
    tag = (await client.post("externalcontact/get_corp_tag_list"))["tag_group"][0]["tag"][0]
    body = {"userid": userid, "external_userid": ids[3], "add_tag": [tag["id"]]}
    assert await client.code("externalcontact/mark_tag", body) == 0
    remark = {"userid": userid, "external_userid": ids[3], "remark": "老王$\\1", "remark_mobiles": ["13800000001"]}
    assert await client.code("externalcontact/remark", remark) == 0
    rows = {row["external_contact"]["external_userid"]: row for row in await rows_of(client, [userid])}
    info = rows[ids[3]]["follow_info"]
    assert info["remark"] == "老王$\\1"
    assert info["remark_mobiles"] == ["13800000001"]
    assert tag["id"] in info["tag_id"]
    answer = await client.get("externalcontact/get", external_userid=ids[3])
    follow = next(follow for follow in answer["follow_user"] if follow["userid"] == userid)
    assert {"group_name": "客户等级", "tag_name": tag["name"], "tag_id": tag["id"], "type": 1} in follow["tags"]
    clear = {"userid": userid, "external_userid": ids[3], "remark_mobiles": [""]}
    assert await client.code("externalcontact/remark", clear) == 0
    rows = {row["external_contact"]["external_userid"]: row for row in await rows_of(client, [userid])}
    assert rows[ids[3]]["follow_info"]["remark_mobiles"] == []
    assert rows[ids[3]]["follow_info"]["remark"] == "老王$\\1"


async def test_remark_refuses_what_is_too_long_or_empty(client: Client) -> None:
    userid = (await client.get("externalcontact/get_follow_user_list"))["follow_user"][0]
    external_userid = (await client.get("externalcontact/list", userid=userid))["external_userid"][0]
    pair = {"userid": userid, "external_userid": external_userid}
    assert await client.code("externalcontact/remark", pair) == 40058
    assert await client.code("externalcontact/remark", {**pair, "remark": "长" * 21}) == 40058
    assert await client.code("externalcontact/remark", {**pair, "remark": "长" * 20}) == 0
    assert await client.code("externalcontact/remark", {**pair, "external_userid": "wm", "remark": "x"}) == 40096
    assert await client.code("externalcontact/remark", {**pair, "userid": "nobody", "remark": "x"}) == 40003


async def test_personal_tags_have_no_id_and_vanish_in_the_batch(client: Client) -> None:
    added = await client.control("scan", state="website")
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    await client.control("edit", personal_tags=["我的标签"], **pair)
    answer = await client.get("externalcontact/get", external_userid=pair["external_userid"])
    assert answer["follow_user"][0]["tags"] == [{"group_name": "", "tag_name": "我的标签", "type": 2}]
    rows = {row["external_contact"]["external_userid"]: row for row in await rows_of(client, [pair["userid"]])}
    assert rows[pair["external_userid"]]["follow_info"]["tag_id"] == []


async def test_tags_belong_to_the_pair(client: Client, sandbox: Sandbox) -> None:
    shared = next(
        customer.external_userid
        for customer in sandbox.world.customers.some(300)
        if len(sandbox.world.customers.follows_of(customer.external_userid)) == 2
    )
    one, two = sandbox.world.customers.follows_of(shared)
    tag = next(tag for tag in sandbox.world.tags if tag.id not in (*one.tag_ids, *two.tag_ids))
    body = {"userid": one.userid, "external_userid": shared, "add_tag": [tag.id]}
    assert await client.code("externalcontact/mark_tag", body) == 0
    answer = await client.get("externalcontact/get", external_userid=shared)
    tagged = {
        follow["userid"]: tag.id in [found.get("tag_id") for found in follow["tags"]]
        for follow in answer["follow_user"]
    }
    assert tagged == {one.userid: True, two.userid: False}


async def test_a_stranger_in_a_group_is_not_an_external_contact(client: Client, sandbox: Sandbox) -> None:
    await client.get_token()
    strangers = [
        member.userid
        for group in sandbox.world.groups
        for member in group.members
        if member.type == 2 and sandbox.world.customers.find(member.userid) is None
    ]
    assert await client.code("externalcontact/get", external_userid=strangers[0]) == 84061


async def test_a_wecom_user_shows_a_company_and_no_unionid(client: Client) -> None:
    found = [c for c in (await client.read("customers", limit=300))["customers"] if c["type"] == 2]
    answer = await client.get("externalcontact/get", external_userid=found[0]["external_userid"])
    contact = answer["external_contact"]
    assert contact["external_userid"].startswith("wo")
    assert contact["corp_full_name"] == contact["corp_name"] + "有限公司"
    assert "unionid" not in contact


async def test_a_directory_is_as_a_self_built_app_sees_it(client: Client) -> None:
    departments = (await client.get("department/list"))["department"]
    assert departments[0]["parentid"] == 0
    below = (await client.get("department/list", id=2))["department"]
    assert [department["id"] for department in below] == [2, 3, 4]
    assert [d["id"] for d in (await client.get("department/simplelist", id=2))["department_id"]] == [2, 3, 4]
    assert (await client.get("department/get", id=3))["department"]["parentid"] == 2
    assert await client.code("department/get", id=99) == 60003
    members = (await client.get("user/list", department_id=3))["userlist"]
    assert {member["userid"] for member in members} == {
        member["userid"] for member in (await client.get("user/simplelist", department_id=3))["userlist"]
    }
    one = await client.get("user/get", userid=members[0]["userid"].upper())
    assert one["userid"] == members[0]["userid"]
    assert "mobile" not in one
    assert await client.code("user/get", userid="nobody") == 60111
    assert await client.code("user/list", department_id=99) == 60003
