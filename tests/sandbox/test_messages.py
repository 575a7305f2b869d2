"""App messages to staff, and what staff write to the app."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from wechatpy.work.crypto import WeChatCrypto

from bot.clock import FrozenClock
from bot.sandbox.events import value_of
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client, Receiver

SEND = "message/send"
TEXT = {"msgtype": "text", "agentid": 1000002, "text": {"content": "你好"}}


@pytest.fixture
def staff(sandbox: Sandbox) -> list[str]:
    return [member.userid for member in sandbox.world.directory]


async def inbox(client: Client, userid: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.read(f"staff/{userid}/messages"))["messages"]
    return found


async def test_a_message_reaches_its_receivers_and_names_the_others(client: Client, staff: list[str]) -> None:
    answer = await client.post(SEND, {**TEXT, "touser": f"{staff[0].lower()}|Nobody|{staff[1]}"})
    assert answer["errcode"] == 0
    assert answer["invaliduser"] == "nobody"
    for userid in staff[:2]:
        (message,) = await inbox(client, userid)
        assert message["content"] == {"content": "你好"}
        assert message["msgid"] == answer["msgid"]
    assert await inbox(client, staff[2]) == []


async def test_everyone_a_party_and_nobody(client: Client, staff: list[str]) -> None:
    assert await client.code(SEND, {**TEXT, "touser": "@all"}) == 0
    assert [len(await inbox(client, userid)) for userid in staff] == [1] * len(staff)
    answer = await client.post(SEND, {**TEXT, "toparty": "2|99"})
    assert answer["invalidparty"] == "99"
    received = [userid for userid in staff if len(await inbox(client, userid)) == 2]
    below = {m.userid for m in client.sandbox.world.directory if {2, 3, 4} & set(m.department)}
    assert set(received) == below
    assert await client.code(SEND, {**TEXT, "touser": "nobody"}) == 81013
    assert await client.code(SEND, TEXT) == 82001


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"agentid": None}, 41011),
        ({"agentid": 5}, 40056),
        ({"msgtype": "fax"}, 40008),
        ({"text": {"content": ""}}, 44004),
        ({"msgtype": "image", "image": {"media_id": "unknown"}}, 40007),
        ({"msgtype": "textcard", "textcard": {"title": "t"}}, 40058),
        ({"msgtype": "news", "news": {"articles": []}}, 40058),
        ({"msgtype": "template_card", "template_card": {"card_type": "poster"}}, 42014),
        ({"touser": "|".join(["x"] * 1001)}, 40032),
    ],
)
async def test_what_cannot_be_sent(client: Client, change: dict[str, Any], errcode: int) -> None:
    assert await client.code(SEND, {**TEXT, "touser": "@all", **change}) == errcode


async def test_a_long_text_is_cut_between_characters(client: Client, staff: list[str]) -> None:
    assert await client.code(SEND, {**TEXT, "touser": staff[0], "text": {"content": "长" * 1000}}) == 0
    (message,) = await inbox(client, staff[0])
    assert message["content"]["content"] == "长" * (2048 // 3)


async def test_the_duplicate_check_delivers_once_within_its_interval(
    client: Client, staff: list[str], clock: FrozenClock
) -> None:
    body = {**TEXT, "touser": staff[0], "enable_duplicate_check": 1, "duplicate_check_interval": 600}
    assert await client.code(SEND, body) == 0
    assert await client.code(SEND, body) == 0
    assert len(await inbox(client, staff[0])) == 1
    clock.advance(timedelta(seconds=600))
    assert await client.code(SEND, body) == 0
    assert len(await inbox(client, staff[0])) == 2


async def test_too_many_messages_to_one_member_are_dropped_without_a_word(client: Client, staff: list[str]) -> None:
    await client.control("settings", staff_messages_per_minute=3)
    for _ in range(5):
        assert await client.code(SEND, {**TEXT, "touser": staff[0]}) == 0
    assert len(await inbox(client, staff[0])) == 3


async def test_a_member_writes_to_the_app(client: Client, receiver: Receiver, staff: list[str]) -> None:
    await client.control("staff/write", userid=staff[0], text="查一下我的客户")
    await client.control("callbacks/wait")
    assert receiver.named("MsgType") == ["text"]
    assert receiver.named("FromUserName") == [staff[0]]
    assert receiver.named("Content") == ["查一下我的客户"]
    assert receiver.named("AgentID") == ["1000002"]
    assert int(receiver.named("MsgId")[0]) > 2**53
    assert "<AgentID><![CDATA[1000002]]></AgentID>" in receiver.bodies[0]


async def test_an_encrypted_reply_stands_in_the_chat(client: Client, receiver: Receiver, staff: list[str]) -> None:
    app, corpid = client.sandbox.world.app, client.sandbox.world.company.corpid
    crypto = WeChatCrypto(app.callback_token, app.encoding_aes_key, corpid)

    async def reply() -> web.Response:
        plaintext = (
            f"<xml><ToUserName><![CDATA[{staff[0]}]]></ToUserName><FromUserName><![CDATA[{corpid}]]></FromUserName>"
            f"<CreateTime>{int(time.time())}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
            "<Content><![CDATA[共 34 位客户]]></Content></xml>"
        )
        return web.Response(text=crypto.encrypt_message(plaintext, "nonce123", str(int(time.time()))))

    receiver.answer = reply
    await client.control("staff/write", userid=staff[0], text="几位客户")
    await client.control("callbacks/wait")
    assert [message["content"]["content"] for message in await inbox(client, staff[0])] == ["几位客户", "共 34 位客户"]


async def test_a_body_that_is_no_valid_reply_is_ignored(client: Client, receiver: Receiver, staff: list[str]) -> None:
    async def reply() -> web.Response:
        return web.Response(text="<xml><Encrypt><![CDATA[AAAA]]></Encrypt><MsgSignature>x</MsgSignature></xml>")

    receiver.answer = reply
    await client.control("staff/write", userid=staff[0], text="在吗")
    await client.control("callbacks/wait")
    assert len(await inbox(client, staff[0])) == 1
    assert (await client.read("callbacks"))["delivered"] == 1


async def test_a_card_is_clicked(client: Client, receiver: Receiver, staff: list[str]) -> None:
    card = {
        "card_type": "button_interaction",
        "task_id": "task-1",
        "main_title": {"title": "请跟进"},
        "button_list": [{"text": "完成", "key": "done"}],
    }
    body = {"msgtype": "template_card", "agentid": 1000002, "touser": staff[0], "template_card": card}
    sent = await client.post(SEND, body)
    assert sent["response_code"]
    assert await client.code(SEND, body) == 42017  # a task_id is used once
    clicked = await client.control(
        "staff/click_card", userid=staff[0], msgid=sent["msgid"], key="done", selected={"q": ["a", "b"]}
    )
    await client.control("callbacks/wait")
    assert receiver.named("Event") == ["template_card_event"]
    assert receiver.named("EventKey") == ["done"]
    assert receiver.named("TaskId") == ["task-1"]
    assert receiver.named("ResponseCode") == [clicked["response_code"]]
    assert "<OptionIds><OptionId><![CDATA[a]]></OptionId><OptionId>" in receiver.plaintexts[0]


async def test_an_interactive_card_needs_a_callback(client: Client, staff: list[str]) -> None:
    card = {"card_type": "button_interaction", "task_id": "t", "button_list": [{"text": "完成", "key": "done"}]}
    body = {"msgtype": "template_card", "agentid": 1000002, "touser": staff[0], "template_card": card}
    assert await client.code(SEND, body) == 43012


@pytest.mark.parametrize("event", ["enter_agent", "subscribe", "click"])
async def test_events_of_the_app(client: Client, receiver: Receiver, staff: list[str], event: str) -> None:
    await client.control("staff/event", userid=staff[0], event=event, event_key="menu")
    await client.control("callbacks/wait")
    assert value_of(receiver.plaintexts[0], "Event") == event
    assert value_of(receiver.plaintexts[0], "EventKey") == "menu"


async def test_the_app_and_its_tickets(client: Client) -> None:
    agent = await client.get("agent/get", agentid=1000002)
    assert {"close_flag", "allow_userinfos", "allow_partys", "redirect_domain", "name", "agentid"} <= agent.keys()
    assert await client.code("agent/get") == 41011
    assert await client.code("agent/get", agentid=7) == 40056
    corp = await client.get("get_jsapi_ticket")
    assert corp["expires_in"] == 7200
    assert (await client.get("get_jsapi_ticket"))["ticket"] == corp["ticket"]
    app = await client.get("ticket/get", type="agent_config")
    assert app["ticket"] != corp["ticket"]
    assert await client.code("ticket/get") == 91040


async def test_a_login_code_works_once_for_five_minutes(client: Client, staff: list[str], clock: FrozenClock) -> None:
    code = (await client.control("staff/login_code", userid=staff[0]))["code"]
    assert (await client.get("auth/getuserinfo", code=code))["userid"] == staff[0]
    assert await client.code("auth/getuserinfo", code=code) == 40029
    code = (await client.control("staff/login_code", userid=staff[0]))["code"]
    clock.advance(timedelta(minutes=5))
    assert await client.code("auth/getuserinfo", code=code) == 40029
    outsider = (await client.control("staff/login_code"))["code"]
    answer = await client.get("auth/getuserinfo", code=outsider)
    assert answer["openid"]
    assert "userid" not in answer


async def test_an_app_has_a_menu_within_limits(client: Client) -> None:
    assert await client.code("menu/get", agentid=1000002) == 46003
    assert await client.code("menu/create", {"button": []}) == 41011

    async def make(*buttons: object) -> int:
        return await client.code("menu/create", {"button": list(buttons)}, agentid=1000002)

    click = {"type": "click", "name": "今天", "key": "today"}
    assert await make() == await make(click, click, click, click) == 40016
    assert await make({**click, "type": "tap"}) == 40017
    assert await make({**click, "name": "一二三四五六"}) == 40018
    assert await make({**click, "key": "k" * 129}) == 40019
    assert await make({"type": "view", "name": "x", "url": ""}) == 40020
    assert await make({"name": "x", "sub_button": [click] * 6}) == 40023
    assert await make({"name": "x", "sub_button": [{"name": "y", "sub_button": [click]}]}) == 40022
    assert await make({"name": "x", "sub_button": [{**click, "name": "n" * 41}]}) == 40025
    assert await make(click, {"name": "x", "sub_button": [{**click, "name": "一个长一点的名字"}]}) == 0
    found = await client.get("menu/get", agentid=1000002)
    assert [each["name"] for each in found["button"]] == ["今天", "x"]
    assert await client.code("menu/delete", agentid=1000002) == 0
    assert await client.code("menu/get", agentid=1000002) == 46003
