"""`/links`: tracked links, and who has followed them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import links
from bot.api.answers import REPLAYED, answer, answer_text, page, path_customer, path_id, read_object, read_query
from bot.api.described import described
from bot.api.repeats import do_once
from bot.api.service import CALLER, Api
from bot.api.shapes import Page
from bot.links import Opening
from data.models import Link
from data.queries import links as rows
from data.queries.repeated_requests import Answered
from data.rules.links import LinkDraft, LinkEdit
from data.rules.problems import RuleModel, parse


class ListQuery(RuleModel):
    """Which to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class OpeningTold(RuleModel):
    """Who opened it: a customer, or an outsider, in whom we know no customer."""

    visitor: Literal["customer", "outsider"]


class Retirement(RuleModel):
    """`force`: also while welcomes show it."""

    force: bool = False


class WelcomeClicksTold(RuleModel):
    """How many customers have followed a link out of a welcome by this rule; one that is gone has no name."""

    rule_id: int
    name: str
    customers: int
    clicks: int


class LinkTold(RuleModel):
    """A link. `address` is what customers open, empty without `server.public_url`; texts write `{{ link_NAME }}`.

    `customers` have followed it, `clicks` times together; `other_clicks` of outsiders, staff, and visitors that WeCom
    did not name. `welcomes`: out of which welcomes.
    """

    id: int
    code: str
    name: str
    url: str
    address: str
    tag_ids: list[str]
    tells_staff: bool
    made_by: str
    made_at: datetime
    retired_at: datetime | None
    customers: int
    clicks: int
    other_clicks: dict[str, int]
    welcomes: list[WelcomeClicksTold]


class FollowUpTold(RuleModel):
    """What followed from a first click: the tags that were put on, by staff member, and who was told of it."""

    put_on: dict[str, list[str]]
    told: list[str]
    error: str


class ClickTold(RuleModel):
    """A customer has followed a link, out of what a run sent them, or the welcome of a rule; both 0: elsewhere.

    `due_at`: what follows from it is still to be done.
    """

    id: int
    link_id: int
    link: str
    external_userid: str
    run_id: int
    welcome_rule_id: int
    campaign_id: int | None
    follow_id: int | None
    userid: str
    clicks: int
    first_at: datetime
    last_at: datetime
    due_at: datetime | None
    outcome: FollowUpTold | None


@described(Page[LinkTold], query=ListQuery)
async def list_links(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)

    def unit(session: Session) -> list[dict[str, object]]:
        return links.tell_links(session, rows.list_links(session, query.limit, query.before_id), _public_url(api))

    return answer(page(await api.db.read(unit), query.limit))


@described(LinkTold, status=201, body=LinkDraft)
async def create_link(api: Api, request: web.Request) -> web.Response:
    draft = parse(LinkDraft, await read_object(request))
    made = await api.db.write(links.make_link, draft, _public_url(api), request[CALLER], api.clock.now())
    return answer(await _told(api, made), 201, Location=f"/api/v1/links/{made.id}")


@described(LinkTold)
async def get_link(api: Api, request: web.Request) -> web.Response:
    return answer(await _told(api, await api.db.read(rows.get_link, path_id(request))))


@described(LinkTold, body=LinkEdit)
async def change_link(api: Api, request: web.Request) -> web.Response:
    edit = parse(LinkEdit, await read_object(request))
    asked = (path_id(request), edit, _public_url(api), api.renderer, api.clock.now())
    return answer(await _told(api, await api.db.write(links.change_link, *asked)))


@described(LinkTold, query=Retirement)
async def retire_link(api: Api, request: web.Request) -> web.Response:
    asked = (path_id(request), api.renderer, api.clock.now())
    force = read_query(Retirement, request).force
    return answer(await _told(api, await api.db.write(links.retire_link, *asked, force=force)))


@described(OpeningTold, body=Opening, keyed=True)
async def record_opening(api: Api, request: web.Request) -> web.Response:
    opening = parse(Opening, await read_object(request))

    def record(session: Session, now: datetime) -> Answered:
        visitor = links.record_opening(session, opening, now)
        return Answered(200, answer_text(OpeningTold.model_validate({"visitor": visitor.value})))

    done = await do_once(api, request, record)
    if REPLAYED not in done.headers:
        visitor = json.loads(done.text or "")["visitor"]
        api.context.metrics.link_clicks.labels(visitor).inc()
    return done


@described(Page[ClickTold], query=ListQuery)
async def list_clicks(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)
    link = await api.db.read(rows.get_link, path_id(request))
    found = await api.db.read(rows.list_clicks, link.id or 0, query.limit, query.before_id)
    return answer(page(found, query.limit))


@described(Page[ClickTold], query=ListQuery)
async def list_of_customer(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)
    found = await api.db.read(rows.list_of_customer, path_customer(request), query.limit, query.before_id)
    return answer(page(found, query.limit))


async def _told(api: Api, link: Link) -> dict[str, object]:
    (told,) = await api.db.read(links.tell_links, [link], _public_url(api))
    return told


def _public_url(api: Api) -> str:
    return api.settings.server.public_url
