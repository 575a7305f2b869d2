"""Welcomes of customer groups (入群欢迎语素材, WeCom doc 92366): a stock that group owners choose from by hand.

WeCom has no list of them: whoever loses a template_id cannot find it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from bot.wecom.family import Family, Json, given


class GroupWelcomes(Family):
    """`/externalcontact/group_welcome_template/…`."""

    def add_group_welcome_template(self, template: Mapping[str, Any], agentid: int | None = None) -> Awaitable[Json]:
        """Make one: `template_id`.

        `template`: `text` of `content` (3,000 bytes; `%NICKNAME%` is the newcomer), one of `image`, `link`,
        `miniprogram`, `file` and `video`, and `notify` (1, the default: owners are told of it).

        Each call makes a new one, so it is never repeated by itself: a missing answer raises UnknownOutcomeError.
        Raises QuotaError where the company has 100 (41055).
        """
        return self._post("externalcontact/group_welcome_template/add", data={**template, **given(agentid=agentid)})

    def update_group_welcome_template(
        self, template: Mapping[str, Any], template_id: str, agentid: int | None = None
    ) -> Awaitable[Json]:
        """Put other contents in the place of one's. Raises GoneError (40037), NotPermittedError (41058)."""
        return self._post(
            "externalcontact/group_welcome_template/edit",
            data={**template, "template_id": template_id, **given(agentid=agentid)},
        )

    def get_group_welcome_template(self, template_id: str) -> Awaitable[Json]:
        """What one says: `text`, and its attachment under the name of its kind; an image has its `pic_url`."""
        return self._post("externalcontact/group_welcome_template/get", data={"template_id": template_id})

    def del_group_welcome_template(self, template_id: str, agentid: int | None = None) -> Awaitable[Json]:
        """Delete one. Raises GoneError when it is not there (40037)."""
        return self._post(
            "externalcontact/group_welcome_template/del", data=given(template_id=template_id, agentid=agentid)
        )
