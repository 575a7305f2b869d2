"""`/groups`: the customer groups, one with who is in it, and WeCom's figures of them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot.api.answers import ApiError, answer, read_query
from bot.api.channels import PeriodQuery, read_period
from bot.api.described import described
from bot.api.service import Api
from bot.refresh import refresh_group
from data.queries import group_figures as figures
from data.queries import group_pages as rows
from data.rules.problems import RuleModel

#: How many came and went is told of so many days.
DAYS = 30


class GroupsQuery(RuleModel):
    """Which to list: `q`, a part of a group's or its owner's name, or an id; `dismissed` ones. `before`: as it was
    told as `next_before`."""

    q: str = Field(default="", max_length=64)
    dismissed: bool = False
    limit: int = Field(default=50, ge=1, le=200)
    before: str = Field(default="", max_length=80)


class GroupTold(RuleModel):
    """A customer group. `members` are in it now, `customers` of them not of the staff; `owner_left`: its owner has left
    the company."""

    chat_id: str
    name: str
    owner: str
    owner_name: str
    owner_left: bool
    created_at: datetime | None
    dismissed_at: datetime | None
    members: int
    customers: int


class GroupsPage(RuleModel):
    """Groups, the newest first. The next page is asked with `before`; null: there is none."""

    items: list[GroupTold]
    next_before: str | None


class GroupDayTold(RuleModel):
    """How many customers joined and left on a day."""

    day: date
    joined: int
    left: int


class GroupInFull(GroupTold):
    """A group with its last 30 days, the latest first."""

    days: list[GroupDayTold]


class MembersQuery(RuleModel):
    """Who is in a group, or with `gone` was; behind the id `after`."""

    gone: bool = False
    limit: int = Field(default=100, ge=1, le=500)
    after: str = Field(default="", max_length=64)


class GroupMemberTold(RuleModel):
    """A member. `type`: 1 of the staff, 2 from outside; `join_scene`: 1 invited, 2 by an invite link, 3 by a code; of a
    join way with its `state`."""

    userid: str
    type: int
    name: str
    join_scene: int | None
    state: str
    joined_at: datetime | None
    left_at: datetime | None


class MembersPage(RuleModel):
    """Members by id. The next page is asked with `after`; null: there is none."""

    items: list[GroupMemberTold]
    next_after: str | None


class FiguresQuery(PeriodQuery):
    """Of which days, and of whose groups; all if no `owner` is named."""

    owner: str = Field(default="", max_length=64)


class GroupFiguresTold(RuleModel):
    """WeCom's figures. `_total`: as at the end of the (last) day; `_active`: groups with messages, members who
    wrote."""

    chats_total: int
    chats_new: int
    members_total: int
    members_new: int
    chats_active: int
    members_active: int
    messages: int


class FiguresOfDay(GroupFiguresTold):
    """Of a day."""

    day: date


class FiguresOfOwner(GroupFiguresTold):
    """Of an owner over all of the days; active ones are those of each day added up."""

    userid: str


class FiguresTold(RuleModel):
    """By day, and by owner, those with most members first. A day that was not read yet is not among them."""

    days: list[FiguresOfDay]
    owners: list[FiguresOfOwner]


@described(GroupsPage, query=GroupsQuery)
async def list_all(api: Api, request: web.Request) -> web.Response:
    query = read_query(GroupsQuery, request)
    before = rows.read_place(query.before)
    if query.before and before is None:
        raise ApiError(400, "bad_request", "before is not what was told as next_before.")
    found = await api.db.read(
        lambda session: rows.list_page(
            session, None, text=query.q.strip(), dismissed=query.dismissed, limit=query.limit, before=before
        )
    )
    items = [GroupTold.model_validate(each._asdict()) for each in found]
    return answer(GroupsPage(items=items, next_before=found[-1].place if len(found) == query.limit else None))


@described(GroupInFull)
async def get_one(api: Api, request: web.Request) -> web.Response:
    chat_id = request.match_info["chat_id"]

    def read(session: Session) -> dict[str, Any]:
        found = rows.get_shown(session, chat_id, None)
        days = rows.list_days(session, chat_id, api.clock.now(), api.settings.zone, DAYS)
        return {**found._asdict(), "days": [each._asdict() for each in days]}

    return answer(GroupInFull.model_validate(await api.db.read(read)))


@described(GroupTold)
async def read_again(api: Api, request: web.Request) -> web.Response:
    chat_id = request.match_info["chat_id"]
    await api.db.read(rows.get_shown, chat_id, None)
    await refresh_group(api.context, chat_id)
    return answer(GroupTold.model_validate((await api.db.read(rows.get_shown, chat_id, None))._asdict()))


@described(MembersPage, query=MembersQuery)
async def list_members(api: Api, request: web.Request) -> web.Response:
    query, chat_id = read_query(MembersQuery, request), request.match_info["chat_id"]

    def read(session: Session) -> list[rows.MemberShown]:
        rows.get_shown(session, chat_id, None)
        return rows.list_members(session, chat_id, None, gone=query.gone, after=query.after, limit=query.limit)

    found = await api.db.read(read)
    names = set(GroupMemberTold.model_fields)
    items = [
        GroupMemberTold.model_validate({name: value for name, value in each._asdict().items() if name in names})
        for each in found
    ]
    return answer(MembersPage(items=items, next_after=items[-1].userid if len(items) == query.limit else None))


@described(FiguresTold, query=FiguresQuery)
async def get_statistics(api: Api, request: web.Request) -> web.Response:
    query = read_query(FiguresQuery, request)
    since, until = read_period(api, query)
    owners = [query.owner] if query.owner else None

    def read(session: Session) -> dict[str, Any]:
        days = figures.list_days(session, since, until, owners)
        by_owner = figures.list_by_owner(session, since, until, owners)
        return {
            "days": [{"day": each.key, **_numbers(each)} for each in days],
            "owners": [{"userid": each.key, **_numbers(each)} for each in by_owner],
        }

    return answer(FiguresTold.model_validate(await api.db.read(read)))


def _numbers(each: figures.GroupFigures) -> dict[str, int]:
    return {name: value for name, value in each._asdict().items() if name != "key"}
