"""Template cards changed in place: a response_code each time, once, for 72 hours."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.clock import FrozenClock
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.sandbox.conftest import Client, Receiver
from tests.sandbox.test_messages import SEND, inbox

UPDATE = "message/update_template_card"
CARD = {
    "card_type": "button_interaction",
    "task_id": "task-1",
    "main_title": {"title": "请审批"},
    "button_list": [{"text": "批准", "key": "yes"}, {"text": "驳回", "key": "no"}],
}


@pytest.fixture
def staff(sandbox: Sandbox) -> list[str]:
    return [member.userid for member in sandbox.world.directory]


@pytest.fixture
async def sent(client: Client, receiver: Receiver, staff: list[str]) -> dict[str, Any]:
    """A card at two members."""
    body = {"msgtype": "template_card", "agentid": 1000002, "touser": "|".join(staff[:2]), "template_card": CARD}
    return await client.post(SEND, body)


def update(code: str, *userids: str, **more: Any) -> dict[str, Any]:
    button = {"replace_name": "已批准"}
    return {"agentid": 1000002, "response_code": code, "userids": list(userids), "button": button, **more}


async def looks(client: Client, userid: str) -> dict[str, Any]:
    (message,) = await inbox(client, userid)
    content: dict[str, Any] = message["content"]
    return content


async def test_the_code_of_the_sending_changes_the_card_of_those_named_once(
    client: Client, sent: dict[str, Any], staff: list[str]
) -> None:
    code = sent["response_code"]
    answer = await client.post(UPDATE, update(code, staff[0], staff[3], "nobody"))
    assert (answer["errcode"], answer["invaliduser"]) == (0, [staff[3], "nobody"])
    assert (await looks(client, staff[0]))["replace_text"] == "已批准"
    assert "replace_text" not in await looks(client, staff[1])
    assert await client.code(UPDATE, update(code, staff[1])) == 60140
    assert "replace_text" not in await looks(client, staff[1])


async def test_every_click_brings_a_code_of_its_own_until_the_buttons_are_gone(
    client: Client, receiver: Receiver, sent: dict[str, Any], staff: list[str]
) -> None:
    codes = []
    for _ in range(2):
        click = {"userid": staff[0], "msgid": sent["msgid"], "key": "yes"}
        codes.append((await client.control("staff/click_card", **click))["response_code"])
    await client.control("callbacks/wait")
    assert receiver.named("ResponseCode") == codes
    assert len({*codes, sent["response_code"]}) == 3
    assert await client.code(UPDATE, update(codes[1], atall=1)) == 0
    assert [(await looks(client, userid))["replace_text"] for userid in staff[:2]] == ["已批准"] * 2
    refused = await client.control("staff/click_card", 409, **click)
    assert "已批准" in refused["error"]["message"]
    assert await client.code(UPDATE, update(codes[0], staff[0], button={"replace_name": "已驳回"})) == 0
    assert (await looks(client, staff[0]))["replace_text"] == "已驳回"


async def test_a_whole_card_takes_the_place_of_another(client: Client, sent: dict[str, Any], staff: list[str]) -> None:
    card = {**CARD, "task_id": "task-1", "main_title": {"title": "已批准"}, "replace_text": "已处理"}
    assert await client.code(UPDATE, update(sent["response_code"], staff[0], button=None, template_card=card)) == 0
    assert await looks(client, staff[0]) == card


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"agentid": None}, 41011),
        ({"agentid": 7}, 40056),
        ({"response_code": ""}, 40058),
        ({"response_code": "unknown"}, 60140),
        ({"button": None}, 40058),
        ({"button": {"replace_name": ""}}, 40058),
        ({"button": None, "template_card": {"card_type": "poster"}}, 42014),
        ({"userids": []}, 82001),
        ({"userids": ["nobody"]}, 81013),
        ({"userids": ["x"] * 1001}, 40032),
    ],
)
async def test_what_is_refused_uses_up_no_code(
    client: Client, sent: dict[str, Any], staff: list[str], change: dict[str, Any], errcode: int
) -> None:
    assert await client.code(UPDATE, {**update(sent["response_code"], staff[0]), **change}) == errcode
    assert await client.code(UPDATE, update(sent["response_code"], staff[0])) == 0


async def test_a_code_lives_for_72_hours(
    client: Client, sent: dict[str, Any], staff: list[str], clock: FrozenClock
) -> None:
    clicked = await client.control("staff/click_card", userid=staff[0], msgid=sent["msgid"], key="yes")
    clock.advance(timedelta(hours=72))
    client.token = None
    for code in (sent["response_code"], clicked["response_code"]):
        assert await client.code(UPDATE, update(code, staff[0])) == 60140


async def test_codes_outlive_the_program(tmp_path: Path) -> None:
    path = tmp_path / "world.db"
    codes = {}
    for run in range(2):
        async with Sandbox(World.open(path)) as sandbox, aiohttp.ClientSession() as http:
            client, userid = Client(sandbox, http), next(iter(sandbox.world.directory)).userid
            if run == 0:
                sandbox.world.app.callback_url = "http://127.0.0.1:9/"
                sandbox.world.put_app(sandbox.world.app)
                for name in ("used", "kept"):
                    card = {**CARD, "task_id": name}
                    body = {"msgtype": "template_card", "agentid": 1000002, "touser": userid, "template_card": card}
                    codes[name] = (await client.post(SEND, body))["response_code"]
                assert await client.code(UPDATE, update(codes["used"], userid)) == 0
            else:
                assert await client.code(SEND, body) == 42017
                assert [await client.code(UPDATE, update(codes[name], userid)) for name in codes] == [60140, 0]
