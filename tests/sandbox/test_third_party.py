"""A third-party SDK works against the local WeCom: wechatpy's synchronous client, with only its URLs changed."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from wechatpy.exceptions import WeChatClientException
from wechatpy.work import WeChatClient

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.sandbox.test_media import PNG


def make_client(sandbox: Sandbox) -> Any:
    class LocalClient(WeChatClient):  # type: ignore[misc]
        API_BASE_URL = sandbox.api_base_url

        def fetch_access_token(self) -> Any:
            return self._fetch_access_token(
                url=self.API_BASE_URL + "gettoken", params={"corpid": self.corp_id, "corpsecret": self.secret}
            )

    return LocalClient(sandbox.world.company.corpid, sandbox.world.app.secret)


async def test_wechatpy_reads_and_writes(sandbox: Sandbox, client: Client) -> None:
    wechatpy = make_client(sandbox)
    added = await client.control("scan", state="website", name="新人")

    def work() -> None:
        contact = wechatpy.external_contact
        assert len(wechatpy.department.list()) == 7
        follow_users = contact.get_follow_user_list()["follow_user"]
        assert wechatpy.user.get(follow_users[0])["name"]
        assert wechatpy.department.get_users(3, simple=False)
        customers = contact.list(follow_users[0])["external_userid"]
        detail = contact.get(customers[0])
        assert detail["external_contact"]["external_userid"] == customers[0]
        contact.send_welcome_msg({"welcome_code": added["welcome_codes"][0], "text": {"content": "你好"}})
        tag = contact.get_corp_tag_list()["tag_group"][0]["tag"][0]
        contact.mark_tag(added["userid"], added["external_userid"], [tag["id"]], [])
        remark = {"userid": added["userid"], "external_userid": added["external_userid"], "remark": "阿新"}
        wechatpy.post("externalcontact/remark", data=remark)
        way = contact.add_contact_way(2, 2, style=1, remark="新渠道", state="sdk", user=follow_users[:2])
        assert contact.get_contact_way(way["config_id"])["contact_way"]["state"] == "sdk"
        contact.update_contact_way(way["config_id"], "更名", True, 1, "sdk2", follow_users[:1])
        contact.del_contact_way(way["config_id"])
        made = contact.add_corp_tag(None, "SDK", 1, [{"name": "甲"}])["tag_group"]
        contact.edit_corp_tag(made["tag"][0]["id"], "乙")
        contact.del_corp_tag(tag_id=[made["tag"][0]["id"]])
        uploaded = wechatpy.media.upload("image", ("a.png", io.BytesIO(PNG)))
        # media.download has its address built in, so the same call is made by hand
        assert wechatpy.get("media/get", params={"media_id": uploaded["media_id"]}).content == PNG
        sent = wechatpy.message.send_text(sandbox.world.app.agentid, [added["userid"], "nobody"], content="你好")
        assert sent["invaliduser"] == "nobody"
        assert wechatpy.agent.get(sandbox.world.app.agentid)["close"] == 0
        assert wechatpy.jsapi.get_ticket()["ticket"]
        groups = wechatpy.external_contact_group_chat.list(limit=10)["group_chat_list"]
        assert wechatpy.external_contact_group_chat.get(groups[0]["chat_id"])["group_chat"]["member_list"]
        with pytest.raises(WeChatClientException) as caught:
            contact.get("wm-unknown")
        assert caught.value.errcode == 40096

    await asyncio.to_thread(work)
    chat = await client.read(f"chats/{added['userid']}/{added['external_userid']}")
    assert [message["content"]["content"] for message in chat["messages"]][-1] == "你好"
    assert chat["follow"]["remark"] == "阿新"
    assert chat["follow"]["tags"]


async def test_wechatpy_refreshes_a_token_that_ended_early(sandbox: Sandbox, client: Client) -> None:
    wechatpy = make_client(sandbox)
    first = await asyncio.to_thread(wechatpy.external_contact.get_follow_user_list)
    await client.control("tokens/end")
    assert await asyncio.to_thread(wechatpy.external_contact.get_follow_user_list) == first
    calls = (await client.read("calls"))["calls"]
    assert [(call["path"], call["errcode"]) for call in calls] == [
        ("gettoken", 0),
        ("externalcontact/get_follow_user_list", 0),
        ("externalcontact/get_follow_user_list", 42001),
        ("gettoken", 0),
        ("externalcontact/get_follow_user_list", 0),
    ]
