"""Who is looking at our page: login in WeCom and on the web (WeCom docs 91023, 91022)."""

from __future__ import annotations

from collections.abc import Awaitable

from wechatpy.work.client.api import WeChatOAuth

from bot.wecom.family import Family, Json


class Login(Family, WeChatOAuth):
    """`/auth/`: `client.oauth`."""

    def get_user_info(self, code: str) -> Awaitable[Json]:
        """`userid` of a staff member (and `user_ticket`), or `openid` and `external_userid` of anyone else.

        A code works once within five minutes; when no answer came, the person has to log in again.
        """
        return self._get("auth/getuserinfo", params={"code": code})

    def get_user_detail(self, user_ticket: str) -> Awaitable[Json]:
        """What the member agreed to show: mobile, mail, avatar, address."""
        return self._post("auth/getuserdetail", data={"user_ticket": user_ticket})
