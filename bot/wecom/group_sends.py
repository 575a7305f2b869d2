"""Group-sends (群发, WeCom docs 92135, 93338): tasks that staff confirm on their phones, and what became of them.

WeCom calls nothing back when a member confirms: `get_groupmsg_task` and `get_groupmsg_send_result` are asked again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Literal

from bot.wecom.family import Family, Json, given, pages

ChatType = Literal["single", "group"]


class GroupSends(Family):
    """`/externalcontact/…groupmsg…`. A `msgid` names one group-send with the tasks of all its senders."""

    def add_msg_template(self, template: Mapping[str, Any]) -> Awaitable[Json]:
        """Create a group-send: `msgid`, and `fail_list` of the ids that it does not reach.

        `template`: `chat_type` single (default) or group; `external_userid` (up to 10,000), `sender` or `tag_filter`,
        for groups `sender` and `chat_id_list` (up to 2,000); `text` of `content` (4,000 bytes) and up to nine
        `attachments`; `allow_select` lets the members choose among the recipients. Nothing is sent by this call.

        Each call makes a new group-send, so it is never repeated by itself: a missing answer raises
        UnknownOutcomeError, and whether the group-send is there has to be looked up. Raises GoneError when nobody can
        receive it (41048).
        """
        return self._post("externalcontact/add_msg_template", data=template)

    def get_groupmsg_list_v2(
        self,
        chat_type: ChatType,
        start_time: int,
        end_time: int,
        creator: str | None = None,
        filter_type: Literal[0, 1, 2] | None = None,
        cursor: str = "",
        limit: int = 100,
    ) -> Awaitable[Json]:
        """`group_msg_list` of what was made between two times (epoch seconds, at most a month apart).

        `filter_type`: 0 the company's, 1 those that members made themselves, 2 both (WeCom's default). Rows have
        `msgid`, `create_time` (a string), `create_type`, `text`, `attachments`; `creator` only where a member made it.
        At most 100 a page: a higher `limit` counts as 50.
        """
        return self._post(
            "externalcontact/get_groupmsg_list_v2",
            data=given(
                chat_type=chat_type,
                start_time=start_time,
                end_time=end_time,
                creator=creator,
                filter_type=filter_type,
                limit=limit,
                cursor=cursor or None,
            ),
        )

    def gen_groupmsg_list(
        self,
        chat_type: ChatType,
        start_time: int,
        end_time: int,
        creator: str | None = None,
        filter_type: Literal[0, 1, 2] | None = None,
    ) -> AsyncIterator[Json]:
        """Every row of `get_groupmsg_list_v2`, page after page."""
        return pages(
            lambda cursor: self.get_groupmsg_list_v2(chat_type, start_time, end_time, creator, filter_type, cursor),
            "group_msg_list",
        )

    def get_groupmsg_task(self, msgid: str, cursor: str = "", limit: int = 1000) -> Awaitable[Json]:
        """`task_list` of `userid`, `status` (0 not confirmed, 2 confirmed) and then `send_time`.

        At most 1,000 a page: a higher `limit` counts as 500. Raises NotReadyError soon after the making (41063),
        AlreadyDoneError for a cancelled group-send (41093), GoneError for an unknown one (41047).
        """
        return self._post("externalcontact/get_groupmsg_task", data=_page(cursor, limit, msgid=msgid))

    def gen_groupmsg_tasks(self, msgid: str) -> AsyncIterator[Json]:
        """Every row of `get_groupmsg_task`, page after page."""
        return pages(lambda cursor: self.get_groupmsg_task(msgid, cursor), "task_list")

    def get_groupmsg_send_result(self, msgid: str, userid: str, cursor: str = "", limit: int = 1000) -> Awaitable[Json]:
        """`send_list` of one member's recipients: `external_userid` or `chat_id`, `userid`, `status`, `send_time`.

        `status`: 0 not sent, 1 sent, 2 not a friend any more, 3 has received as many group-sends as it may. Of groups
        only those come back that the member has dealt with. Pages and errors as for `get_groupmsg_task`, but a
        cancelled group-send still has its results.
        """
        return self._post(
            "externalcontact/get_groupmsg_send_result", data=_page(cursor, limit, msgid=msgid, userid=userid)
        )

    def gen_groupmsg_send_results(self, msgid: str, userid: str) -> AsyncIterator[Json]:
        """Every row of `get_groupmsg_send_result`, page after page."""
        return pages(lambda cursor: self.get_groupmsg_send_result(msgid, userid, cursor), "send_list")

    def remind_groupmsg_send(self, msgid: str) -> Awaitable[Json]:
        """Remind the members who have not confirmed. Raises QuotaError beyond three times in 24 hours (41094)."""
        return self._post("externalcontact/remind_groupmsg_send", data={"msgid": msgid})

    def cancel_groupmsg_send(self, msgid: str) -> Awaitable[Json]:
        """Withdraw what members have not confirmed yet; what was sent stays sent."""
        return self._post("externalcontact/cancel_groupmsg_send", data={"msgid": msgid})


def _page(cursor: str, limit: int, **fields: Any) -> Json:
    return given(**fields, limit=limit, cursor=cursor or None)
