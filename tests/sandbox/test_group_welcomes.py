"""Welcomes of customer groups: a stock of a hundred, changed only by the app that made them."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.api_group_welcomes import MAX_WELCOMES
from tests.sandbox.conftest import Client
from tests.sandbox.test_media import PNG, upload

FOLDER = "externalcontact/group_welcome_template/"
ADD, EDIT, GET, DELETE = (FOLDER + name for name in ("add", "edit", "get", "del"))
LINK = {"title": "新品", "url": "https://shop.example/"}
HELLO: dict[str, Any] = {"text": {"content": "%NICKNAME% 您好"}}


async def test_a_welcome_is_made_read_changed_and_deleted(client: Client) -> None:
    media_id = (await upload(client, "image", "a.png", PNG))["media_id"]
    made = await client.post(ADD, {**HELLO, "image": {"media_id": media_id}, "link": LINK, "notify": 0})
    one = {"template_id": made["template_id"]}
    told = await client.post(GET, one)
    assert told["text"] == HELLO["text"]
    assert told["image"]["pic_url"].startswith("https://")
    assert "link" not in told, "of two attachments the image counts"
    assert await client.code(EDIT, {**one, "link": LINK}) == 0
    told = await client.post(GET, one)
    assert told["link"] == {**LINK, "picurl": "", "desc": ""}
    assert "text" not in told
    assert await client.code(DELETE, one) == 0
    assert [await client.code(path, {**one, **HELLO}) for path in (GET, EDIT, DELETE)] == [40037] * 3


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, 40058),
        ({"text": {"content": ""}}, 40058),
        ({"text": {"content": "x" * 3001}}, 40058),
        ({"image": {"media_id": "none"}}, 40007),
        ({"link": {"title": "x" * 129, "url": "https://shop.example/"}}, 40058),
        ({"text": {"content": "x" * 3000}}, 0),
    ],
)
async def test_what_wecom_does_not_take(client: Client, body: dict[str, Any], errcode: int) -> None:
    assert await client.code(ADD, body) == errcode


async def test_the_stock_holds_a_hundred(client: Client) -> None:
    made = [(await client.post(ADD, HELLO))["template_id"] for _ in range(MAX_WELCOMES)]
    assert len(set(made)) == MAX_WELCOMES
    assert await client.code(ADD, HELLO) == 41055
    assert await client.code(DELETE, {"template_id": made[0]}) == 0
    again = await client.post(ADD, HELLO)
    assert again["errcode"] == 0
    assert again["template_id"] not in made


async def test_another_apps_welcome_is_read_alone(client: Client) -> None:
    template_id = (await client.post(ADD, HELLO))["template_id"]
    welcomes = client.sandbox.world.group_welcomes
    welcome = welcomes.find(template_id)
    assert welcome is not None
    welcome.agentid += 1
    one = {"template_id": template_id}
    assert [await client.code(path, {**one, **HELLO}) for path in (GET, EDIT, DELETE)] == [0, 41058, 41058]


async def test_a_group_greets_with_what_its_owner_chose(client: Client) -> None:
    group = next(iter(client.sandbox.world.groups))
    body = {**HELLO, "link": LINK}
    made = (await client.post(ADD, body))["template_id"]
    assert [each["template_id"] for each in (await client.read("group_welcomes"))["group_welcomes"]] == [made]
    await client.control("groups/welcome", 404, chat_id=group.chat_id, template_id="none")

    async def joined(name: str) -> list[tuple[str, str, str]]:
        """What is said in the group when somebody has joined."""
        before = len((await client.read(f"groups/{group.chat_id}/messages"))["messages"])
        await client.control("groups/join", chat_id=group.chat_id, name=name)
        said = (await client.read(f"groups/{group.chat_id}/messages"))["messages"][before:]
        assert all(each["userid"] == group.owner and each["origin"] == "group_welcome" for each in said)
        return [
            (each["msgtype"], each["content"].get("content", ""), each["content"].get("title", "")) for each in said
        ]

    assert await joined("甲") == []
    await client.control("groups/welcome", chat_id=group.chat_id, template_id=made)
    assert await joined("乙") == [("text", "乙 您好", ""), ("link", "", "新品")]
    await client.post(EDIT, {"template_id": made, "text": {"content": "欢迎"}})
    assert await joined("丙") == [("text", "欢迎", "")]
    colleague = next(
        member.userid
        for member in client.sandbox.world.directory
        if all(inside.userid != member.userid for inside in group.members)
    )
    await client.control("groups/join", chat_id=group.chat_id, people=[colleague], scene=1)
    assert len((await client.read(f"groups/{group.chat_id}/messages"))["messages"]) == 3, "staff are not greeted"
    await client.post(DELETE, {"template_id": made})
    assert await joined("丁") == []
    await client.control("groups/welcome", chat_id=group.chat_id)
    assert client.sandbox.world.groups.get(group.chat_id).welcome_id == ""
