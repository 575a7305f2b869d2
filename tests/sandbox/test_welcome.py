"""The welcome: 20 seconds, one success, nothing over the limits."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.clock import FrozenClock
from tests.sandbox.conftest import Client, Receiver
from tests.sandbox.test_media import PNG, upload

SEND = "externalcontact/send_welcome_msg"
HELLO = {"text": {"content": "你好"}}


async def scan(client: Client, **more: Any) -> dict[str, Any]:
    return await client.control("scan", **({"state": "website"} | more))


async def test_text_and_attachments_arrive_as_messages(client: Client) -> None:
    added = await scan(client)
    media_id = (await upload(client, "image", "a.png", PNG))["media_id"]
    body = {
        "welcome_code": added["welcome_codes"][0],
        **HELLO,
        "attachments": [
            {"msgtype": "image", "image": {"media_id": media_id}},
            {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/"}},
            {
                "msgtype": "miniprogram",
                "miniprogram": {"title": "商城", "pic_media_id": media_id, "appid": "wx1", "page": "p"},
            },
        ],
    }
    assert await client.code(SEND, body) == 0
    chat = await client.read(f"chats/{added['userid']}/{added['external_userid']}")
    sent = [(message["msgtype"], message["content"]) for message in chat["messages"] if message["origin"] == "welcome"]
    assert [msgtype for msgtype, _ in sent] == ["text", "image", "link", "miniprogram"]
    assert sent[0][1] == {"content": "你好"}
    assert await client.code(SEND, body) == 41051


async def test_a_code_lives_twenty_seconds(client: Client, clock: FrozenClock) -> None:
    first, second = await scan(client), await scan(client)
    clock.advance(timedelta(seconds=19.9))
    assert await client.code(SEND, {"welcome_code": first["welcome_codes"][0], **HELLO}) == 0
    clock.advance(timedelta(seconds=0.1))
    assert await client.code(SEND, {"welcome_code": second["welcome_codes"][0], **HELLO}) == 41050


async def test_codes_that_are_missing_or_unknown(client: Client) -> None:
    assert await client.code(SEND, HELLO) == 41049
    assert await client.code(SEND, {"welcome_code": "unknown", **HELLO}) == 41050


async def test_the_codes_of_both_events_share_one_welcome(client: Client) -> None:
    added = await scan(client, flow="half_then_add")
    one, two = added["welcome_codes"]
    assert one != two
    assert await client.code(SEND, {"welcome_code": two, **HELLO}) == 0
    assert await client.code(SEND, {"welcome_code": one, **HELLO}) == 41051


async def test_no_second_code_after_a_welcome(client: Client) -> None:
    added = await scan(client, flow="half")
    assert await client.code(SEND, {"welcome_code": added["welcome_codes"][0], **HELLO}) == 0
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    assert (await client.control("confirm", **pair))["welcome_codes"] == []


async def test_a_code_that_was_used_greets_nobody_who_came_back(client: Client) -> None:
    added = await scan(client)
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    body = {"welcome_code": added["welcome_codes"][0], **HELLO}
    assert await client.code(SEND, body) == 0
    await client.control("delete_by_customer", **pair)
    again = await scan(client, **pair)
    assert await client.code(SEND, body) == 41051
    assert await client.code(SEND, {"welcome_code": again["welcome_codes"][0], **HELLO}) == 0


async def test_two_at_once_one_is_told_to_wait(client: Client) -> None:
    await client.control("settings", welcome_delivery_seconds=0.1)
    added = await scan(client)
    body = {"welcome_code": added["welcome_codes"][0], **HELLO}
    codes = sorted(await asyncio.gather(client.code(SEND, body), client.code(SEND, body)))
    assert codes == [0, 41096]
    assert await client.code(SEND, body) == 41051


async def test_no_code_when_a_welcome_is_set_by_an_admin_or_the_two_chat(client: Client, receiver: Receiver) -> None:
    added = await scan(client)
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    await client.control("write", sender="customer", text="在吗", **pair)
    assert await client.code(SEND, {"welcome_code": added["welcome_codes"][0], **HELLO}) == 41051
    for member in client.sandbox.world.population.service:
        await client.control("staff/change", userid=member.userid, admin_welcome=True)
    assert (await scan(client))["welcome_codes"] == []
    await client.control("callbacks/wait")
    assert "WelcomeCode" not in receiver.plaintexts[-1]


@pytest.mark.parametrize(
    ("codes", "flow", "expected"),
    [("auto", "half_then_add", 2), ("first", "half_then_add", 1), ("never", "direct", 0), ("auto", "direct", 1)],
)
async def test_which_events_carry_a_code(client: Client, codes: str, flow: str, expected: int) -> None:
    assert len((await scan(client, codes=codes, flow=flow))["welcome_codes"]) == expected


async def test_a_wecom_user_added_by_staff_brings_no_code(client: Client) -> None:
    member = client.sandbox.world.population.service[0].userid
    assert (await client.control("add", userid=member, type=2))["welcome_codes"] == []
    assert len((await client.control("add", userid=member))["welcome_codes"]) == 1


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, 40058),
        ({"text": {"content": ""}}, 40058),
        ({"text": {"content": "你" * 1334}}, 40058),
        ({"attachments": [{"msgtype": "link", "link": {"title": "t", "url": "u"}}] * 10}, 41064),
        ({"attachments": [{"msgtype": "location", "location": {}}]}, 41065),
        ({"attachments": [{"msgtype": "link"}]}, 40058),
        ({"attachments": [{"msgtype": "link", "link": {"title": "t"}}]}, 40058),
        ({"attachments": [{"msgtype": "link", "link": {"title": "你" * 43, "url": "u"}}]}, 40058),
        ({"attachments": [{"msgtype": "link", "link": {"title": "t", "desc": "你" * 171, "url": "u"}}]}, 40058),
        ({"attachments": [{"msgtype": "image", "image": {"media_id": "unknown"}}]}, 40007),
        ({"attachments": [{"msgtype": "image", "image": {"pic_url": "https://example.com/a.png"}}]}, 40058),
        ({"attachments": [{"msgtype": "file", "file": {}}]}, 40058),
        ({"attachments": [{"msgtype": "miniprogram", "miniprogram": {"title": "t"}}]}, 40058),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_costs_no_code(
    client: Client, body: dict[str, Any], errcode: int
) -> None:
    code = (await scan(client))["welcome_codes"][0]
    assert await client.code(SEND, {"welcome_code": code, **body}) == errcode
    assert await client.code(SEND, {"welcome_code": code, "text": {"content": "你" * 1333}}) == 0


async def test_media_older_than_three_days_is_refused(client: Client, clock: FrozenClock) -> None:
    media_id = (await upload(client, "image", "a.png", PNG))["media_id"]
    clock.advance(timedelta(days=3))
    client.token = None
    code = (await scan(client))["welcome_codes"][0]
    body = {"welcome_code": code, "attachments": [{"msgtype": "image", "image": {"media_id": media_id}}]}
    assert await client.code(SEND, body) == 40007


async def test_media_of_another_kind_is_refused(client: Client) -> None:
    file_id = (await upload(client, "file", "a.pdf", b"%PDF-1.7"))["media_id"]
    code = (await scan(client))["welcome_codes"][0]
    body = {"welcome_code": code, "attachments": [{"msgtype": "image", "image": {"media_id": file_id}}]}
    assert await client.code(SEND, body) == 40007
