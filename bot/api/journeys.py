"""`/journeys`: what keeps in touch with customers: made, changed as versions, started, moved, ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from bot import journey_edits, journey_moves
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, MergePatch, Page
from bot.journey_edits import JourneyDraft
from bot.journey_enrolling import start_journey as begin_journey
from data.models import JourneyStatus
from data.queries import journeys as rows
from data.rules.journey_acts import Act
from data.rules.journeys import STEPS_MAX, Journey, StepKey
from data.rules.problems import RuleModel, parse


class JourneysQuery(RuleModel):
    """Which journeys to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class JourneyTold(RuleModel):
    """A journey. `version` is the newest, which customers begin. `scanned_until`: until when it is known for whom a day
    has begun it. `error`: why it was paused, where no person did it. `was_closed`: it was closed
    then, and resuming it lets only those go on who are on it."""

    id: int
    name: str
    owner: str
    status: JourneyStatus
    version: int
    made_by: str
    made_at: datetime
    started_at: datetime | None
    scanned_until: datetime | None
    error: str
    was_closed: bool


class JourneyInFull(JourneyTold):
    """A journey with what its newest version says, and how many customers are on it (`running`)."""

    running: int
    definition: Journey


class VersionTold(RuleModel):
    """What a journey said from then on."""

    journey_id: int
    version: int
    made_by: str
    made_at: datetime
    definition: Journey


class NextVersion(JourneyDraft):
    """A journey said anew, with the `version` that was read."""

    version: int = Field(ge=1, le=2**31 - 1)


class Move(RuleModel):
    """Where those go on who wait for a step that the newest version does not have: its key, by the key of that one.
    With `dry_run` they are only counted."""

    dry_run: bool = False
    steps: Annotated[dict[StepKey, StepKey], Field(max_length=STEPS_MAX * 4)] = Field(default_factory=dict)


class WayTold(RuleModel):
    """Customers who wait for a step of an older version (empty: all are behind them), and the step `to` which they go
    on; null: the newest has none of that key, and it has to be told."""

    version: int
    step: str
    customers: int
    to: str | None


class MoveTold(RuleModel):
    """How many customers went on to the newest version, or would."""

    journey_id: int
    version: int
    dry_run: bool
    customers: int
    steps: list[WayTold]


@described(JourneyInFull, status=201, body=JourneyDraft)
async def create_journey(api: Api, request: web.Request) -> web.Response:
    made = await journey_edits.make_journey(api.context, await read_object(request), request[CALLER])
    return await _told(api, made.id or 0, 201, Location=f"/api/v1/journeys/{made.id}")


@described(Page[JourneyTold], query=JourneysQuery)
async def list_journeys(api: Api, request: web.Request) -> web.Response:
    query = read_query(JourneysQuery, request)
    found = await api.db.read(rows.list_journeys, query.limit, query.before_id)
    return answer(page([journey_edits.to_json(row) for row in found], query.limit))


@described(JourneyInFull)
async def get_journey(api: Api, request: web.Request) -> web.Response:
    return await _told(api, path_id(request))


@described(JourneyInFull, body=NextVersion)
async def replace_journey(api: Api, request: web.Request) -> web.Response:
    said = await read_object(request)
    await journey_edits.replace_journey(api.context, path_id(request), said, request[CALLER])
    return await _told(api, path_id(request))


@described(JourneyInFull, body=MergePatch)
async def change_journey(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    await journey_edits.change_journey(api.context, path_id(request), changes, request[CALLER])
    return await _told(api, path_id(request))


@described(Items[VersionTold])
async def list_versions(api: Api, request: web.Request) -> web.Response:
    await api.db.read(rows.get_journey, path_id(request))
    found = await api.db.read(rows.list_versions, path_id(request))
    return answer({"items": [row.model_dump() for row in found]})


class StartJourney(RuleModel):
    """With `existing` it begins for all of its audience too, in the background."""

    existing: bool = False


@described(JourneyInFull, body=StartJourney)
async def start_journey(api: Api, request: web.Request) -> web.Response:
    existing = parse(StartJourney, await read_object(request)).existing
    return answer(await begin_journey(api.context, path_id(request), request[CALLER], existing=existing))


@described(JourneyInFull)
async def pause_journey(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.PAUSE)


@described(JourneyInFull)
async def resume_journey(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.RESUME)


@described(JourneyInFull)
async def close_journey(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.CLOSE)


@described(JourneyInFull)
async def stop_journey(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.STOP)


async def _act(api: Api, request: web.Request, act: Act) -> web.Response:
    return answer(await journey_edits.act_on(api.context, path_id(request), act, request[CALLER]))


@described(MoveTold, body=Move)
async def move_journey(api: Api, request: web.Request) -> web.Response:
    move = parse(Move, await read_object(request))
    done = await journey_moves.move_journey(api.context, path_id(request), move.steps, dry_run=move.dry_run)
    return answer(done)


async def _told(api: Api, journey_id: int, status: int = 200, **headers: Any) -> web.Response:
    return answer(await api.db.read(journey_edits.read_journey, journey_id), status, **headers)
