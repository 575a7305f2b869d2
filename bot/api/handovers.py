"""`/handovers` and `/leavers`: customers and groups given to colleagues, and what waits of members who left."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import handovers
from bot.api.answers import ApiError, answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, Page
from bot.leavers import read_unassigned
from bot.wecom.codes import CODES
from data.models import Handover, HandoverStatus, TransferStatus
from data.queries import handovers as rows
from data.queries import leavers as leaver_rows
from data.rules.handovers import Act, HandoverDraft, Takeover
from data.rules.problems import RuleModel, parse
from data.rules.schedule import local_datetime


class ListQuery(RuleModel):
    """Which hand-overs to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class CustomersQuery(RuleModel):
    """Which customers of a hand-over to list: all, or those of one `status`."""

    status: TransferStatus | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class Asked(HandoverDraft):
    """A hand-over to be made, or only to be looked at."""

    dry_run: bool = False


class HandoverTold(RuleModel):
    """A hand-over. `customers` and `groups`: how many of them have which status; `left_out`: how many customers cannot
    be handed over now, by why."""

    id: int
    userid: str
    resigned: bool
    takeovers: list[Takeover]
    audience: dict[str, Any]
    message: str
    asked_by: str
    status: HandoverStatus
    planned: int
    left_out: dict[str, int]
    customers: dict[str, int]
    groups: dict[str, int]
    error: str
    asked_at: datetime
    planned_at: datetime | None
    ended_at: datetime | None


class CauseTold(RuleModel):
    """Why some could not be handed over: WeCom's number, what it means and what helps."""

    cause: int
    meaning: str
    remedy: str
    count: int


class HandoverInFull(HandoverTold):
    """A hand-over with who took over how many, and the causes of what failed."""

    shares: dict[str, dict[str, int]]
    causes: list[CauseTold]


class LookedAt(RuleModel):
    """What a dry run found: who would get how many customers, who would be left out and why, and how many groups."""

    dry_run: Literal[True]
    shares: dict[str, int]
    left_out: dict[str, int]
    groups: int


class CustomerTold(RuleModel):
    """A customer of a hand-over."""

    id: int
    external_userid: str
    name: str
    takeover_userid: str
    status: TransferStatus
    cause: int | None
    started_at: datetime
    takeover_at: datetime | None
    ended_at: datetime | None


class GroupTold(RuleModel):
    """A customer group of a hand-over."""

    chat_id: str
    name: str | None
    takeover_userid: str
    status: TransferStatus
    cause: int | None


class LeaverTold(RuleModel):
    """A member who left: how many customers and groups nobody takes over yet, and how many channels still name them or
    fall back on them."""

    userid: str
    name: str
    left_at: datetime | None
    customers: int
    groups: int
    channels: int


class ChecklistTold(RuleModel):
    """What is about of a member: customers whom nobody takes over yet and whom somebody is to (`under_way`), groups,
    channel codes, customer-acquisition links, customer-service accounts (`seats`), open tasks, journeys' enrolments,
    sendings not over, leaves in which the member is to stand in."""

    customers: int
    under_way: int
    groups: int
    channels: int
    links: int
    seats: int
    tasks: int
    enrolments: int
    sendings: int
    substitutes: int


@described(HandoverTold, status=201, body=Asked, also=(200, LookedAt))
async def create(api: Api, request: web.Request) -> web.Response:
    asked = parse(Asked, await read_object(request))
    if asked.dry_run:
        found = await handovers.look_at(api.context, asked)
        told = {"dry_run": True, "shares": found.shares, "left_out": dict(found.left_out), "groups": found.groups}
        return answer(told)
    made = await handovers.ask_for_handover(api.context, asked, request[CALLER])
    return answer(await api.db.read(handovers.to_json, made), 201, Location=f"/api/v1/handovers/{made.id}")


@described(Page[HandoverTold], query=ListQuery)
async def list_all(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)

    def read(session: Session) -> list[dict[str, Any]]:
        found = rows.list_handovers(session, query.limit, query.before_id)
        return [handovers.to_json(session, each) for each in found]

    return answer(page(await api.db.read(read), query.limit))


@described(HandoverInFull)
async def get_one(api: Api, request: web.Request) -> web.Response:
    def read(session: Session) -> dict[str, Any]:
        row = rows.get_handover(session, path_id(request))
        shares = {userid: dict(counts) for userid, counts in rows.count_shares(session, path_id(request)).items()}
        causes = [_cause(cause, count) for cause, count in rows.count_causes(session, path_id(request)).items()]
        return {**handovers.to_json(session, row), "shares": shares, "causes": causes}

    return answer(await api.db.read(read))


@described(Page[CustomerTold], query=CustomersQuery)
async def list_customers(api: Api, request: web.Request) -> web.Response:
    query = read_query(CustomersQuery, request)

    def read(session: Session) -> list[dict[str, Any]]:
        rows.get_handover(session, path_id(request))
        found = rows.list_customers(session, path_id(request), query.status, query.limit, query.before_id)
        return [each._asdict() for each in found]

    return answer(page(await api.db.read(read), query.limit))


@described(Items[GroupTold])
async def list_groups(api: Api, request: web.Request) -> web.Response:
    def read(session: Session) -> list[dict[str, Any]]:
        rows.get_handover(session, path_id(request))
        return rows.list_groups(session, path_id(request))

    return answer({"items": await api.db.read(read)})


@described(HandoverTold)
async def pause(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.PAUSE)


@described(HandoverTold)
async def resume(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.RESUME)


@described(HandoverTold)
async def cancel(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.CANCEL)


@described(Items[LeaverTold])
async def list_leavers(api: Api, request: web.Request) -> web.Response:
    found = await api.db.read(leaver_rows.list_leavers)
    return answer({"items": [each._asdict() for each in found]})


@described(ChecklistTold)
async def get_checklist(api: Api, request: web.Request) -> web.Response:
    userid = request.match_info["userid"]
    if len(userid) > 64 or "\0" in userid:
        raise ApiError(404, "not_found", "There is no such member.")
    today = local_datetime(api.clock.now(), api.settings.zone).date()
    found = await api.db.read(leaver_rows.read_checklist, userid, today)
    return answer(found._asdict())


@described(Items[LeaverTold])
async def read_leavers(api: Api, request: web.Request) -> web.Response:
    await read_unassigned(api.context)
    return await list_leavers(api, request)


async def _act(api: Api, request: web.Request, act: Act) -> web.Response:
    row: Handover = await api.db.write(rows.act_on, path_id(request), act, api.clock.now())
    return answer(await api.db.read(handovers.to_json, row))


def _cause(cause: int, count: int) -> dict[str, Any]:
    code = CODES.get(cause)
    told = {"meaning": code.meaning if code else "", "remedy": code.remedy if code else ""}
    return {"cause": cause, "count": count, **told}
