"""`/join-ways`: codes that lead into customer groups, and on to the next when one is full."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from bot import join_ways
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import MergePatch, Page
from bot.channel_posters import code_svg, content_type_of
from bot.rule_edits import merged
from data.models import JoinWay, JoinWayStatus
from data.queries import join_ways as rows
from data.rules.join_ways import JoinWayDraft
from data.rules.problems import RuleModel, parse


class ListQuery(RuleModel):
    """Which codes to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class JoinWayTold(RuleModel):
    """A code into groups. `state` comes with everybody who joined by it, `joined` of them are customers (in their group
    by now or not); `qr_code`: where WeCom has its picture."""

    id: int
    name: str
    state: str
    chat_ids: list[str]
    auto_create: bool
    base_name: str
    base_id: int
    status: JoinWayStatus
    config_id: str | None
    qr_code: str
    error: str
    made_by: str
    made_at: datetime
    read_at: datetime | None
    joined: int


class JoinCodeTold(RuleModel):
    """WeCom's picture of a code, in base64, and an SVG that holds it."""

    content_type: str
    content: str
    svg: str


class Removed(RuleModel):
    """What was removed."""

    removed: int


@described(Page[JoinWayTold], query=ListQuery)
async def list_all(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)
    found = await api.db.read(rows.list_join_ways, query.limit, query.before_id)
    return answer(page(await _tell(api, found), query.limit))


@described(JoinWayTold, status=201, body=JoinWayDraft)
async def make(api: Api, request: web.Request) -> web.Response:
    made = await join_ways.make(api.context, parse(JoinWayDraft, await read_object(request)), request[CALLER])
    return answer((await _tell(api, [made]))[0], 201, Location=f"/api/v1/join-ways/{made.id}")


@described(JoinWayTold)
async def get_one(api: Api, request: web.Request) -> web.Response:
    return answer((await _tell(api, [await api.db.read(rows.get_join_way, path_id(request))]))[0])


@described(JoinCodeTold)
async def get_code(api: Api, request: web.Request) -> web.Response:
    code = await join_ways.image_of(api.context, await api.db.read(rows.get_join_way, path_id(request)))
    content = base64.b64encode(code).decode()
    return answer(JoinCodeTold(content_type=content_type_of(code), content=content, svg=code_svg(code)))


@described(JoinWayTold, body=MergePatch)
async def change(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    row = await api.db.read(rows.get_join_way, path_id(request))
    draft = parse(JoinWayDraft, merged(join_ways.draft_of(row), changes))
    changed = await join_ways.change(api.context, path_id(request), draft, row.chat_ids)
    return answer((await _tell(api, [changed]))[0])


@described(JoinWayTold)
async def read_again(api: Api, request: web.Request) -> web.Response:
    row = await api.db.read(rows.get_join_way, path_id(request))
    if row.config_id is not None:
        await join_ways.read(api.context, path_id(request), row.config_id)
    return answer((await _tell(api, [await api.db.read(rows.get_join_way, path_id(request))]))[0])


@described(JoinWayTold)
async def make_again(api: Api, request: web.Request) -> web.Response:
    return answer((await _tell(api, [await join_ways.make_again(api.context, path_id(request))]))[0])


@described(Removed)
async def remove(api: Api, request: web.Request) -> web.Response:
    await join_ways.remove(api.context, path_id(request))
    return answer({"removed": path_id(request)})


async def _tell(api: Api, found: Sequence[JoinWay]) -> list[dict[str, Any]]:
    joined = await api.db.read(rows.count_joined, [each.state for each in found])
    return [{**join_ways.to_json(each), "joined": joined.get(each.state, 0)} for each in found]
