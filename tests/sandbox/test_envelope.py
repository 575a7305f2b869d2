"""Tokens, addresses, limits, permissions, and WeCom's own way of answering."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from bot.clock import FrozenClock
from bot.sandbox.gateway import Gateway
from bot.sandbox.server import ENDPOINTS, Sandbox
from tests.sandbox.conftest import Client


async def gettoken(client: Client, **params: str) -> dict[str, Any]:
    async with client.http.get(client.sandbox.api_base_url + "gettoken", params=params) as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
        return answer


async def test_a_token_stays_the_same_until_it_expires(client: Client, clock: FrozenClock) -> None:
    world = client.sandbox.world
    params = {"corpid": world.company.corpid, "corpsecret": world.app.secret}
    first = await gettoken(client, **params)
    assert first == {"errcode": 0, "errmsg": "ok", "access_token": first["access_token"], "expires_in": 7200}
    clock.advance(timedelta(seconds=7000))
    second = await gettoken(client, **params)
    assert second["access_token"] == first["access_token"]
    assert second["expires_in"] == 200
    await client.control("settings", flat_expires_in=True)
    assert (await gettoken(client, **params))["expires_in"] == 7200
    client.token = first["access_token"]
    clock.advance(timedelta(seconds=200))
    assert await client.code("user/get", userid="x") == 42001
    assert (await gettoken(client, **params))["access_token"] != first["access_token"]


async def test_gettoken_refuses_what_is_missing_or_wrong(client: Client) -> None:
    world = client.sandbox.world
    assert (await gettoken(client))["errcode"] == 41002
    assert (await gettoken(client, corpid=world.company.corpid))["errcode"] == 41004
    assert (await gettoken(client, corpid="ww1", corpsecret=world.app.secret))["errcode"] == 40013
    assert (await gettoken(client, corpid=world.company.corpid, corpsecret="x"))["errcode"] == 40001


async def test_wrong_secrets_ban_the_address_for_an_hour(client: Client, clock: FrozenClock) -> None:
    world = client.sandbox.world
    await client.control("settings", wrong_secrets_allowed=2)
    for _ in range(3):
        assert (await gettoken(client, corpid=world.company.corpid, corpsecret="x"))["errcode"] == 40001
    right = {"corpid": world.company.corpid, "corpsecret": world.app.secret}
    assert (await gettoken(client, **right))["errcode"] == 45009
    clock.advance(timedelta(hours=1))
    assert (await gettoken(client, **right))["errcode"] == 0


async def test_the_token_counts_only_in_the_query(client: Client) -> None:
    token = await client.get_token()
    url = client.sandbox.api_base_url + "externalcontact/get_corp_tag_list"
    async with client.http.post(url, json={"access_token": token}) as response:
        assert (await response.json())["errcode"] == 41001
    async with client.http.post(url, params={"access_token": "garbage"}, json={}) as response:
        assert (await response.json())["errcode"] == 40014


async def test_tokens_can_end_early(client: Client) -> None:
    await client.get_token()
    assert await client.control("tokens/end") == {"ended": 1}
    assert await client.code("department/list") == 42001
    await client.get_token()
    assert await client.control("tokens/end", answer=40014) == {"ended": 2}
    assert await client.code("department/list") == 40014


async def test_an_error_is_http_200_with_its_number_in_the_headers(client: Client) -> None:
    answer = await client.get("externalcontact/get", external_userid="wm-unknown")
    assert answer["errcode"] == 40096
    assert answer["follow_user"] == []
    assert re.fullmatch(
        r"invalid external userid, hint: \[\d+_\d{1,3}_[0-9a-f]{32}\], from ip: 127\.0\.0\.1, "
        r"more info at https://open\.work\.weixin\.qq\.com/devtool/query\?e=40096",
        answer["errmsg"],
    )
    assert client.headers["Error-Code"] == "40096"
    assert client.headers["Error-Msg"] == answer["errmsg"]
    assert client.headers["Content-Type"] == "application/json; charset=UTF-8"


async def test_a_caller_that_leaves_before_it_said_all_is_no_fault_of_wecoms(sandbox: Sandbox) -> None:
    body = aiohttp.StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16)
    body.set_exception(ConnectionResetError())
    path = "externalcontact/mark_tag"
    request = make_mocked_request("POST", f"/cgi-bin/{path}", payload=body, match_info={"path": path})
    with capture_logs() as logs, pytest.raises(ConnectionResetError):
        await Gateway(sandbox.machine, ENDPOINTS).handle(request)
    assert logs == []


async def test_an_unknown_path_is_404(client: Client) -> None:
    token = await client.get_token()
    for path in ("externalcontact/nothing", "nothing"):
        url = client.sandbox.api_base_url + path
        async with client.http.get(url, params={"access_token": token}) as response:
            assert response.status == 404


async def test_the_wrong_verb_leaves_the_parameters_out(client: Client) -> None:
    userid = (await client.get("externalcontact/get_follow_user_list"))["follow_user"][0]
    assert await client.code("user/get", userid=userid) == 0
    assert (await client.call("POST", "user/get", {}, userid=userid))["errcode"] == 60111
    assert (await client.get("externalcontact/batch/get_by_user", userid_list=userid))["errcode"] == 40058


async def test_wrong_types_are_ignored_and_flagged(client: Client) -> None:
    userid = (await client.get("externalcontact/get_follow_user_list"))["follow_user"][0]
    body = {"userid_list": [userid], "limit": "50"}
    answer = await client.post("externalcontact/batch/get_by_user", body)
    assert answer["errcode"] == 0
    assert answer["errmsg"] == "ok. Warning: wrong json format. "
    answer = await client.post("externalcontact/get_corp_tag_list", {"tag_id": "not a list"})
    assert answer["errmsg"] == "ok. Warning: wrong json format. "
    answer = await client.post("externalcontact/mark_tag", {"userid": 7})
    assert answer["errcode"] == 40003
    assert answer["errmsg"].startswith("Warning: wrong json format. invalid userid, hint: [")


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 100_000])
async def test_what_is_no_json_object_is_flagged(client: Client, body: bytes) -> None:
    answer = await client.call("POST", "externalcontact/mark_tag", body)
    assert answer["errcode"] == 40003
    assert answer["errmsg"].startswith("Warning: wrong json format. ")


async def test_a_limit_blocks_for_as_long_as_its_window(client: Client, clock: FrozenClock) -> None:
    await client.control("limits", path="department/list", limits={"minute": 2, "hour": 5})
    codes = [await client.code("department/list") for _ in range(3)]
    assert codes == [0, 0, 45009]
    assert await client.code("user/get", userid="x") == 60111  # another API has its own count
    clock.advance(timedelta(seconds=59))
    assert await client.code("department/list") == 45009
    clock.advance(timedelta(seconds=1))
    assert await client.code("department/list") == 0
    await client.control("limits", enabled=False)
    assert [await client.code("department/list") for _ in range(10)] == [0] * 10


async def test_the_default_limit_is_wecoms(client: Client) -> None:
    answer = await client.read("limits")
    assert answer["default"] == {"minute": 10_000, "hour": 150_000}


async def test_an_app_without_customer_contact_is_forbidden(client: Client) -> None:
    await client.control("apps", customer_contact=False)
    assert await client.code("externalcontact/get_follow_user_list") == 48002
    assert await client.code("department/list") == 0


async def test_an_address_that_is_not_trusted_is_refused_per_app(client: Client) -> None:
    await client.get_token()
    await client.control("apps", trusted_ips=["203.0.113.9"])
    answer = await client.get("department/list")
    assert answer["errcode"] == 60020
    assert "from ip: 127.0.0.1" in answer["errmsg"]
    await client.control("apps", trusted_ips=["203.0.113.9", "127.0.0.1"])
    assert await client.code("department/list") == 0


async def test_a_second_app_has_its_own_token_and_isolation(client: Client) -> None:
    await client.control(
        "apps", agentid=1000003, name="二号", secret="s" * 43, callback_token="t", encoding_aes_key="k" * 43
    )
    world = client.sandbox.world
    other = await gettoken(client, corpid=world.company.corpid, corpsecret="s" * 43)
    await client.get_token()
    assert other["access_token"] != client.token
    made = await client.post("externalcontact/add_corp_tag", {"group_name": "甲", "tag": [{"name": "一"}]})
    tag_id = made["tag_group"]["tag"][0]["id"]
    client.token = other["access_token"]
    assert await client.code("externalcontact/edit_corp_tag", {"id": tag_id, "name": "二"}) == 81011
    text = {"touser": "@all", "agentid": 1000002, "msgtype": "text", "text": {"content": "x"}}
    assert await client.code("message/send", text) == 301002


async def test_every_endpoint_keeps_its_lists_in_an_error(client: Client) -> None:
    client.token = "garbage"
    for endpoint in ENDPOINTS:
        if endpoint.needs_token:
            answer = await client.call(endpoint.method, endpoint.path, {} if endpoint.method == "POST" else None)
            assert answer["errcode"] == 40014, endpoint.path
            assert {name: answer[name] for name in endpoint.empty} == dict(endpoint.empty), endpoint.path


async def test_the_sandbox_starts_on_a_free_port(sandbox: Sandbox) -> None:
    from bot.sandbox.world import World

    async with Sandbox(World()) as other:
        assert other.url != sandbox.url
        async with aiohttp.ClientSession() as http, http.get(other.url + "/sandbox/world") as response:
            assert (await response.json())["company"]["corpid"] == other.world.company.corpid
