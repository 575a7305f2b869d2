"""`/group-welcomes`: what customer groups say to those who join, in WeCom's stock for the owners to choose from."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from sqlmodel import Session

from bot import group_welcomes
from bot.api.answers import REPLAYED, answer, path_id, read_object, read_query
from bot.api.described import described
from bot.api.repeats import do_once
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, MergePatch
from data.models import GroupWelcomeStatus
from data.queries import group_welcomes as rows
from data.queries.repeated_requests import Answered
from data.rules.group_welcomes import GroupWelcomeContent, GroupWelcomeDraft
from data.rules.problems import RuleModel, parse


class GroupWelcomeTold(RuleModel):
    """A group welcome. WeCom has `written_version` of it, 0: none; `next_at`: when WeCom is called for it.

    `needs_person`: nothing happens to it until somebody decides; `error` and `drift` (the fields that WeCom shows
    otherwise) say why.
    """

    id: int
    name: str
    content: GroupWelcomeContent
    notify: bool
    made_by: str
    made_at: datetime
    version: int
    written_version: int
    status: GroupWelcomeStatus
    template_id: str | None
    written_at: datetime | None
    next_at: datetime | None
    checked_at: datetime | None
    drift: list[str]
    cause: int | None
    error: str
    retired_at: datetime | None
    needs_person: bool


class ListQuery(RuleModel):
    """`retired`: those that are over, instead of those in use."""

    retired: bool = False


@described(Items[GroupWelcomeTold], query=ListQuery)
async def list_all(api: Api, request: web.Request) -> web.Response:
    found = await api.db.read(rows.list_group_welcomes, retired=read_query(ListQuery, request).retired)
    return answer({"items": [group_welcomes.to_json(row) for row in found]})


@described(GroupWelcomeTold)
async def get_one(api: Api, request: web.Request) -> web.Response:
    return await _told(api, path_id(request))


@described(GroupWelcomeTold, status=201, body=GroupWelcomeDraft, keyed=True)
async def make(api: Api, request: web.Request) -> web.Response:
    draft = parse(GroupWelcomeDraft, await read_object(request))

    def keep(session: Session, now: datetime) -> Answered:
        return Answered(201, str(group_welcomes.make(session, draft, request[CALLER], now)))

    kept = await do_once(api, request, keep)
    id_ = int(kept.text or "")
    again = {name: value for name, value in kept.headers.items() if name == REPLAYED}
    return await _brought(api, id_, 201, Location=f"/api/v1/group-welcomes/{id_}", **again)


@described(GroupWelcomeTold, body=MergePatch)
async def change(api: Api, request: web.Request) -> web.Response:
    id_, changes = path_id(request), await read_object(request)
    await api.db.write(group_welcomes.change, id_, changes, api.clock.now())
    return await _brought(api, id_)


@described(GroupWelcomeTold)
async def retire(api: Api, request: web.Request) -> web.Response:
    id_ = path_id(request)
    await api.db.write(rows.retire_group_welcome, id_, api.clock.now())
    return await _brought(api, id_)


@described(GroupWelcomeTold)
async def add_again(api: Api, request: web.Request) -> web.Response:
    id_ = path_id(request)
    await api.db.write(rows.add_again, id_, api.clock.now())
    return await _brought(api, id_)


@described(GroupWelcomeTold)
async def repair(api: Api, request: web.Request) -> web.Response:
    id_ = path_id(request)
    await api.db.write(rows.write_again, id_, api.clock.now())
    return await _brought(api, id_)


async def _brought(api: Api, id_: int, status: int = 200, **headers: str) -> web.Response:
    await group_welcomes.bring(api.context, id_)
    return await _told(api, id_, status, **headers)


async def _told(api: Api, id_: int, status: int = 200, **headers: str) -> web.Response:
    row = await api.db.read(rows.get_group_welcome, id_)
    return answer(group_welcomes.to_json(row), status, **headers)
