"""`/scripts`: ready words for staff, and who uses which."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bot import scripts as work
from bot.api.answers import answer, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Items, MergePatch, Nothing
from bot.api.uploads import received
from data.queries import scripts as rows
from data.rules.problems import RuleModel, parse
from data.rules.schedule import local_datetime
from data.rules.scripts import Script

Limit = Annotated[int, Field(ge=1, le=200)]


class ListQuery(RuleModel):
    """`words`: the best first, of what says something of them; otherwise the newest first, from before `before_id`."""

    words: Annotated[str, Field(max_length=100)] = ""
    category: Annotated[str, Field(max_length=32)] | None = None
    before_id: Annotated[int, Field(ge=1, lt=10**18)] | None = None
    limit: Limit = 50


class UsesQuery(RuleModel):
    """Of the last so many days; `script_id`: of one script."""

    days: Annotated[int, Field(ge=1, le=366)] = 30
    script_id: Annotated[int, Field(ge=1, lt=10**18)] | None = None
    limit: Limit = 200


class UseTold(RuleModel):
    """How often a member took a script, and the last day on which they did."""

    script_id: int
    title: str
    userid: str
    staff_name: str
    uses: int
    last_day: date


class FaultTold(RuleModel):
    """What is wrong with a row of a file."""

    row: int
    path: str
    message: str


class ImportedTold(RuleModel):
    """What came of a file: scripts made and changed, and rows that were left out."""

    made: int
    changed: int
    faults: list[FaultTold]


@described(Items[Script], query=ListQuery)
async def list_scripts(api: Api, request: web.Request) -> web.Response:
    asked = read_query(ListQuery, request)
    found = await api.db.read(
        rows.list_page, asked.words, category=asked.category, before_id=asked.before_id, limit=asked.limit
    )
    return answer({"items": [each.model_dump(mode="json") for each in found]})


@described(Script)
async def get_script(api: Api, request: web.Request) -> web.Response:
    script = await api.db.read(rows.get_script, path_id(request))
    return answer(script.model_dump(mode="json"))


@described(Script, status=201, body=Script)
async def create_script(api: Api, request: web.Request) -> web.Response:
    script = parse(Script, {**await read_object(request), "id": 0})
    saved = await api.db.write(work.save_script, script, api.renderer, api.clock.now())
    return answer(saved.model_dump(mode="json"), 201, Location=f"/api/v1/scripts/{saved.id}")


@described(Script, body=MergePatch)
async def change_script(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    saved = await api.db.write(work.change_script, path_id(request), changes, api.renderer, api.clock.now())
    return answer(saved.model_dump(mode="json"))


@described(Nothing)
async def delete_script(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rows.delete_script, path_id(request))
    return answer({})


@described(ImportedTold, content="application/octet-stream")
async def import_scripts(api: Api, request: web.Request) -> web.Response:
    async with received(request) as file:
        content = await asyncio.to_thread(file.read_bytes)
    found = await work.import_file(api.db, content, api.renderer, api.clock.now())
    return answer(found._asdict())


@described(Items[UseTold], query=UsesQuery)
async def list_uses(api: Api, request: web.Request) -> web.Response:
    asked = read_query(UsesQuery, request)
    today = local_datetime(api.clock.now(), api.settings.zone).date()
    since = today - timedelta(days=asked.days - 1)
    found = await api.db.read(rows.list_uses, since, script_id=asked.script_id, limit=asked.limit)
    return answer({"items": [each._asdict() for each in found]})
