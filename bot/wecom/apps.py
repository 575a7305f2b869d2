"""The app itself, its menu and group chats, and the company's addresses: where wechatpy uses an answer at once."""

from __future__ import annotations

from typing import Any

from wechatpy.work.client.api import WeChatAgent, WeChatAppChat, WeChatEMail, WeChatMenu, WeChatMisc

from bot.wecom.family import Family, Json


class Agents(Family, WeChatAgent):
    """`/agent/`: `client.agent`. `get` says whom the app sees (`allow_userinfos`, `allow_partys`, `allow_tags`)."""

    async def list(self) -> Any:
        """The apps of this token, as a list."""
        return (await self._get("agent/list"))["agentlist"]


class AppChats(Family, WeChatAppChat):
    """`/appchat/`: `client.appchat`, group chats of staff made by the app."""

    async def get(self, chat_id: str) -> Any:
        """The chat's name, owner and members."""
        return (await self._get("appchat/get", params={"chatid": chat_id}))["chat_info"]


class Menus(Family, WeChatMenu):
    """`/menu/`: `client.menu`."""

    async def update(self, agent_id: int, menu_data: Json) -> Json:
        """Put this menu in the place of the old one."""
        await self.delete(agent_id)
        answer: Json = await self.create(agent_id, menu_data)
        return answer


class Emails(Family, WeChatEMail):
    """`/exmail/`: `client.email`."""

    async def get_public_email(self, email_id: int) -> Any:
        """One business mailbox."""
        return (await self.batch_get_public_email([email_id]))[0]


class Misc(Family, WeChatMisc):
    """`client.misc`: the addresses that WeCom uses."""

    async def get_wechat_ips(self) -> Any:
        """The addresses that callbacks come from, as a list of IPs and networks."""
        return (await self._get("getcallbackip"))["ip_list"]

    get_callback_ip = get_wechat_ips

    async def get_api_domain_ip(self) -> Any:
        """The addresses of WeCom's API, as a list."""
        return (await self._get("get_api_domain_ip"))["ip_list"]
