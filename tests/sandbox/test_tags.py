"""Corp tags."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import Client, Receiver

ADD = "externalcontact/add_corp_tag"
LIST = "externalcontact/get_corp_tag_list"
MARK = "externalcontact/mark_tag"


async def some_pair(client: Client) -> dict[str, Any]:
    added = await client.control("scan", state="website")
    return {"userid": added["userid"], "external_userid": added["external_userid"]}


async def test_adding_makes_or_extends_a_group(client: Client) -> None:
    made = (await client.post(ADD, {"group_name": "节日", "order": 9, "tag": [{"name": "春节", "order": 2}]}))[
        "tag_group"
    ]
    assert made["group_name"] == "节日"
    assert [tag["name"] for tag in made["tag"]] == ["春节"]
    more = (await client.post(ADD, {"group_name": "节日", "tag": [{"name": "中秋"}, {"name": "中秋"}]}))["tag_group"]
    assert more["group_id"] == made["group_id"]
    assert [tag["name"] for tag in more["tag"]] == ["中秋"]
    third = await client.post(ADD, {"group_id": made["group_id"], "group_name": "别的", "tag": [{"name": "元宵"}]})
    assert third["tag_group"]["group_name"] == "节日"
    listed = (await client.post(LIST, {"group_id": [made["group_id"]]}))["tag_group"][0]
    assert {tag["name"] for tag in listed["tag"]} == {"春节", "中秋", "元宵"}
    assert all(len(tag["id"]) == 32 and tag["id"].startswith("et") for tag in listed["tag"])


async def test_adding_refuses(client: Client) -> None:
    assert await client.code(ADD, {"group_name": "客户等级", "tag": [{"name": "核心"}]}) == 40071
    assert await client.code(ADD, {"group_name": "客户等级", "tag": [{"name": ""}]}) == 41018
    assert await client.code(ADD, {"group_name": "客户等级", "tag": [{"name": "长" * 31}]}) == 40072
    assert await client.code(ADD, {"group_id": "et-unknown", "tag": [{"name": "x"}]}) == 40068
    assert await client.code(ADD, {"tag": [{"name": "x"}]}) == 41018
    assert await client.code(ADD, {"group_name": "空组"}) == 40058


async def test_listing_chooses(client: Client) -> None:
    groups = (await client.post(LIST))["tag_group"]
    assert len(groups) == 5
    tag_id = groups[1]["tag"][1]["id"]
    (only,) = (await client.post(LIST, {"tag_id": [tag_id]}))["tag_group"]
    assert [tag["id"] for tag in only["tag"]] == [tag_id]
    both = await client.post(LIST, {"tag_id": [tag_id], "group_id": [groups[0]["group_id"]]})
    assert [group["group_id"] for group in both["tag_group"]] == [groups[0]["group_id"]]  # tag_id is ignored
    assert await client.code(LIST, {"tag_id": ["et-unknown"]}) == 40068


async def test_editing_and_deleting(client: Client) -> None:
    made = (await client.post(ADD, {"group_name": "节日", "tag": [{"name": "春节"}, {"name": "中秋"}]}))["tag_group"]
    one, two = (tag["id"] for tag in made["tag"])
    edit, delete = "externalcontact/edit_corp_tag", "externalcontact/del_corp_tag"
    assert await client.code(edit, {"id": one, "name": "中秋"}) == 40071
    assert await client.code(edit, {"id": one, "name": "新年", "order": 7}) == 0
    assert await client.code(edit, {"id": made["group_id"], "name": "客户等级"}) == 40071
    assert await client.code(edit, {"id": ""}) == 41017
    assert await client.code(edit, {"id": "et-unknown", "name": "x"}) == 40068
    assert await client.code(delete, {}) == 41017
    assert await client.code(delete, {"tag_id": ["et-unknown"]}) == 40068
    assert await client.code(delete, {"tag_id": [one]}) == 0
    assert await client.code(delete, {"tag_id": [two]}) == 0
    assert await client.code(LIST, {"group_id": [made["group_id"]]}) == 40068  # the last tag took its group along
    admins = (await client.post(LIST))["tag_group"][0]["group_id"]
    assert await client.code(delete, {"group_id": [admins]}) == 81011
    await client.control("settings", apps_edit_all_tags=True)
    assert await client.code(delete, {"group_id": [admins]}) == 0


async def test_marking(client: Client) -> None:
    pair = await some_pair(client)
    one, two = [tag["id"] for tag in (await client.post(LIST))["tag_group"][0]["tag"]][:2]
    assert await client.code(MARK, {**pair, "add_tag": [one, two, one]}) == 0
    assert await client.code(MARK, {**pair, "add_tag": [one], "remove_tag": [two]}) == 0
    chat = await client.read(f"chats/{pair['userid']}/{pair['external_userid']}")
    assert chat["follow"]["tag_ids"] == [one]
    assert await client.code(MARK, pair) == 41017
    assert await client.code(MARK, {**pair, "add_tag": ["et-unknown"]}) == 40068
    assert await client.code(MARK, {**pair, "external_userid": "", "add_tag": [one]}) == 41035
    assert await client.code(MARK, {**pair, "userid": "", "add_tag": [one]}) == 40003
    other = next(m.userid for m in client.sandbox.world.population.service if m.userid != pair["userid"])
    assert await client.code(MARK, {**pair, "userid": other, "add_tag": [one]}) == 84061


async def test_a_deleted_tag_is_nobodys_any_more(client: Client) -> None:
    await client.control("settings", apps_edit_all_tags=True)
    group = (await client.post(LIST))["tag_group"][0]
    pair = await some_pair(client)
    assert await client.code(MARK, {**pair, "add_tag": [group["tag"][0]["id"]]}) == 0
    assert await client.code("externalcontact/del_corp_tag", {"group_id": [group["group_id"]]}) == 0
    doomed = {tag["id"] for tag in group["tag"]}
    userids = (await client.get("externalcontact/get_follow_user_list"))["follow_user"]
    for userid in userids:
        answer = await client.post("externalcontact/batch/get_by_user", {"userid_list": [userid], "limit": 100})
        for row in answer["external_contact_list"]:
            assert not doomed & set(row["follow_info"]["tag_id"])


async def test_an_admins_changes_are_called_back(client: Client, receiver: Receiver) -> None:
    made = await client.control("tags/add", group_name="节日", names=["春节"])
    tag_id = made["tags"][0]["id"]
    await client.control("tags/rename", id=tag_id, name="新年")
    await client.control("tags/rename", id=made["group_id"], name="节庆")
    await client.control("tags/shuffle")
    await client.control("tags/delete", group_id=[made["group_id"]])
    await client.control("callbacks/wait")
    told = sorted(zip(receiver.named("ChangeType"), receiver.named("TagType"), receiver.named("Id"), strict=True))
    assert told == sorted(
        [
            ("create", "tag_group", made["group_id"]),
            ("create", "tag", tag_id),
            ("update", "tag", tag_id),
            ("update", "tag_group", made["group_id"]),
            ("shuffle", "", ""),
            ("delete", "tag_group", made["group_id"]),  # one event for the group, none for its tags
        ]
    )
