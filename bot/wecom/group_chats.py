"""Customer groups (客户群, WeCom docs 92120, 92122) and the codes to join them (加入群聊)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence

from wechatpy.work.client.api import WeChatExternalContactGroupChat

from bot.wecom.family import Family, Json, given, pages


class GroupChats(Family, WeChatExternalContactGroupChat):
    """`/externalcontact/groupchat/`: `client.external_contact_group_chat`."""

    def list(
        self,
        status_filter: int = 0,
        owner_userid_list: Sequence[str] | None = None,
        cursor: str | None = None,
        limit: int = 1000,
    ) -> Awaitable[Json]:
        """`group_chat_list` of `chat_id` and `status` (0 normal, 1 owner left, 2 being inherited, 3 inherited).

        Up to 100 owners; without them WeCom refuses where over 1,000 members are visible (81017), and leaves out the
        groups of owners who left.
        """
        owner_filter = {"userid_list": [*owner_userid_list]} if owner_userid_list else None
        return self._post(
            "externalcontact/groupchat/list",
            data=given(status_filter=status_filter, owner_filter=owner_filter, cursor=cursor or None, limit=limit),
        )

    def gen_all(
        self, status_filter: int = 0, owner_userid_list: Sequence[str] | None = None, limit: int = 1000
    ) -> AsyncIterator[Json]:
        """Every row of `list`, page after page."""
        return pages(lambda cursor: self.list(status_filter, owner_userid_list, cursor, limit), "group_chat_list")

    async def list_all(
        self, status_filter: int = 0, owner_userid_list: Sequence[str] | None = None, limit: int = 1000
    ) -> Sequence[Json]:
        """All rows of `list` in memory."""
        return [row async for row in self.gen_all(status_filter, owner_userid_list, limit)]

    def get(self, chat_id: str, need_name: bool = True) -> Awaitable[Json]:
        """`group_chat` with its `member_list`; members' names only with `need_name`."""
        return self._post("externalcontact/groupchat/get", data={"chat_id": chat_id, "need_name": int(need_name)})

    def statistic_group_by_day(
        self, day_begin_time: int, day_end_time: int | None = None, owner_userid_list: Sequence[str] = ()
    ) -> Awaitable[Json]:
        """`items` per day for the groups of up to 100 owners; at most 30 days, back to 180 days ago."""
        return self._post(
            "externalcontact/groupchat/statistic_group_by_day",
            data=given(
                day_begin_time=day_begin_time,
                day_end_time=day_end_time,
                owner_filter={"userid_list": [*owner_userid_list]},
            ),
        )

    def transfer(self, chat_id_list: Sequence[str], new_owner: str) -> Awaitable[Json]:
        """Give up to 100 groups of owners who left to `new_owner`: `failed_chat_list` says which were not."""
        return self._post(
            "externalcontact/groupchat/transfer",
            data={"chat_id_list": [*chat_id_list], "new_owner": new_owner},
        )

    def onjob_transfer(self, chat_id_list: Sequence[str], new_owner: str) -> Awaitable[Json]:
        """Like `transfer`, for owners who are still there; a group at most twice in 90 days."""
        return self._post(
            "externalcontact/groupchat/onjob_transfer",
            data={"chat_id_list": [*chat_id_list], "new_owner": new_owner},
        )

    def add_join_way(
        self,
        scene: int,
        chat_id_list: Sequence[str],
        remark: str | None = None,
        auto_create_room: bool = True,
        room_base_name: str | None = None,
        room_base_id: int | None = None,
        state: str | None = None,
    ) -> Awaitable[Json]:
        """`config_id` of a way into up to five groups: `scene` 1 mini-program, 2 code. `get_join_way` has the code.

        When all are full and `auto_create_room` holds, WeCom makes a new group `room_base_name` + number.
        """
        return self._post(
            "externalcontact/groupchat/add_join_way",
            data=_join_way(scene, chat_id_list, remark, auto_create_room, room_base_name, room_base_id, state),
        )

    def get_join_way(self, config_id: str) -> Awaitable[Json]:
        """`join_way` with its `qr_code`."""
        return self._post("externalcontact/groupchat/get_join_way", data={"config_id": config_id})

    def update_join_way(
        self,
        config_id: str,
        scene: int,
        chat_id_list: Sequence[str],
        remark: str | None = None,
        auto_create_room: bool = True,
        room_base_name: str | None = None,
        room_base_id: int | None = None,
        state: str | None = None,
    ) -> Awaitable[Json]:
        """Replace the whole way: what is not given is emptied."""
        data = _join_way(scene, chat_id_list, remark, auto_create_room, room_base_name, room_base_id, state)
        return self._post("externalcontact/groupchat/update_join_way", data={"config_id": config_id, **data})

    def del_join_way(self, config_id: str) -> Awaitable[Json]:
        """Delete the way; its code stops working."""
        return self._post("externalcontact/groupchat/del_join_way", data={"config_id": config_id})


def _join_way(
    scene: int,
    chat_id_list: Sequence[str],
    remark: str | None,
    auto_create_room: bool,
    room_base_name: str | None,
    room_base_id: int | None,
    state: str | None,
) -> Json:
    return given(
        scene=scene,
        chat_id_list=[*chat_id_list],
        remark=remark,
        auto_create_room=int(auto_create_room),
        room_base_name=room_base_name,
        room_base_id=room_base_id,
        state=state,
    )
