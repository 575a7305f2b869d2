"""`/webhook-calls`: what journeys tell other programs, and whether they have taken it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, page, path_id, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Page
from data.models import WebhookCall
from data.queries import webhooks as rows
from data.queries.webhooks import CallState
from data.rules.problems import RuleModel


class CallsQuery(RuleModel):
    """Filters; all that are given must hold."""

    state: CallState | None = None
    external_userid: str | None = None
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class CallTold(RuleModel):
    """One call. `next_at`: when it is tried next; `error`: why the last try failed."""

    id: int
    enrolment_id: int
    external_userid: str
    url: str
    body: dict[str, Any]
    state: CallState
    made_at: datetime
    next_at: datetime | None
    attempts: int
    taken_at: datetime | None
    error: str


@described(Page[CallTold], query=CallsQuery)
async def list_calls(api: Api, request: web.Request) -> web.Response:
    query = read_query(CallsQuery, request)
    found = await api.db.read(rows.list_calls, **dict(query))
    return answer(page([_told(each).model_dump(mode="json") for each in found], query.limit))


@described(CallTold)
async def try_again(api: Api, request: web.Request) -> web.Response:
    return answer(_told(await api.db.write(rows.try_again, path_id(request), api.clock.now())))


def _told(call: WebhookCall) -> CallTold:
    return CallTold.model_validate({**call.model_dump(), "state": rows.state_of(call)})
