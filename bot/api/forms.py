"""`/forms`: what customers are asked on a page of their own, and what they have answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from bot import forms
from bot.api.answers import answer, page, path_customer, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import MergePatch, Page
from data.models import FormRow
from data.queries import form_answers as answer_rows
from data.queries import forms as rows
from data.rules.fields import Birthday
from data.rules.forms import Form
from data.rules.problems import RuleModel


class FormsQuery(RuleModel):
    """Which to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class FormTold(RuleModel):
    """A form. `address` is what customers open, empty without `server.public_url`; texts write `{{ link_NAME }}`, for
    it is a tracked link, `link_id`. `customers` have sent it, `answers` times together with corrections. `closed_at`:
    since when nobody can."""

    id: int
    name: str
    version: int
    link_id: int
    address: str
    made_by: str
    made_at: datetime
    closed_at: datetime | None
    customers: int
    answers: int
    definition: Form


class AnsweredTold(RuleModel):
    """One answer as it was asked then; `text`: what a box meant that was ticked or not."""

    key: str
    title: str
    text: str | None = None
    value: Birthday | bool | str | list[str]


class FollowedTold(RuleModel):
    """What followed: the tags that were put on and taken off, by staff member, and who was told of it."""

    put_on: dict[str, list[str]]
    taken_off: dict[str, list[str]] = Field(default_factory=dict)
    told: list[str]
    error: str


class AnswerTold(RuleModel):
    """A customer has sent a form; of several the newest counts. `userid`: who sent it to them, where that is known.
    `put_on`, `take_off`: the tags that follow. `due_at`: what follows is still to be done."""

    id: int
    form_id: int
    form: str
    version: int
    external_userid: str
    userid: str
    answers: list[AnsweredTold]
    answered_at: datetime
    put_on: list[str]
    take_off: list[str]
    due_at: datetime | None
    outcome: FollowedTold | None


@described(Page[FormTold], query=FormsQuery)
async def list_forms(api: Api, request: web.Request) -> web.Response:
    query = read_query(FormsQuery, request)
    found = await api.db.read(rows.list_forms, query.limit, query.before_id)
    return answer(page(await api.db.read(forms.tell_forms, found, api.settings.server.public_url), query.limit))


@described(FormTold, status=201, body=Form)
async def create_form(api: Api, request: web.Request) -> web.Response:
    made = await api.db.write(forms.make_form, await read_object(request), request[CALLER], api.clock.now())
    return answer(await _told(api, made), 201, Location=f"/api/v1/forms/{made.id}")


@described(FormTold)
async def get_form(api: Api, request: web.Request) -> web.Response:
    return answer(await _told(api, await api.db.read(rows.get_form, path_id(request))))


@described(FormTold, body=MergePatch)
async def change_form(api: Api, request: web.Request) -> web.Response:
    return answer(await _told(api, await api.db.write(forms.change_form, path_id(request), await read_object(request))))


@described(FormTold)
async def close_form(api: Api, request: web.Request) -> web.Response:
    return answer(await _told(api, await api.db.write(rows.close_form, path_id(request), api.clock.now())))


@described(FormTold)
async def open_form(api: Api, request: web.Request) -> web.Response:
    return answer(await _told(api, await api.db.write(rows.close_form, path_id(request), None)))


@described(Page[AnswerTold], query=FormsQuery)
async def list_answers(api: Api, request: web.Request) -> web.Response:
    query = read_query(FormsQuery, request)
    row = await api.db.read(rows.get_form, path_id(request))
    found = await api.db.read(answer_rows.list_answers, row.id or 0, query.limit, query.before_id)
    return answer(page(found, query.limit))


@described(Page[AnswerTold], query=FormsQuery)
async def list_of_customer(api: Api, request: web.Request) -> web.Response:
    query = read_query(FormsQuery, request)
    found = await api.db.read(answer_rows.list_of_customer, path_customer(request), query.limit, query.before_id)
    return answer(page(found, query.limit))


async def _told(api: Api, row: FormRow) -> dict[str, Any]:
    (told,) = await api.db.read(forms.tell_forms, [row], api.settings.server.public_url)
    return told
