"""What the local WeCom's client does for a page: nothing before its signature was found right."""

from __future__ import annotations

from typing import Any

from bot.sandbox.jssdk import signature
from bot.sandbox.world import World
from tests.sandbox.conftest import Client

MINI = {"appid": "wx0", "title": "春茶", "imgUrl": "https://bot.example.com/cover", "page": "pages/index.html?x=1"}
URL = "http://127.0.0.1:8080/sidebar?lang=zh"
APIS = ["getContext", "getCurExternalContact", "getCurExternalChat", "sendChatMessage", "openEnterpriseChat"]


def mutual(world: World, userid: str) -> list[str]:
    """Customers whom a member can write to."""
    follows = ((each, world.customers.find_follow(userid, each)) for each in world.customers.listed_by(userid))
    return [each for each, follow in follows if follow is not None and follow.friendship == "mutual"]


class InClient:
    """A page in the client of a member, beside the chat with a customer."""

    def __init__(self, client: Client) -> None:
        self.client, self.world = client, client.sandbox.world
        self.userid = self.world.population.service[0].userid
        self.whom = mutual(self.world, self.userid)[0]

    async def ask(self, name: str, params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        body = {"userid": self.userid, "entry": "single_chat_tools", "external_userid": self.whom, "url": URL}
        asked = {**body, "name": name, "params": params or {}, **more}
        answer: dict[str, Any] = await self.client.control("jssdk", 200, **asked)
        return answer

    async def configure(self, **wrong: Any) -> str:
        ticket = (await self.client.get("ticket/get", type="agent_config"))["ticket"]
        params: dict[str, Any] = {"timestamp": "1700000000", "nonceStr": "abc"}
        params["signature"] = signature(ticket, params, wrong.pop("signed", URL))
        params |= {"corpid": self.world.company.corpid, "agentid": str(self.world.app.agentid), "jsApiList": APIS}
        answer: str = (await self.ask("agentConfig", {**params, **wrong}))["errMsg"]
        return answer


async def test_a_page_is_let_in_by_its_signature_alone(client: Client) -> None:
    await client.get_token()
    page = InClient(client)
    assert (await page.ask("getContext"))["errMsg"] == "getContext:fail no permission"
    for bad in ({"signed": f"{URL}#x"}, {"signed": "http://evil.example/"}, {"nonceStr": "abd"}, {"signature": None}):
        assert await page.configure(**bad) == "agentConfig:fail invalid signature", bad
    assert await page.configure(corpid="ww0") == "agentConfig:fail invalid corpid or agentid"
    client.sandbox.world.app.redirect_domain = "bot.example.com"
    assert await page.configure() == "agentConfig:fail invalid url domain"
    client.sandbox.world.app.redirect_domain = "127.0.0.1:8080"
    assert await page.configure(jsApiList=["getContext"]) == "agentConfig:ok"
    assert (await page.ask("getContext"))["entry"] == "single_chat_tools"
    assert (await page.ask("getCurExternalContact"))["errMsg"] == "getCurExternalContact:fail no permission"
    assert await page.configure() == "agentConfig:ok"
    assert (await page.ask("getContext", url=f"{URL}&more=1"))["errCode"] == -1, "another page"

    # What is known depends on where the page was opened.
    assert (await page.ask("getCurExternalContact"))["userId"] == page.whom
    without = "fail without context of external contact"
    for name, entry in (
        ("getCurExternalContact", "normal"), ("getCurExternalChat", "single_chat_tools"), ("sendChatMessage", "normal"),
    ):  # fmt: skip
        assert (await page.ask(name, entry=entry))["errMsg"] == f"{name}:{without}"
    assert (await page.ask("getCurExternalChat", entry="group_chat_tools", chat_id="wr1"))["chatId"] == "wr1"

    # What is sent stands in the chat.
    right: list[dict[str, Any]] = [
        {"msgtype": "text", "text": {"content": "您好 <b>"}},
        {"msgtype": "news", "news": {"link": "https://shop.example.com/", "title": "春茶"}},
        {"msgtype": "miniprogram", "miniprogram": MINI},
    ]
    for message in right:
        assert (await page.ask("sendChatMessage", message))["errMsg"] == "sendChatMessage:ok"
    *_, words, link, mini = client.sandbox.world.chats.of(page.userid, page.whom)
    assert (words.sender, words.origin, words.content) == ("staff", "chat", {"content": "您好 <b>"})
    assert (link.msgtype, link.content["title"]) == ("link", "春茶")
    assert (mini.msgtype, mini.content["page"]) == ("miniprogram", MINI["page"])
    wrong: list[dict[str, Any]] = [
        {}, {"msgtype": "text"}, {"msgtype": "text", "text": {"content": " "}}, {"msgtype": "voice", "voice": {}},
        {"msgtype": "image", "image": {"mediaid": "nothing"}}, {"msgtype": "news", "news": {"link": "javascript:x"}},
        {"msgtype": "miniprogram", "miniprogram": MINI | {"imgUrl": "cover.png"}},
        {"msgtype": "miniprogram", "miniprogram": MINI | {"page": "pages/index"}},
    ]  # fmt: skip
    for message in wrong:
        assert (await page.ask("sendChatMessage", message))["errCode"] == -1, message
    opened = await page.ask("openEnterpriseChat", {"externalUserIds": [page.whom]}, entry="normal")
    assert opened["externalUserId"] == page.whom
    assert (await page.ask("openEnterpriseChat", {"externalUserIds": ["wm_nobody"]}))["errCode"] == -1
