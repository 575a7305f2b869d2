"""Customers (外部联系人): reading them and writing what a staff member notes about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

from bot.wecom.family import Family, Json, given, pages


class Customers(Family):
    """`/externalcontact/` list, get, batch, remark and id conversions."""

    def get(self, external_userid: str, cursor: str = "") -> Awaitable[Json]:
        """`external_contact`, `follow_user` (500 a page) and `next_cursor` while there are more (WeCom doc 92114).

        Raises NotAFollowerError when no member in the app's range follows the customer: gone, or only half added.
        """
        return self._get("externalcontact/get", params=given(external_userid=external_userid, cursor=cursor or None))

    def batch_get_by_user(self, userid: str | Sequence[str], cursor: str = "", limit: int = 100) -> Awaitable[Json]:
        """`external_contact_list` of `external_contact` and `follow_info` of up to 100 members (WeCom doc 92994).

        One row per (member, customer); `follow_info` has `tag_id` in place of `tags`. At most 100 rows a page.
        """
        userids = [userid] if isinstance(userid, str) else list(userid)
        return self._post(
            "externalcontact/batch/get_by_user", data={"userid_list": userids, "cursor": cursor, "limit": limit}
        )

    def gen_all_by_user(self, userid: str | Sequence[str], limit: int = 100) -> AsyncIterator[Json]:
        """Every row of `batch_get_by_user`, page after page: `async for row in …`."""
        return pages(lambda cursor: self.batch_get_by_user(userid, cursor, limit), "external_contact_list")

    def remark(
        self,
        userid: str,
        external_userid: str,
        remark: str | None = None,
        description: str | None = None,
        remark_company: str | None = None,
        remark_mobiles: Sequence[str] | None = None,
        remark_pic_mediaid: str | None = None,
    ) -> Awaitable[Json]:
        """What the member notes about the customer (WeCom doc 92115).

        `remark` and `remark_company` have at most 20 characters, `description` 150. `remark_mobiles` replaces the list;
        `[""]` empties it.
        """
        return self._post(
            "externalcontact/remark",
            data=given(
                userid=userid,
                external_userid=external_userid,
                remark=remark,
                description=description,
                remark_company=remark_company,
                remark_mobiles=None if remark_mobiles is None else list(remark_mobiles),
                remark_pic_mediaid=remark_pic_mediaid,
            ),
        )

    def contact_list(self, cursor: str = "", limit: int = 1000) -> Awaitable[Json]:
        """`info_list` of everybody served, customers or not; a cursor lives four hours."""
        return self._post("externalcontact/contact_list", data=given(cursor=cursor or None, limit=limit))

    def convert_to_openid(self, external_userid: str) -> Awaitable[Json]:
        """The customer's `openid`, for payments."""
        return self._post("externalcontact/convert_to_openid", data={"external_userid": external_userid})

    def from_service_external_userid(self, external_userid: str, source_agentid: int) -> Awaitable[Json]:
        """The company's own `external_userid` of the customer whom another provider's app knows by this one (WeCom doc
        95884). Somebody whom they have as a contact must be in the range of both apps."""
        return self._post(
            "externalcontact/from_service_external_userid",
            data={"external_userid": external_userid, "source_agentid": source_agentid},
        )

    def opengid_to_chatid(self, opengid: str) -> Awaitable[Json]:
        """The `chat_id` of the group that a mini-program knows as `opengid`."""
        return self._post("externalcontact/opengid_to_chatid", data={"opengid": opengid})

    def get_user_behavior_data(
        self,
        userid: str | Sequence[str] | None,
        start_time: int,
        end_time: int,
        partyid: Sequence[int] | None = None,
    ) -> Awaitable[Json]:
        """`behavior_data` per day, summed over all named members and departments (WeCom doc 92132).

        Epoch seconds; at most 30 days, from yesterday back to 180 days ago.
        """
        data: dict[str, Any] = given(
            userid=[userid] if isinstance(userid, str) else userid, partyid=partyid, start_time=start_time
        )
        return self._post("externalcontact/get_user_behavior_data", data={**data, "end_time": end_time})
