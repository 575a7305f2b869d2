"""`/webhooks`: programs that are told what happens; `/webhook-calls`: what they and those of journeys were told, and
whether they have taken it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from bot import webhook_edits as edits
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, Nothing, Page
from bot.webhooks import WebhookError
from data.models import Webhook, WebhookCall
from data.queries import webhook_targets as targets
from data.queries import webhooks as rows
from data.queries.webhooks import CallState
from data.rules.problems import RuleModel, parse
from data.rules.webhooks import WebhookDraft


class CallsQuery(RuleModel):
    """Filters; all that are given must hold."""

    state: CallState | None = None
    external_userid: str | None = None
    webhook_id: int | None = Field(default=None, ge=1, le=2**62)
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class CallTold(RuleModel):
    """One call. `webhook_id`: whom it is for; without it a journey's step made it, of `enrolment_id`. `next_at`: when
    it is tried next; `error`: why the last try failed."""

    id: int
    webhook_id: int | None
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


class AgainTold(RuleModel):
    """How many calls are tried once more."""

    again: int


@described(AgainTold)
async def try_all_again(api: Api, _request: web.Request) -> web.Response:
    return answer(AgainTold(again=await api.db.write(rows.try_all_again, api.clock.now())))


def _told(call: WebhookCall) -> CallTold:
    return CallTold.model_validate({**call.model_dump(), "state": rows.state_of(call)})


class WebhookTold(RuleModel):
    """A program that is told of what happens from `since` on."""

    id: int
    name: str
    url: str
    events: list[str]
    tag_ids: list[str]
    enabled: bool
    since: datetime
    made_by: str
    made_at: datetime


class WebhookMade(WebhookTold):
    """The same with the secret that signs its calls, which is told once."""

    secret: str


class Switch(RuleModel):
    """Whether it is told."""

    enabled: bool


@described(Items[WebhookTold])
async def list_webhooks(api: Api, _request: web.Request) -> web.Response:
    return answer({"items": [_row(each) for each in await api.db.read(targets.list_webhooks)]})


@described(WebhookMade, status=201, body=WebhookDraft)
async def add_webhook(api: Api, request: web.Request) -> web.Response:
    draft = parse(WebhookDraft, await read_object(request))
    row, secret = await api.db.write(
        edits.add_webhook, api.settings.journeys, draft, request[CALLER], api.clock.now()
    )  # fmt: skip
    return answer({**_row(row), "secret": secret}, 201)


@described(WebhookTold, body=WebhookDraft)
async def change_webhook(api: Api, request: web.Request) -> web.Response:
    draft = parse(WebhookDraft, await read_object(request))
    changed = await api.db.write(
        edits.change_webhook, api.settings.journeys, path_id(request), draft, api.clock.now()
    )  # fmt: skip
    return answer(_row(changed))


@described(WebhookTold, body=Switch)
async def switch_webhook(api: Api, request: web.Request) -> web.Response:
    on = parse(Switch, await read_object(request)).enabled
    return answer(_row(await api.db.write(targets.switch_webhook, path_id(request), api.clock.now(), on=on)))


@described(WebhookMade)
async def renew_secret(api: Api, request: web.Request) -> web.Response:
    row, secret = await api.db.write(edits.renew_secret, api.settings.journeys, path_id(request))
    return answer({**_row(row), "secret": secret})


class Tried(RuleModel):
    """What came of a call with the event `test`: `error` says why it was not taken."""

    taken: bool
    error: str


@described(Tried)
async def try_webhook(api: Api, request: web.Request) -> web.Response:
    row = await api.db.read(targets.get_webhook, path_id(request))
    try:
        await edits.try_webhook(api.context, row)
    except WebhookError as error:
        return answer(Tried(taken=False, error=str(error)))
    return answer(Tried(taken=True, error=""))


@described(Nothing)
async def remove_webhook(api: Api, request: web.Request) -> web.Response:
    await api.db.write(targets.remove_webhook, path_id(request))
    return answer({})


def _row(row: Webhook) -> dict[str, Any]:
    return WebhookTold.model_validate(row.model_dump(exclude={"salt"})).model_dump(mode="json")
