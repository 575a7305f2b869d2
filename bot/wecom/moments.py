"""Moments (客户朋友圈, WeCom docs 93333, 93443, 95094): posts that members publish on their phones.

A job makes the post; WeCom calls nothing back when a member publishes or a customer likes: it is asked again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, Literal

from bot.wecom.family import Family, Json, given, pages


class Moments(Family):
    """`/externalcontact/…moment…`."""

    def add_moment_task(
        self,
        *,
        text: str | None = None,
        attachments: Sequence[Mapping[str, Any]] | None = None,
        visible_range: Mapping[str, Any] | None = None,
    ) -> Awaitable[Json]:
        """Begin a job that makes a post: `jobid`, good for 24 hours. At most 10 a minute and 100,000 a month.

        `text` has at most 2,000 characters and 4,000 bytes; `attachments` are up to nine images, or one video, or one
        link, with media of `media.upload_attachment(…, attachment_type=1)`. `visible_range`: `sender_list` of
        `user_list` and `department_list`, `external_contact_list` of `tag_list`; without it all members in range.

        Each call makes a new post, so it is never repeated by itself: a missing answer raises UnknownOutcomeError.
        """
        return self._post(
            "externalcontact/add_moment_task",
            data=given(
                text=None if text is None else {"content": text},
                attachments=None if attachments is None else list(attachments),
                visible_range=visible_range,
            ),
        )

    def get_moment_task_result(self, jobid: str) -> Awaitable[Json]:
        """`status` (1 begun, 2 running, 3 done) and then `result` with an errcode of its own.

        `result` has `moment_id`, and `invalid_sender_list` and `invalid_external_contact_list` of what was ignored.
        """
        return self._get("externalcontact/get_moment_task_result", params={"jobid": jobid})

    def cancel_moment_task(self, moment_id: str) -> Awaitable[Json]:
        """Withdraw what members have not published yet; what is published stays."""
        return self._post("externalcontact/cancel_moment_task", data={"moment_id": moment_id})

    def get_moment_list(
        self,
        start_time: int,
        end_time: int,
        creator: str | None = None,
        filter_type: Literal[0, 1, 2] | None = None,
        cursor: str = "",
        limit: int = 20,
    ) -> Awaitable[Json]:
        """`moment_list` of what was made between two times (epoch seconds, at most 30 days, both excluded).

        `filter_type`: 0 the company's, 1 those that members made themselves, 2 both (WeCom's default). At most 20 a
        page. `creator` stands only where a member made the post.
        """
        return self._post(
            "externalcontact/get_moment_list",
            data=given(
                start_time=start_time,
                end_time=end_time,
                creator=creator,
                filter_type=filter_type,
                cursor=cursor or None,
                limit=limit,
            ),
        )

    def gen_moment_list(
        self,
        start_time: int,
        end_time: int,
        creator: str | None = None,
        filter_type: Literal[0, 1, 2] | None = None,
    ) -> AsyncIterator[Json]:
        """Every row of `get_moment_list`, page after page."""
        return pages(
            lambda cursor: self.get_moment_list(start_time, end_time, creator, filter_type, cursor), "moment_list"
        )

    def get_moment_task(self, moment_id: str, cursor: str = "", limit: int = 1000) -> Awaitable[Json]:
        """`task_list` of `userid` and `publish_status` (0 not published, 1 published); at most 1,000 a page."""
        return self._post("externalcontact/get_moment_task", data=_page(cursor, limit, moment_id=moment_id))

    def gen_moment_tasks(self, moment_id: str) -> AsyncIterator[Json]:
        """Every row of `get_moment_task`, page after page."""
        return pages(lambda cursor: self.get_moment_task(moment_id, cursor), "task_list")

    def get_moment_customer_list(
        self, moment_id: str, userid: str, cursor: str = "", limit: int = 1000
    ) -> Awaitable[Json]:
        """`customer_list` of `external_userid`s for whom the member's post is meant; at most 1,000 a page."""
        return self._post(
            "externalcontact/get_moment_customer_list", data=_page(cursor, limit, moment_id=moment_id, userid=userid)
        )

    def gen_moment_customers(self, moment_id: str, userid: str) -> AsyncIterator[Json]:
        """Every row of `get_moment_customer_list`, page after page."""
        return pages(lambda cursor: self.get_moment_customer_list(moment_id, userid, cursor), "customer_list")

    def get_moment_send_result(
        self, moment_id: str, userid: str, cursor: str = "", limit: int = 5000
    ) -> Awaitable[Json]:
        """`customer_list` of who can see what the member published; at most 5,000 a page.

        Raises NotReadyError before the member has published (41062).
        """
        return self._post(
            "externalcontact/get_moment_send_result", data=_page(cursor, limit, moment_id=moment_id, userid=userid)
        )

    def gen_moment_send_results(self, moment_id: str, userid: str) -> AsyncIterator[Json]:
        """Every row of `get_moment_send_result`, page after page."""
        return pages(lambda cursor: self.get_moment_send_result(moment_id, userid, cursor), "customer_list")

    def get_moment_comments(self, moment_id: str, userid: str) -> Awaitable[Json]:
        """`comment_list` and `like_list`: who (`external_userid`, the member's `userid`) and `create_time`, no words.

        Raises NotReadyError before the member has published (41062).
        """
        return self._post("externalcontact/get_moment_comments", data={"moment_id": moment_id, "userid": userid})


def _page(cursor: str, limit: int, **fields: Any) -> Json:
    return given(**fields, limit=limit, cursor=cursor or None)
