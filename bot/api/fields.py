"""`/fields`: the fields that the company has defined; `/customers/…/fields`: their values, birthdays among them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from bot.api.answers import answer, path_customer, read_object
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Items, Nothing
from data.models import FieldDefinition as Row
from data.queries import fields as rows
from data.rules.fields import Birthday, FieldDefinition, FieldKind
from data.rules.problems import RuleModel, parse

#: Every field of a customer at its longest.
VALUES_MAX_BYTES = 1_000_000


class FieldTold(RuleModel):
    """A field and when it was defined."""

    name: str
    title: str
    kind: FieldKind
    created_at: datetime


class FieldValues(BaseModel):
    """Values by the names of the fields; null removes one. A birthday may be given as a solar date, `1990-08-15`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | float | bool | None] = Field(init=False)

    birthday: Birthday | str | None = None


class ValuesTold(BaseModel):
    """Values by the names of the fields, without those that have none: what PUT takes."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | float | bool] = Field(init=False)

    birthday: Birthday | None = None


@described(Items[FieldTold])
async def list_fields(api: Api, _request: web.Request) -> web.Response:
    found = await api.db.read(rows.list_definitions)
    return answer(Items[FieldTold](items=[_told(row) for row in found]))


@described(FieldTold, status=201, body=FieldDefinition)
async def define_field(api: Api, request: web.Request) -> web.Response:
    given = parse(FieldDefinition, await read_object(request))
    row = await api.db.write(rows.add_definition, given, api.clock.now())
    return answer(_told(row), 201)


@described(Nothing)
async def delete_field(api: Api, request: web.Request) -> web.Response:
    name = request.match_info["name"]
    # Some at a time: a field of a million customers must not keep callbacks from being stored.
    while await api.db.write(rows.delete_values, name):
        pass
    await api.db.write(rows.delete_definition, name)
    return answer(Nothing())


@described(ValuesTold)
async def get_values(api: Api, request: web.Request) -> web.Response:
    return answer(await api.db.read(rows.get_values, path_customer(request)))


@described(ValuesTold, body=FieldValues)
async def replace_values(api: Api, request: web.Request) -> web.Response:
    return await _save(api, request, replace=True)


@described(ValuesTold, body=FieldValues)
async def change_values(api: Api, request: web.Request) -> web.Response:
    return await _save(api, request, replace=False)


async def _save(api: Api, request: web.Request, *, replace: bool) -> web.Response:
    given: dict[str, Any] = await read_object(request, VALUES_MAX_BYTES)
    whom = path_customer(request)
    return answer(await api.db.write(rows.save_values, whom, given, api.clock.now(), replace=replace))


def _told(row: Row) -> FieldTold:
    return FieldTold.model_validate(row.model_dump())
