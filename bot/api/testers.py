"""`/testers`: customers who receive the contents of campaigns before the others do."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from bot.api.answers import answer, path_id, read_object
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, Nothing
from data.queries import testers as rows
from data.rules.problems import RuleModel, parse
from data.rules.testers import TesterDraft


class TesterTold(RuleModel):
    """A test customer; `present`: they are the staff member's contact now, so a test can reach them."""

    id: int
    userid: str
    external_userid: str
    added_by: str
    added_at: datetime
    present: bool


@described(Items[TesterTold])
async def list_testers(api: Api, request: web.Request) -> web.Response:
    return answer({"items": [row._asdict() for row in await api.db.read(rows.list_testers)]})


@described(TesterTold, status=201, body=TesterDraft)
async def add_tester(api: Api, request: web.Request) -> web.Response:
    draft = parse(TesterDraft, await read_object(request))
    added = await api.db.write(
        rows.add_tester, draft.userid, draft.external_userid, request[CALLER], api.clock.now()
    )  # fmt: skip
    return answer(added._asdict(), 201)


@described(Nothing)
async def remove_tester(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rows.remove_tester, path_id(request))
    return answer({})
