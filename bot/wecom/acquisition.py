"""Customer-acquisition links (获客链接, 获客助手; WeCom doc 97297), which wechatpy lacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

from bot.wecom.family import Family, Json, given, pages


class Acquisition(Family):
    """`/externalcontact/customer_acquisition/` and the company's quota of it."""

    def list_link(self, cursor: str | None = None, limit: int = 100) -> Awaitable[Json]:
        """`link_id_list` of the links that this app has made and that hold, up to 100 a page, and `next_cursor`."""
        return self._post(
            "externalcontact/customer_acquisition/list_link", data=given(limit=limit, cursor=cursor or None)
        )

    def gen_links(self) -> AsyncIterator[str]:
        """Every link_id, page after page."""
        return pages(lambda cursor: self.list_link(cursor), "link_id_list")

    def get_link(self, link_id: str) -> Awaitable[Json]:
        """`link` (`link_name`, `url`, `create_time`, `skip_verify`), `range` (`user_list`, `department_list`)."""
        return self._post("externalcontact/customer_acquisition/get", data={"link_id": link_id})

    def create_link(self, link_name: str, range: Json, skip_verify: bool = True) -> Awaitable[Json]:  # noqa: A002
        """`link` with `link_id` and `url`. `range`: up to 500 in `user_list` and `department_list` all together."""
        return self._post(
            "externalcontact/customer_acquisition/create_link",
            data={"link_name": link_name, "range": range, "skip_verify": skip_verify},
        )

    def update_link(
        self,
        link_id: str,
        link_name: str | None = None,
        range: Json | None = None,  # noqa: A002
        skip_verify: bool | None = None,
    ) -> Awaitable[Json]:
        """Change what is given; a range replaces the old one."""
        return self._post(
            "externalcontact/customer_acquisition/update_link",
            data=given(link_id=link_id, link_name=link_name, range=range, skip_verify=skip_verify),
        )

    def delete_link(self, link_id: str) -> Awaitable[Json]:
        """Delete it: who opens it then can add nobody."""
        return self._post("externalcontact/customer_acquisition/delete_link", data={"link_id": link_id})

    def link_customers(self, link_id: str, cursor: str | None = None, limit: int = 1000) -> Awaitable[Json]:
        """`customer_list`: `external_userid`, `userid`, `chat_status` (0 nothing sent, 1 sent, 2 unknown), `state`."""
        return self._post(
            "externalcontact/customer_acquisition/customer",
            data=given(link_id=link_id, limit=limit, cursor=cursor or None),
        )

    def link_statistic(self, link_id: str, start_time: int, end_time: int) -> Awaitable[Json]:
        """`click_link_customer_cnt`, `new_customer_cnt` over at most 30 days, back to 180 days ago (epoch seconds)."""
        return self._post(
            "externalcontact/customer_acquisition/statistic",
            data={"link_id": link_id, "start_time": start_time, "end_time": end_time},
        )

    def link_quota(self) -> Awaitable[Json]:
        """`total`, `balance` and `quota_list` of `expire_date` and `balance`."""
        return self._get("externalcontact/customer_acquisition_quota")

    def link_chat_info(self, chat_key: str) -> Awaitable[Json]:
        """Of an event's ChatKey, within 30 minutes: `userid`, `external_userid`, `chat_info` with `recv_msg_cnt`."""
        return self._post("externalcontact/customer_acquisition/get_chat_info", data={"chat_key": chat_key})
