"""`/imports`: tables of customers from other tools. A file is the body itself; how it is to be done is in the query."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import imports
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Page
from bot.api.uploads import received
from data.models import Import, ImportStatus, RowState
from data.queries import imports as rows
from data.rules.imports import Options
from data.rules.problems import RuleModel, parse
from data.rules.texts import Line

#: The targets of two hundred columns.
BODY_MAX_BYTES = 200_000


class Upload(Options):
    """How it is called, and how it is to be done."""

    name: Annotated[Line, Field(min_length=1, max_length=128)] = "import"


class ListQuery(RuleModel):
    """Which imports to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class RowsQuery(RuleModel):
    """Which rows to list, behind which line."""

    state: RowState | None = None
    after: int = Field(default=0, ge=0, le=2**31 - 1)
    limit: int = Field(default=100, ge=1, le=500)


class Description(RuleModel):
    """What each column is (empty: not imported), in their order, and how it is to be done; what is left out stays."""

    targets: tuple[Annotated[str, Field(max_length=80)], ...] | None = Field(default=None, max_length=200)
    options: Options | None = None


class Decision(RuleModel):
    """Whom the row on a line is about; null: it is left out."""

    line: int = Field(ge=1, le=2**31 - 1)
    external_userid: Annotated[Line, Field(min_length=1, max_length=64)] | None


class ConvertedTold(RuleModel):
    """Ids of another provider's app that WeCom was asked to convert, and those for which it has one of ours."""

    asked: int
    found: int


class ImportTold(RuleModel):
    """An import. `headings` are those of the file's columns, `targets` what each is taken for; `states` counts the rows
    by what became of them, `tally` what would change. Tags are put on by the marking with `marking_id`."""

    id: int
    name: str
    asked_by: str
    status: ImportStatus
    read_as: str
    headings: list[str]
    targets: list[str]
    options: Options
    rows: int
    tally: dict[str, Any]
    states: dict[RowState, int]
    converted: ConvertedTold
    marking_id: int | None
    error: str
    made_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    rows_gone_at: datetime | None


class RowFault(RuleModel):
    """What is wrong with a row; `column` is empty where it is the row as a whole."""

    column: str
    message: str


class MemberTold(RuleModel):
    """A member who has or had a customer, and what they call them."""

    userid: str
    name: str
    remark: str


class PersonTold(RuleModel):
    """A customer whom a row may be about."""

    external_userid: str
    name: str
    members: list[MemberTold]


class RowTold(RuleModel):
    """A row of the file as it was read, and the customer whom it is about, where that is known; where it is in doubt
    the `people` who come into question."""

    line: int
    state: RowState
    cells: list[str]
    external_userid: str | None
    faults: list[RowFault]
    people: list[PersonTold]


class RowsPage(RuleModel):
    """Rows by line. The next page is asked with `after`; null: there is none."""

    items: list[RowTold]
    next_after: int | None


@described(Page[ImportTold], query=ListQuery)
async def list_imports(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)

    def read(session: Session) -> list[dict[str, Any]]:
        return [imports.tell(session, each) for each in rows.list_imports(session, query.limit, query.before_id)]

    return answer(page(await api.db.read(read), query.limit))


@described(ImportTold)
async def get_import(api: Api, request: web.Request) -> web.Response:
    return await _answer(api, path_id(request))


@described(ImportTold, status=201, query=Upload, content="application/octet-stream")
async def create_import(api: Api, request: web.Request) -> web.Response:
    upload = read_query(Upload, request)
    options = Options(**upload.model_dump(exclude={"name"}))
    async with received(request) as file:
        with file.open("rb") as opened:
            made = await imports.take_file(api.db, opened, upload.name, request[CALLER], options, api.clock.now)
    return await _answer(api, made.id or 0, 201, Location=f"/api/v1/imports/{made.id}")


@described(ImportTold, body=Description)
async def describe_import(api: Api, request: web.Request) -> web.Response:
    wanted, import_id = parse(Description, await read_object(request, BODY_MAX_BYTES)), path_id(request)

    def write(session: Session) -> Import:
        options = wanted.options or Options.model_validate(rows.get_import(session, import_id).options)
        return imports.describe(session, import_id, wanted.targets, options)

    await api.db.write(write)
    return await _answer(api, import_id)


@described(RowsPage, query=RowsQuery)
async def list_rows(api: Api, request: web.Request) -> web.Response:
    query, import_id = read_query(RowsQuery, request), path_id(request)

    def read(session: Session) -> list[dict[str, Any]]:
        found = rows.get_import(session, import_id)
        return imports.tell_rows(session, found, query.state, query.after, query.limit, api.settings.zone)

    items = await api.db.read(read)
    return answer({"items": items, "next_after": items[-1]["line"] if len(items) == query.limit else None})


@described(ImportTold, body=Decision)
async def decide_row(api: Api, request: web.Request) -> web.Response:
    wanted, import_id = parse(Decision, await read_object(request)), path_id(request)
    await api.db.write(imports.decide, import_id, wanted.line, wanted.external_userid, None)
    return await _answer(api, import_id)


@described(ImportTold)
async def start_import(api: Api, request: web.Request) -> web.Response:
    await api.db.write(imports.start, path_id(request), api.clock.now())
    return await _answer(api, path_id(request))


@described(ImportTold)
async def cancel_import(api: Api, request: web.Request) -> web.Response:
    await api.db.write(imports.cancel, path_id(request), api.clock.now())
    return await _answer(api, path_id(request))


async def _answer(api: Api, import_id: int, status: int = 200, **headers: str) -> web.Response:
    told = await api.db.read(lambda session: imports.tell(session, rows.get_import(session, import_id)))
    return answer(told, status, **headers)
