"""`/markings`: tags put on and taken off for many follows at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from bot import markings
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Page
from bot.wecom.codes import CODES
from data.models import Marking, MarkingStatus
from data.queries import marking_items as item_rows
from data.queries import markings as rows
from data.rules.markings import Act, MarkingDraft, RulesDraft
from data.rules.problems import RuleModel, parse


class ListQuery(RuleModel):
    """Which markings to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class FailuresQuery(RuleModel):
    """Which failures to list, by the number of their follow."""

    limit: int = Field(default=100, ge=1, le=1000)
    after: int = Field(default=0, ge=0, le=2**62)


class Asked(MarkingDraft):
    """A marking to be made, or only to be counted."""

    dry_run: bool = False


class AskedOfRules(RulesDraft):
    """Rules to be applied, or only to be counted."""

    dry_run: bool = False


class MarkingTold(RuleModel):
    """A marking: `examined` follows were looked at, `already` are as wanted, `items` need a call, `waiting` still."""

    id: int
    asked_by: str
    audience: dict[str, Any]
    put_on: list[str]
    take_off: list[str]
    rule_ids: list[int]
    status: MarkingStatus
    planned_at: datetime | None
    examined: int
    already: int
    items: int
    done: int
    failed: int
    gains: dict[str, int]
    losses: dict[str, int]
    per_minute: float
    error: str
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    waiting: int
    seconds_left: int | None


class CauseTold(RuleModel):
    """Why some could not be marked: WeCom's number, what it means and what helps."""

    cause: int
    meaning: str
    remedy: str
    count: int


class MarkingInFull(MarkingTold):
    """A marking with the causes of what failed."""

    causes: list[CauseTold]


class RuleCounted(RuleModel):
    """Whom a rule matched, and for how many it decided something that is not so already."""

    id: int
    matched: int
    decided: int


class Counted(RuleModel):
    """What a dry run counted."""

    dry_run: Literal[True]
    examined: int
    already: int
    items: int
    gains: dict[str, int]
    losses: dict[str, int]
    rules: list[RuleCounted]


class FailureTold(RuleModel):
    """A follow that could not be marked; without names when the follow is gone."""

    follow_id: int
    userid: str | None
    external_userid: str | None
    cause: int
    meaning: str
    remedy: str


class FailuresPage(RuleModel):
    """Failures by the number of their follow; the next page is asked with `after`."""

    items: list[FailureTold]
    next_after: int | None


@described(MarkingTold, status=201, body=Asked, also=(200, Counted))
async def create_marking(api: Api, request: web.Request) -> web.Response:
    asked = parse(Asked, await read_object(request))
    if asked.dry_run:
        return answer(markings.tally_to_json(await markings.count_marking(api.context, asked)))
    made = await markings.ask_for_marking(api.context, asked, request[CALLER])
    return answer(_told(api, made), 201, Location=f"/api/v1/markings/{made.id}")


@described(MarkingTold, status=201, body=AskedOfRules, also=(200, Counted))
async def apply_rules(api: Api, request: web.Request) -> web.Response:
    asked = parse(AskedOfRules, await read_object(request))
    if asked.dry_run:
        return answer(markings.tally_to_json(await markings.count_rules(api.context, asked)))
    made = await markings.apply_rules(api.context, asked, request[CALLER])
    return answer(_told(api, made), 201, Location=f"/api/v1/markings/{made.id}")


@described(Page[MarkingTold], query=ListQuery)
async def list_markings(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)
    found = await api.db.read(rows.list_markings, query.limit, query.before_id)
    return answer(page([_told(api, each) for each in found], query.limit))


@described(MarkingInFull)
async def get_marking(api: Api, request: web.Request) -> web.Response:
    marking, causes = await api.db.read(markings.read_marking, path_id(request))
    return answer({**_told(api, marking), "causes": [_cause(cause) | {"count": n} for cause, n in causes.items()]})


@described(FailuresPage, query=FailuresQuery)
async def list_failures(api: Api, request: web.Request) -> web.Response:
    query = read_query(FailuresQuery, request)
    found = await api.db.read(item_rows.list_failures, path_id(request), query.limit, query.after)
    following = found[-1]["follow_id"] if len(found) == query.limit else None
    return answer({"items": [{**each, **_cause(each["cause"])} for each in found], "next_after": following})


@described(MarkingTold)
async def pause_marking(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.PAUSE)


@described(MarkingTold)
async def resume_marking(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.RESUME)


@described(MarkingTold)
async def retry_marking(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.RETRY)


@described(MarkingTold)
async def cancel_marking(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.CANCEL)


async def _act(api: Api, request: web.Request, act: Act) -> web.Response:
    return answer(_told(api, await api.db.write(rows.act_on, path_id(request), act, api.clock.now())))


def _told(api: Api, marking: Marking) -> dict[str, Any]:
    return markings.to_json(marking, api.clock.now(), api.settings.wecom.calls_per_hour)


def _cause(cause: int) -> dict[str, Any]:
    code = CODES.get(cause)
    return {"cause": cause, "meaning": code.meaning if code else "", "remedy": code.remedy if code else ""}
