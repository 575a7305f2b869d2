"""Every method of every wechatpy API against the same method of ours: same request, same result, but awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable
from io import BytesIO
from typing import Any

import pytest
from wechatpy.client.api.base import BaseWeChatAPI
from wechatpy.work.client import WeChatClient

from bot.wecom.client import WeComClient
from tests.wecom_client.conftest import OK, Asked, ScriptedWeCom

#: Where ours differs from wechatpy on purpose, and why.
DIFFERENT = {
    "external_contact.batch_get_by_user": "wechatpy sends userid where WeCom wants userid_list",
    "external_contact.gen_all_by_user": "goes through batch_get_by_user",
    "external_contact.add_contact_way": "is_temp is left out unless given",
    "external_contact.update_contact_way": "skip_verify is left out unless given",
    "external_contact.get_unassigned_list": "page_id is WeCom's former paging and spoils the cursor",
    "external_contact_group_chat.list": "asks for 1,000 a page",
    "external_contact_group_chat.list_all": "asks for 1,000 a page",
    "external_contact_group_chat.get": "asks for names",
    "kf.sync_msg": "empty token and cursor are left out",
    "kf.get_account_list": "WeCom pages it, by POST",
    "kf_message.send_articles_link": "wechatpy sends msgtype news, which WeCom does not know",
    "kf_message.send_location": "wechatpy puts the place under msgmenu",
    "kf_message.send_miniprogram": "wechatpy puts the card under msgmenu",
    "oauth.get_user_info": "WeCom's present path is auth/getuserinfo",
    "media.get_url": "wechatpy has WeCom's host written in",
    "media.get_jssdk_url": "wechatpy has WeCom's host written in",
    "media.download": "wechatpy has WeCom's host written in",
}

ARGUMENTS: dict[str, Any] = {
    "allow_type": 0,
    "article": {"title": "t", "desc": "d", "url": "u", "thumb_media_id": "m"},
    "articles": [
        {
            "title": "t", "description": "d", "url": "u", "image": "i", "thumb_media_id": "m", "author": "a",
            "content": "c", "content_source_url": "s", "digest": "g", "show_cover_pic": 0,
        }
    ],
    "data_type": 1,
    "day_begin_time": 1_700_000_000,
    "email_list": ["a@example.com"],
    "end_time": 1_700_086_400,
    "invoice_list": [{"card_id": "c", "encrypt_code": "e"}],
    "item_list": [{"card_id": "c", "encrypt_code": "e"}],
    "items": [],
    "menu_data": {"button": []},
    "msg_content": {"text": {"content": "你好"}},
    "msg_type": "text",
    "option": [],
    "public_email_id": 7,
    "reimburse_status": "INVOICE_REIMBURSE_LOCK",
    "start_time": 1_700_000_000,
    "tag_id": 3,
    "tags": [{"name": "老客户"}],
    "template": {"text": {"content": "你好"}},
    "userid_list": ["zhangsan"],
    "users": ["zhangsan"],
}  # fmt: skip

#: One answer that has what any method takes out of it.
ANSWER = {
    **OK,
    "access_token": "t", "active_cnt": 12, "agentlist": [{"agentid": 1}], "cal_id": "cal", "calendar_list": [1],
    "chat_info": {"chatid": "c"}, "count": 4, "department": [{"id": 1}, {"id": 2}], "department_id": [{"id": 1}],
    "expires_in": 7200, "external_contact_list": [{"external_contact": {"name": "李四"}}],
    "group_chat_list": [{"chat_id": "wr1"}], "groups": [1], "id": 9, "ip_list": ["1.2.3.4"], "jobid": "j",
    "join_qrcode": "https://example.com/q", "list": [{"id": 9}], "option": {"list": [1]}, "schedule_id": "s",
    "schedule_list": [1], "taglist": [{"tagid": 1}], "ticket": "ticket", "userid": "zhangsan",
    "userlist": [{"userid": "zhangsan", "name": "张三"}, {"userid": "lisi", "name": "李四"}],
}  # fmt: skip


def wechatpy_methods() -> list[str]:
    found = []
    for name, api in inspect.getmembers(WeChatClient, lambda member: isinstance(member, BaseWeChatAPI)):
        for method, _ in inspect.getmembers(type(api), callable):
            if not method.startswith("_"):
                found.append(f"{name}.{method}")
    return found


def arguments_for(method: Any) -> dict[str, Any]:
    """Values for the required parameters, by name."""
    values: dict[str, Any] = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if name in {"media_file", "image_file"}:
            values[name] = BytesIO(b"0123456789")
        else:
            values[name] = ARGUMENTS.get(name, 1 if parameter.annotation is int else f"a-{name}")
    if method.__name__ in {"active_email", "inactive_email"}:
        values["public_email_id"] = 7
    if method.__name__ in {"add_users", "delete_users"}:
        values["user_ids"] = ["zhangsan"]
    if method.__name__ == "create_group":
        values["email_list"] = ["a@example.com"]
    if method.__name__ == "get_user_behavior_data":
        values["userid"] = ["zhangsan"]
    return values


def as_sent(asked: Asked) -> tuple[Any, ...]:
    query = {name: value for name, value in asked.query.items() if name != "access_token"}
    if asked.headers.get("Content-Type", "").startswith("multipart/"):
        return asked.method, asked.path, query, b'name="media"' in asked.body, b"0123456789" in asked.body
    return asked.method, asked.path, query, asked.json if asked.body else None


async def settled(value: Any) -> Any:
    if isinstance(value, AsyncIterator):
        return [row async for row in value]
    return await value if isinstance(value, Awaitable) else value


@pytest.fixture
def answering(wecom: ScriptedWeCom) -> ScriptedWeCom:
    class Always(dict[str, Any]):
        def __missing__(self, path: str) -> list[Any]:
            if path == "department/get":
                return [{**ANSWER, "department": {"id": 1}}]
            return [] if path == "gettoken" else [ANSWER]

    wecom.answers = Always()
    return wecom


@pytest.mark.parametrize("name", [name for name in wechatpy_methods() if name not in DIFFERENT])
async def test_method_sends_and_returns_what_wechatpy_does(
    name: str, answering: ScriptedWeCom, client: WeComClient
) -> None:
    class Synchronous(WeChatClient):  # type: ignore[misc]
        API_BASE_URL = answering.base_url

    family, method = name.split(".")
    theirs = Synchronous("ww0123456789abcdef", "secret", access_token="token-1")
    call = getattr(getattr(theirs, family), method)
    try:
        expected = await asyncio.to_thread(call, **arguments_for(call))
        sent = [as_sent(asked) for asked in answering.asked]
        answering.asked.clear()
        result = await settled(getattr(getattr(client, family), method)(**arguments_for(call)))
    finally:
        theirs._http.close()

    assert result == expected
    assert [as_sent(asked) for asked in answering.asked if asked.path != "gettoken"] == sent


@pytest.mark.parametrize("name", sorted(DIFFERENT))
async def test_method_that_differs_still_takes_wechatpys_arguments(
    name: str, answering: ScriptedWeCom, client: WeComClient
) -> None:
    family, method = name.split(".")
    arguments = arguments_for(getattr(getattr(WeChatClient, family), method))

    assert await settled(getattr(getattr(client, family), method)(**arguments))


def test_every_difference_names_a_method() -> None:
    assert set(DIFFERENT) <= set(wechatpy_methods())


async def test_batch_get_by_user_names_a_list(wecom: ScriptedWeCom, client: WeComClient) -> None:
    await client.external_contact.batch_get_by_user(["zhangsan", "lisi"], cursor="c", limit=50)

    [asked] = wecom.calls("externalcontact/batch/get_by_user")
    assert asked.json == {"userid_list": ["zhangsan", "lisi"], "cursor": "c", "limit": 50}


async def test_all_pages_are_read_until_the_cursor_is_empty(wecom: ScriptedWeCom, client: WeComClient) -> None:
    rows = "external_contact_list"
    wecom.script(
        "externalcontact/batch/get_by_user",
        {**OK, rows: [{"n": 1}, {"n": 2}], "next_cursor": "a"},
        {**OK, rows: [], "next_cursor": "b"},
        {**OK, rows: [{"n": 3}], "next_cursor": ""},
    )

    assert [row["n"] async for row in client.external_contact.gen_all_by_user("zhangsan")] == [1, 2, 3]
    assert [asked.json["cursor"] for asked in wecom.calls("externalcontact/batch/get_by_user")] == ["", "a", "b"]


async def test_a_cursor_that_stands_still_ends_the_walk(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script("externalcontact/groupchat/list", {**OK, "group_chat_list": [{"n": 1}], "next_cursor": "same"})

    assert await client.external_contact_group_chat.list_all() == [{"n": 1}, {"n": 1}]


OURS: list[tuple[str, dict[str, Any], str, str, Any]] = [
    ("external_contact.remark", {"userid": "u", "external_userid": "wm", "remark": "王"}, "POST",
     "externalcontact/remark", {"userid": "u", "external_userid": "wm", "remark": "王"}),
    ("external_contact.remark", {"userid": "u", "external_userid": "wm", "remark_mobiles": [""]}, "POST",
     "externalcontact/remark", {"userid": "u", "external_userid": "wm", "remark_mobiles": [""]}),
    ("external_contact.list_contact_way", {"cursor": "c", "limit": 5}, "POST",
     "externalcontact/list_contact_way", {"cursor": "c", "limit": 5}),
    ("external_contact.add_contact_way", {"type": 1, "scene": 2, "state": "门店", "user": ["u"]}, "POST",
     "externalcontact/add_contact_way",
     {"type": 1, "scene": 2, "skip_verify": True, "state": "门店", "user": ["u"]}),
    ("external_contact.update_contact_way", {"config_id": "c", "state": ""}, "POST",
     "externalcontact/update_contact_way", {"config_id": "c", "state": ""}),
    ("external_contact.close_temp_chat", {"userid": "u", "external_userid": "wm"}, "POST",
     "externalcontact/close_temp_chat", {"userid": "u", "external_userid": "wm"}),
    ("external_contact.get_corp_tag_list", {"group_ids": ["g"]}, "POST",
     "externalcontact/get_corp_tag_list", {"group_id": ["g"]}),
    ("external_contact.edit_corp_tag", {"id": "t", "name": "新", "agentid": 7}, "POST",
     "externalcontact/edit_corp_tag", {"id": "t", "name": "新", "agentid": 7}),
    ("external_contact.del_corp_tag", {"tag_id": "t", "agentid": 7}, "POST",
     "externalcontact/del_corp_tag", {"tag_id": ["t"], "agentid": 7}),
    ("external_contact.transfer_customer",
     {"handover_userid": "a", "takeover_userid": "b", "external_userid": ["wm"], "transfer_success_msg": "您好"},
     "POST", "externalcontact/transfer_customer",
     {"handover_userid": "a", "takeover_userid": "b", "external_userid": ["wm"], "transfer_success_msg": "您好"}),
    ("external_contact.transfer_result", {"handover_userid": "a", "takeover_userid": "b", "cursor": "c"}, "POST",
     "externalcontact/transfer_result", {"handover_userid": "a", "takeover_userid": "b", "cursor": "c"}),
    ("external_contact.resigned_transfer_result", {"handover_userid": "a", "takeover_userid": "b"}, "POST",
     "externalcontact/resigned/transfer_result", {"handover_userid": "a", "takeover_userid": "b"}),
    ("external_contact.get_unassigned_list", {"cursor": "c"}, "POST",
     "externalcontact/get_unassigned_list", {"page_size": 1000, "cursor": "c"}),
    ("external_contact_group_chat.get", {"chat_id": "wr"}, "POST",
     "externalcontact/groupchat/get", {"chat_id": "wr", "need_name": 1}),
    ("external_contact_group_chat.add_join_way", {"scene": 2, "chat_id_list": ["wr"], "state": "s"}, "POST",
     "externalcontact/groupchat/add_join_way",
     {"scene": 2, "chat_id_list": ["wr"], "auto_create_room": 1, "state": "s"}),
    ("external_contact_group_chat.update_join_way", {"config_id": "c", "scene": 2, "chat_id_list": []}, "POST",
     "externalcontact/groupchat/update_join_way",
     {"config_id": "c", "scene": 2, "chat_id_list": [], "auto_create_room": 1}),
    ("external_contact_group_chat.get_join_way", {"config_id": "c"}, "POST",
     "externalcontact/groupchat/get_join_way", {"config_id": "c"}),
    ("user.list_id", {"limit": 3}, "POST", "user/list_id", {"limit": 3}),
    ("message.send",
     {"agent_id": 1, "user_ids": ["u", "v"], "party_ids": [2, 3], "msg": {"msgtype": "text", "text": {"content": "嗨"}},
      "duplicate_check_seconds": 600},
     "POST", "message/send",
     {"touser": "u|v", "toparty": "2|3", "totag": "", "agentid": 1, "msgtype": "text", "text": {"content": "嗨"},
      "enable_duplicate_check": 1, "duplicate_check_interval": 600}),
    ("message.update_template_card", {"agent_id": 1, "response_code": "r", "button": {"replace_name": "好"}}, "POST",
     "message/update_template_card", {"agentid": 1, "response_code": "r", "button": {"replace_name": "好"}}),
    ("message.recall", {"msgid": "m"}, "POST", "message/recall", {"msgid": "m"}),
    ("kf.sync_msg", {"open_kfid": "wk", "token": "t"}, "POST",
     "kf/sync_msg", {"token": "t", "limit": 1000, "open_kfid": "wk"}),
    ("kf_message.send_location",
     {"user_id": "wm", "open_kfid": "wk", "name": "店", "address": "路", "latitude": 1.5, "longitude": 2.5}, "POST",
     "kf/send_msg",
     {"touser": "wm", "open_kfid": "wk", "msgtype": "location",
      "location": {"name": "店", "address": "路", "latitude": 1.5, "longitude": 2.5}}),
    ("oauth.get_user_detail", {"user_ticket": "t"}, "POST", "auth/getuserdetail", {"user_ticket": "t"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "method", "path", "body"), OURS)
async def test_api_that_wechatpy_lacks(
    name: str,
    arguments: dict[str, Any],
    method: str,
    path: str,
    body: Any,
    wecom: ScriptedWeCom,
    client: WeComClient,
) -> None:
    family, function = name.split(".")
    await getattr(getattr(client, family), function)(**arguments)

    [asked] = wecom.calls(path)
    assert (asked.method, asked.json) == (method, body)


async def test_words_travel_as_plain_utf8(wecom: ScriptedWeCom, client: WeComClient) -> None:
    await client.message.send_text(1, "@all", "你好，Ω😀")

    [asked] = wecom.calls("message/send")
    assert "你好，Ω😀".encode() in asked.body
    assert b"\\u" not in asked.body


async def test_addresses_of_wecom_are_lists(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script("get_api_domain_ip", {**OK, "ip_list": ["1.2.3.4"]})
    wecom.script("getcallbackip", {**OK, "ip_list": ["101.226.103.*"]})

    assert await client.misc.get_api_domain_ip() == ["1.2.3.4"]
    assert await client.misc.get_callback_ip() == ["101.226.103.*"]


async def test_ticket_is_fetched_once_while_it_lives(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script("ticket/get", {**OK, "ticket": "tk", "expires_in": 7200})

    assert [await client.jsapi.get_agent_jsapi_ticket() for _ in range(3)] == ["tk"] * 3
    assert len(wecom.calls("ticket/get")) == 1
