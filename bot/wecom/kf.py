"""WeChat customer service (微信客服, WeCom docs 94638 to 95159): what wechatpy lacks or sends wrongly."""

from __future__ import annotations

from collections.abc import Awaitable

from wechatpy.work.client.api import WeChatKF, WeChatKFMessage

from bot.wecom.family import Family, Json, given


class CustomerService(Family, WeChatKF):
    """`/kf/`: `client.kf`."""

    def sync_msg(
        self,
        token: str = "",
        cursor: str = "",
        limit: int = 1000,
        open_kfid: str | None = None,
        voice_format: int | None = None,
    ) -> Awaitable[Json]:
        """`msg_list`, `next_cursor`, `has_more`: go on until `has_more` is 0, whatever the list holds.

        WeCom wants `open_kfid`; the `token` of an event (10 minutes) spares a tight frequency limit.
        """
        return self._post(
            "kf/sync_msg",
            data=given(
                token=token or None,
                cursor=cursor or None,
                limit=limit,
                open_kfid=open_kfid,
                voice_format=voice_format,
            ),
        )

    def get_account_list(self, offset: int = 0, limit: int = 100) -> Awaitable[Json]:
        """`account_list`, at most 100 a page; fewer than `limit` is the end."""
        return self._post("kf/account/list", data={"offset": offset, "limit": limit})


class CustomerServiceMessages(Family, WeChatKFMessage):
    """`/kf/send_msg`: `client.kf_message`. With a `msgid` of ours WeCom accepts the message once."""

    def send_articles_link(self, user_id: str, open_kfid: str, article: Json, msgid: str = "") -> Awaitable[Json]:
        """A link card: `title`, `desc`, `url`, `thumb_media_id`."""
        keys = ("title", "desc", "url", "thumb_media_id")
        return self._send(user_id, open_kfid, "link", {key: article[key] for key in keys}, msgid)

    def send_location(
        self, user_id: str, open_kfid: str, name: str, address: str, latitude: float, longitude: float, msgid: str = ""
    ) -> Awaitable[Json]:
        """A place on the map."""
        place = {"name": name, "address": address, "latitude": latitude, "longitude": longitude}
        return self._send(user_id, open_kfid, "location", place, msgid)

    def send_miniprogram(
        self,
        user_id: str,
        open_kfid: str,
        appid: str,
        title: str,
        thumb_media_id: str,
        pagepath: str,
        msgid: str = "",
    ) -> Awaitable[Json]:
        """A mini-program card; `pagepath` ends in .html."""
        card = {"appid": appid, "title": title, "thumb_media_id": thumb_media_id, "pagepath": pagepath}
        return self._send(user_id, open_kfid, "miniprogram", card, msgid)

    def _send(self, user_id: str, open_kfid: str, msgtype: str, body: Json, msgid: str) -> Awaitable[Json]:
        answer: Awaitable[Json] = self.send(user_id, open_kfid, msgid, msg={"msgtype": msgtype, msgtype: body})
        return answer
