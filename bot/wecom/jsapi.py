"""Tickets for pages inside WeCom (WeCom doc 90506); a signature is made from one by wechatpy's own method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from wechatpy.work.client.api import WeChatJSAPI

from bot.wecom.family import Family, Json

RENEW_BEFORE_SECONDS: Final = 60


class JsApi(Family, WeChatJSAPI):
    """`client.jsapi`. Tickets are kept in the client's session until they end: WeCom allows 400 an hour."""

    async def get_jsapi_ticket(self) -> str:
        """The company's ticket."""
        return await self._kept("jsapi_ticket", self.get_ticket)

    async def get_agent_jsapi_ticket(self) -> str:
        """The app's ticket."""
        return await self._kept("agent_jsapi_ticket", self.get_agent_ticket)

    async def _kept(self, key: str, fetch: Callable[[], Awaitable[Json]]) -> str:
        kept = self.session.get(key)
        if kept and self._client.clock.timestamp() < kept["ends"]:
            return str(kept["ticket"])
        answer = await fetch()
        ends = self._client.clock.timestamp() + int(answer["expires_in"]) - RENEW_BEFORE_SECONDS
        self.session.set(key, {"ticket": answer["ticket"], "ends": ends})
        return str(answer["ticket"])
