"""Contact ways (「联系我」): the codes that customers scan to add a staff member (WeCom doc 92228)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence

from bot.wecom.family import Family, Json, given, pages


class ContactWays(Family):
    """`/externalcontact/…_contact_way` and temporary chats."""

    def add_contact_way(
        self,
        type: int,  # noqa: A002
        scene: int,
        style: int | None = None,
        remark: str | None = None,
        skip_verify: bool = True,
        state: str | None = None,
        user: Sequence[str] | None = None,
        party: Sequence[int] | None = None,
        is_temp: bool | None = None,
        expires_in: int | None = None,
        chat_expires_in: int | None = None,
        unionid: str | None = None,
        conclusions: Json | None = None,
        is_exclusive: bool | None = None,
    ) -> Awaitable[Json]:
        """`config_id`, and `qr_code` where `scene` is 2 (code); `scene` 1 is a mini-program's button.

        `type` 1 names exactly one member in `user`; 2 up to 100 in `user` and `party`. `state` (at most 30 characters)
        comes back in the event of everybody who is added through this way.
        """
        return self._post(
            "externalcontact/add_contact_way",
            data=given(
                type=type,
                scene=scene,
                style=style,
                remark=remark,
                skip_verify=skip_verify,
                state=state,
                user=user,
                party=party,
                is_temp=is_temp,
                expires_in=expires_in,
                chat_expires_in=chat_expires_in,
                unionid=unionid,
                conclusions=conclusions,
                is_exclusive=is_exclusive,
            ),
        )

    def update_contact_way(
        self,
        config_id: str,
        remark: str | None = None,
        skip_verify: bool | None = None,
        style: int | None = None,
        state: str | None = None,
        user: Sequence[str] | None = None,
        party: Sequence[int] | None = None,
        expires_in: int | None = None,
        chat_expires_in: int | None = None,
        unionid: str | None = None,
        conclusions: Json | None = None,
    ) -> Awaitable[Json]:
        """Change what is given; lists replace the old ones. Type, scene and is_temp cannot be changed."""
        return self._post(
            "externalcontact/update_contact_way",
            data=given(
                config_id=config_id,
                remark=remark,
                skip_verify=skip_verify,
                style=style,
                state=state,
                user=user,
                party=party,
                expires_in=expires_in,
                chat_expires_in=chat_expires_in,
                unionid=unionid,
                conclusions=conclusions,
            ),
        )

    def list_contact_way(
        self,
        start_time: int | None = None,
        end_time: int | None = None,
        cursor: str | None = None,
        limit: int = 1000,
    ) -> Awaitable[Json]:
        """`contact_way` of `config_id` made in the period (epoch seconds; default: the last 90 days), `next_cursor`."""
        return self._post(
            "externalcontact/list_contact_way",
            data=given(start_time=start_time, end_time=end_time, cursor=cursor or None, limit=limit),
        )

    def gen_contact_ways(
        self, start_time: int | None = None, end_time: int | None = None, limit: int = 1000
    ) -> AsyncIterator[Json]:
        """Every row of `list_contact_way`, page after page."""
        return pages(lambda cursor: self.list_contact_way(start_time, end_time, cursor, limit), "contact_way")

    def close_temp_chat(self, userid: str, external_userid: str) -> Awaitable[Json]:
        """End a temporary chat."""
        return self._post(
            "externalcontact/close_temp_chat", data={"userid": userid, "external_userid": external_userid}
        )
