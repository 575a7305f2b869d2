"""Corp tags (企业客户标签, WeCom doc 92117): the company's list of tags for customers.

`mark_tag`, which puts them on customers, is wechatpy's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from bot.wecom.family import Family, Json, given


class CorpTags(Family):
    """`/externalcontact/…_corp_tag`. An app changes only the tags that it made itself."""

    def get_corp_tag_list(
        self, tag_ids: Sequence[str] | None = None, group_ids: Sequence[str] | None = None
    ) -> Awaitable[Json]:
        """`tag_group` with their `tag`s: all, or the named ones. With `group_ids` WeCom ignores `tag_ids`."""
        return self._post("externalcontact/get_corp_tag_list", data=given(tag_id=tag_ids, group_id=group_ids))

    def add_corp_tag(
        self,
        group_id: str | None,
        group_name: str | None,
        order: int | None,
        tags: Sequence[Json],
        agentid: int | None = None,
    ) -> Awaitable[Json]:
        """`tag_group` with the created tags. `tags` are `{"name": …, "order": …}`, names of at most 30 characters.

        A `group_name` that exists gets the tags; a name that its group already has raises AlreadyDoneError.
        """
        return self._post(
            "externalcontact/add_corp_tag",
            data=given(group_id=group_id, group_name=group_name, order=order, tag=list(tags), agentid=agentid),
        )

    def edit_corp_tag(
        self,
        id: str,  # noqa: A002
        name: str | None = None,
        order: int | None = None,
        agentid: int | None = None,
    ) -> Awaitable[Json]:
        """Rename or reorder a tag or a group, whichever `id` names."""
        return self._post("externalcontact/edit_corp_tag", data=given(id=id, name=name, order=order, agentid=agentid))

    def del_corp_tag(
        self,
        tag_id: str | Sequence[str] | None = None,
        group_id: str | Sequence[str] | None = None,
        agentid: int | None = None,
    ) -> Awaitable[Json]:
        """Delete tags and groups; a group goes with its last tag."""
        return self._post(
            "externalcontact/del_corp_tag",
            data=given(tag_id=_many(tag_id), group_id=_many(group_id), agentid=agentid),
        )


def _many(ids: str | Sequence[str] | None) -> list[str] | None:
    return None if ids is None else [ids] if isinstance(ids, str) else list(ids)
