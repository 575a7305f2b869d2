"""`/welcomes`: every welcome, sent, missed or left out, and why."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, page, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Page, WelcomeTold
from data.models import WelcomeStatus
from data.queries import welcomes as rows
from data.rules.problems import RuleModel
from data.rules.schedule import Instant


class WelcomesQuery(RuleModel):
    """Filters; all that are given must hold. `until` is excluded."""

    status: WelcomeStatus | None = None
    reason: str | None = None
    userid: str | None = None
    external_userid: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


@described(Page[WelcomeTold], query=WelcomesQuery)
async def list_welcomes(api: Api, request: web.Request) -> web.Response:
    query = read_query(WelcomesQuery, request)
    found = await api.db.read(rows.list_welcomes, **dict(query))
    return answer(page([row.model_dump() for row in found], query.limit))
