"""`/staff/leaves`: when staff send nothing, and who stands in for them."""

from __future__ import annotations

from datetime import date, datetime

from aiohttp import web

from bot.api.answers import answer, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, Nothing
from bot.leaves import make_leave
from data.models import Leave
from data.queries import leaves as rows
from data.rules.leaves import LeaveDraft
from data.rules.problems import RuleModel, parse


class LeavesQuery(RuleModel):
    """Which leaves to list: those that are not over before a day; before today, if nothing is said."""

    since: date | None = None


class LeaveTold(RuleModel):
    """A leave, both days included; `substitute` is empty where nobody stands in."""

    id: int
    userid: str
    first_day: date
    last_day: date
    substitute: str
    made_by: str
    made_at: datetime


@described(Items[LeaveTold], query=LeavesQuery)
async def list_leaves(api: Api, request: web.Request) -> web.Response:
    query = read_query(LeavesQuery, request)
    today = api.clock.now().astimezone(api.settings.zone).date()
    found = await api.db.read(rows.list_leaves, query.since or today)
    return answer({"items": [_told(each).model_dump(mode="json") for each in found]})


@described(LeaveTold, status=201, body=LeaveDraft)
async def create_leave(api: Api, request: web.Request) -> web.Response:
    draft = parse(LeaveDraft, await read_object(request))
    return answer(_told(await api.db.write(make_leave, draft, request[CALLER], api.clock.now())), 201)


@described(Nothing)
async def delete_leave(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rows.delete_leave, path_id(request))
    return answer({})


def _told(row: Leave) -> LeaveTold:
    return LeaveTold.model_validate(row.model_dump())
