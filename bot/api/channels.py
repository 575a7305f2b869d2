"""`/channels`: contact ways and links as WeCom shows them, and those that are made here."""

from __future__ import annotations

import base64
import secrets
from datetime import date, datetime, timedelta
from typing import Any, Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import channel_files, channels
from bot.api.answers import HEADERS, REPLAYED, ApiError, answer, page, path_id, read_body, read_object, read_query
from bot.api.described import described
from bot.api.repeats import do_once
from bot.api.service import CALLER, Api
from bot.api.shapes import ChannelTold, Items, MergePatch, Page
from bot.channel_calls import bring, image_of
from bot.channel_posters import content_type_of, poster_svg, read_poster
from bot.channel_zips import zipped
from bot.channels import Editing
from data.models import ChannelImport, ChannelStatus
from data.queries import channel_days as day_rows
from data.queries import channel_imports as import_rows
from data.queries import channel_plans as plan_rows
from data.queries import channels as rows
from data.queries.channel_plans import PlanFilter
from data.queries.repeated_requests import Answered
from data.rules.channels import Because, ChannelDraft, Out, made_up_state
from data.rules.conditions import RuleName
from data.rules.problems import RuleModel, parse
from data.rules.schedule import local_datetime

DAYS_MAX = 400


class OwnChannelTold(ChannelDraft):
    """A channel that was made here. `on_code`: whom its code leads to now, `because` why, `out` why not others.

    Of a link `config_id` is its link_id, `address` what is given to customers.

    `is_behind`: WeCom is yet to be told of a change; `needs_person`: nothing happens to it until somebody decides.
    """

    id: int
    welcome_rule_id: int | None
    tag_rule_id: int | None
    version: int
    status: ChannelStatus
    config_id: str | None
    qr_code: str
    address: str
    on_code: list[str]
    because: Because | None
    out: dict[str, Out]
    written_at: datetime | None
    next_at: datetime | None
    cause: int | None
    error: str
    needs_person: bool
    is_behind: bool
    paused_at: datetime | None
    archived_at: datetime | None
    import_id: int | None
    made_by: str
    made_at: datetime
    changed_at: datetime


class OwnQuery(RuleModel):
    """Which to list: archived ones, those whose name holds a text, those of a kind; those that need somebody
    (`trouble`); those that name a `member` or fall back on them, archived ones among them."""

    limit: int = Field(default=100, ge=1, le=1000)
    before_id: int | None = Field(default=None, ge=1, lt=2**63)
    archived: bool = False
    text: str = Field(default="", max_length=64)
    kind: Literal["", "code", "link"] = ""
    trouble: bool = False
    member: str = Field(default="", max_length=64)


class CopyBody(RuleModel):
    """How the copy is called."""

    name: RuleName


class ZipQuery(RuleModel):
    """Of which channels: those of a file, those whose name holds a text, those of a kind."""

    import_id: int | None = Field(default=None, ge=1, lt=2**63)
    text: str = Field(default="", max_length=64)
    kind: Literal["", "code", "link"] = ""


class CodeTold(RuleModel):
    """WeCom's picture of a code, in base64, and a poster around it."""

    content_type: str
    content: str
    poster_svg: str


class PeriodQuery(RuleModel):
    """Days of the company's calendar, both included; the last 30 if nothing is said."""

    since: date | None = None
    until: date | None = None


class NumbersTold(RuleModel):
    """What came of those who were added: `people` are new to the company, all else is told of relations."""

    added: int
    people: int
    welcomed: int
    kept_1: int
    kept_7: int
    kept_30: int
    orders: int
    amount_fen: int


class DayTold(NumbersTold):
    """A day of a channel."""

    day: date


class ChannelNumbersTold(NumbersTold):
    """A channel over some days."""

    state: str
    name: str


class FileQuery(RuleModel):
    """How the file is called, and the picture of the media library behind its posters."""

    filename: str = Field(min_length=1, max_length=128)
    background: str = Field(default="", max_length=64)


class FaultTold(RuleModel):
    """A row that is not made."""

    row: int
    path: str
    message: str


class ImportTold(RuleModel):
    """A file of channels: how many `rows` can be made, how many were looked at, and how these stand at WeCom."""

    id: int
    filename: str
    status: str
    rows: int
    looked_at: int
    present: int
    faults: list[FaultTold]
    channels: dict[ChannelStatus, int]
    made_by: str
    made_at: datetime


@described(Items[ChannelTold])
async def list_channels(api: Api, _request: web.Request) -> web.Response:
    found = await api.db.read(rows.list_channels)
    return answer({"items": [row.model_dump(exclude={"deleted_at"}) for row in found]})


@described(Page[OwnChannelTold], query=OwnQuery)
async def list_own(api: Api, request: web.Request) -> web.Response:
    query = read_query(OwnQuery, request)
    wanted = PlanFilter(
        archived=query.archived, text=query.text, kind=query.kind, trouble=query.trouble, member=query.member
    )
    found = await api.db.read(channels.list_told, wanted, query.limit, query.before_id)
    return answer(page(found, query.limit))


@described(OwnChannelTold)
async def get_one(api: Api, request: web.Request) -> web.Response:
    return await _told(api, path_id(request))


@described(OwnChannelTold, status=201, body=ChannelDraft, keyed=True)
async def make(api: Api, request: web.Request) -> web.Response:
    draft, state = parse(ChannelDraft, await read_object(request)), made_up_state(secrets.token_bytes(10))

    def keep(session: Session, now: datetime) -> Answered:
        made = channels.make(session, draft, request[CALLER], _editing(api, now), state=state)
        return Answered(201, str(made))

    return await _kept(api, await do_once(api, request, keep))


@described(OwnChannelTold, status=201, body=CopyBody, keyed=True)
async def copy(api: Api, request: web.Request) -> web.Response:
    name, state = parse(CopyBody, await read_object(request)).name, made_up_state(secrets.token_bytes(10))

    def keep(session: Session, now: datetime) -> Answered:
        draft = channels.copy_of(session, plan_rows.get_plan(session, path_id(request)), name)
        made = channels.make(session, draft, request[CALLER], _editing(api, now), state=state)
        return Answered(201, str(made))

    return await _kept(api, await do_once(api, request, keep))


@described(OwnChannelTold, body=MergePatch)
async def change(api: Api, request: web.Request) -> web.Response:
    id_, changes = path_id(request), dict(await read_object(request))
    version = changes.pop("version", None)
    if version is not None and not (isinstance(version, int) and not isinstance(version, bool)):
        raise ApiError(400, "bad_request", "version is a whole number.")

    def keep(session: Session) -> None:
        channels.change(session, id_, changes, _editing(api, api.clock.now()), version)

    await api.db.write(keep)
    return await _brought(api, id_)


async def _switch(api: Api, request: web.Request, act: str) -> web.Response:
    id_ = path_id(request)

    def keep(session: Session) -> None:
        channels.switch(session, id_, act, _editing(api, api.clock.now()))

    await api.db.write(keep)
    return await _brought(api, id_)


@described(OwnChannelTold)
async def pause(api: Api, request: web.Request) -> web.Response:
    return await _switch(api, request, "pause")


@described(OwnChannelTold)
async def resume(api: Api, request: web.Request) -> web.Response:
    return await _switch(api, request, "resume")


@described(OwnChannelTold)
async def archive(api: Api, request: web.Request) -> web.Response:
    return await _switch(api, request, "archive")


@described(OwnChannelTold)
async def restore(api: Api, request: web.Request) -> web.Response:
    return await _switch(api, request, "restore")


@described(OwnChannelTold)
async def delete(api: Api, request: web.Request) -> web.Response:
    return await _switch(api, request, "delete")


@described(OwnChannelTold)
async def again(api: Api, request: web.Request) -> web.Response:
    return await _switch(api, request, "again")


@described(CodeTold)
async def get_code(api: Api, request: web.Request) -> web.Response:
    id_ = path_id(request)
    row = await api.db.read(plan_rows.get_plan, id_)
    code = await image_of(api.context, id_)
    found, background = await api.db.read(read_poster, row)
    return answer(
        CodeTold(
            content_type=content_type_of(code), content=base64.b64encode(code).decode(),
            poster_svg=poster_svg(found.title, code, background),
        )
    )  # fmt: skip


@described(bytes, query=ZipQuery, file="application/zip")
async def get_zip(api: Api, request: web.Request) -> web.StreamResponse:
    query = read_query(ZipQuery, request)
    if query.import_id is not None:
        await api.db.read(import_rows.get_import, query.import_id)
    wanted = PlanFilter(import_id=query.import_id, text=query.text, kind=query.kind)
    async with zipped(api.context, wanted) as (size, pieces):
        response = web.StreamResponse(headers={
            **HEADERS, "Content-Length": str(size), "Content-Type": "application/zip",
            "Content-Disposition": 'attachment; filename="siyu-channels.zip"',
        })  # fmt: skip
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    return response


# -- numbers


@described(Items[DayTold], query=PeriodQuery)
async def list_days(api: Api, request: web.Request) -> web.Response:
    since, until = read_period(api, read_query(PeriodQuery, request))

    def read(session: Session) -> list[dict[str, Any]]:
        state = plan_rows.get_plan(session, path_id(request)).state
        found = day_rows.list_days(session, since, until, [state])
        return [{"day": f"{each.key}", **_numbers(each)} for each in found]

    return answer({"items": await api.db.read(read)})


@described(Items[ChannelNumbersTold], query=PeriodQuery)
async def list_numbers(api: Api, request: web.Request) -> web.Response:
    since, until = read_period(api, read_query(PeriodQuery, request))

    def read(session: Session) -> list[dict[str, Any]]:
        names = day_rows.map_names(session)
        found = day_rows.list_channels(session, since, until)
        return [{"state": each.key, "name": names.get(each.key, ""), **_numbers(each)} for each in found]

    return answer({"items": await api.db.read(read)})


def _numbers(each: day_rows.DayOfChannels) -> dict[str, int]:
    return {name: getattr(each, name) for name in day_rows.NAMES}


def read_period(api: Api, query: PeriodQuery) -> tuple[date, date]:
    """The days that are asked for, the last 30 where nothing is said. Raises ApiError."""
    until = query.until or local_datetime(api.clock.now(), api.settings.zone).date()
    since = query.since or until - timedelta(days=29)
    if not 0 <= (until - since).days < DAYS_MAX:
        raise ApiError(400, "bad_request", f"A period has 1 to {DAYS_MAX} days.", "Change since or until.")
    return since, until


# -- files


@described(ImportTold, status=201, query=FileQuery, content="application/octet-stream")
async def read_file(api: Api, request: web.Request) -> web.Response:
    query = read_query(FileQuery, request)
    content, now = await read_body(request, channel_files.FILE_BYTES_MAX), api.clock.now()
    found = await api.db.read(channel_files.read_file, content, _editing(api, now), query.background)
    id_ = await api.db.write(
        import_rows.add_import, query.filename, found.rows, found.faults, request[CALLER], None, now
    )
    return answer(await api.db.read(_tell_import, id_), 201, Location=f"/api/v1/channels/imports/{id_}")


@described(ImportTold)
async def get_import(api: Api, request: web.Request) -> web.Response:
    return answer(await api.db.read(_tell_import, path_id(request)))


@described(ImportTold)
async def start_import(api: Api, request: web.Request) -> web.Response:
    await api.db.write(import_rows.start_import, path_id(request))
    return answer(await api.db.read(_tell_import, path_id(request)))


def _tell_import(session: Session, id_: int) -> dict[str, Any]:
    row: ChannelImport = import_rows.get_import(session, id_)
    told = ImportTold(
        id=id_, filename=row.filename, status=row.status, rows=len(row.rows), looked_at=row.made,
        present=import_rows.count_present(session, row), faults=[FaultTold(**each) for each in row.faults],
        channels={ChannelStatus(each): count for each, count in import_rows.count_statuses(session, id_).items()},
        made_by=row.made_by, made_at=row.made_at,
    )  # fmt: skip
    return told.model_dump(mode="json")


# -- parts


def _editing(api: Api, now: datetime) -> Editing:
    return channel_files.editing_for(api.context, now)


async def _kept(api: Api, kept: web.Response) -> web.Response:
    id_ = int(kept.text or "")
    replayed = {name: value for name, value in kept.headers.items() if name == REPLAYED}
    return await _brought(api, id_, 201, Location=f"/api/v1/channels/{id_}", **replayed)


async def _brought(api: Api, id_: int, status: int = 200, **headers: str) -> web.Response:
    await bring(api.context, id_)
    return await _told(api, id_, status, **headers)


async def _told(api: Api, id_: int, status: int = 200, **headers: str) -> web.Response:
    def read(session: Session) -> dict[str, Any]:
        return channels.to_json(session, plan_rows.get_plan(session, id_))

    return answer(await api.db.read(read), status, **headers)
