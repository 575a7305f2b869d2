"""Staff, departments and staff tags (通讯录)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from wechatpy.work.client.api import WeChatDepartment, WeChatTag, WeChatUser

from bot.wecom.family import Family, Json, given


class Users(Family, WeChatUser):
    """`/user/`: `client.user`."""

    async def list(self, department_id: int, fetch_child: bool = False, status: int = 0, simple: bool = False) -> Any:
        """The members of a department, as a list (WeCom docs 90200, 90201); `simple`: id, name and departments only."""
        answer = await self._get(
            "user/simplelist" if simple else "user/list",
            params={"department_id": department_id, "fetch_child": int(fetch_child), "status": status},
        )
        return answer["userlist"]

    def list_id(self, cursor: str = "", limit: int = 10_000) -> Awaitable[Json]:
        """`dept_user`, one row per member and department, and `next_cursor`: with the contacts-sync secret only."""
        return self._post("user/list_id", data=given(cursor=cursor or None, limit=limit))

    async def convert_to_user_id(self, openid: str) -> str:
        """The userid behind an openid."""
        return str((await self._post("user/convert_to_userid", data={"openid": openid}))["userid"])

    def openuserid_to_userid(self, open_userids: Sequence[str], source_agentid: int) -> Awaitable[Json]:
        """`userid_list` of `open_userid` and `userid` of members whom another provider's app knows by these ids, and
        `invalid_open_userid_list` (WeCom doc 95884); at most 1,000."""
        return self._post(
            "batch/openuserid_to_userid",
            data={"open_userid_list": [*open_userids], "source_agentid": source_agentid},
        )

    async def get_join_qrcode(self, size_type: int | None = None) -> str:
        """The address of the code for joining the company; it lives seven days."""
        return str((await self._get("corp/get_join_qrcode", params=given(size_type=size_type)))["join_qrcode"])

    async def get_active_stat(self, date: str) -> int:
        """How many members were active on `date` (YYYY-MM-DD, at most 30 days ago)."""
        return int((await self._post("user/get_active_stat", data={"date": date}))["active_cnt"])

    async def getuserid(self, mobile: str) -> str:
        """The userid of a mobile number; too many wrong numbers block the API for a day."""
        return str((await self._post("user/getuserid", data={"mobile": mobile}))["userid"])

    async def get_userid_by_email(self, email: str, email_type: int | None = None) -> str:
        """The userid of a mail address: `email_type` 1 the company's, 2 the member's own."""
        answer = await self._post("user/get_userid_by_email", data=given(email=email, email_type=email_type))
        return str(answer["userid"])


class Departments(Family, WeChatDepartment):
    """`/department/`: `client.department`."""

    async def list(self, id: int | None = None) -> Any:  # noqa: A002
        """The departments below `id` (default: all the app sees), as a list."""
        return (await self._get("department/list", params=given(id=id)))["department"]

    async def simple_list(self, id: int | None = None) -> Any:  # noqa: A002
        """Like `list`, with `id`, `parentid` and `order` only: the way WeCom advises."""
        return (await self._get("department/simplelist", params=given(id=id)))["department_id"]

    async def get(self, id: int) -> Any:  # noqa: A002
        """One department, as a dict."""
        return (await self._get("department/get", params={"id": id}))["department"]

    async def get_users(self, id: int, fetch_child: int = 0, simple: bool = True) -> Any:  # noqa: A002
        """The members of a department, as a list."""
        answer = await self._get(
            "user/simplelist" if simple else "user/list",
            params={"department_id": id, "fetch_child": 1 if fetch_child else 0},
        )
        return answer["userlist"]

    async def get_map_users(self, id: int | None = None, key: str = "name", fetch_child: int = 0) -> dict[Any, str]:  # noqa: A002
        """From a field of the members (default: their name) to their userid, over one department or all."""
        ids: Sequence[int] = [id] if id is not None else [row["id"] for row in await self.list()]
        found: dict[Any, str] = {}
        for department in ids:
            users = await self.get_users(department, fetch_child=fetch_child, simple=False)
            found.update({user[key]: user["userid"] for user in users})
        return found


class StaffTags(Family, WeChatTag):
    """`/tag/`: `client.tag`, tags of staff members (not of customers)."""

    async def list(self) -> Any:
        """All staff tags, as a list."""
        return (await self._get("tag/list"))["taglist"]
