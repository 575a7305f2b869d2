"""`/journeys/{id}/enrolments`: the customers who are or were on a journey."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import journey_enrolling
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Page
from bot.journey_enrolling import Listed
from data.errors import NotFoundError
from data.models import EndReason, Enrolment, JourneyScan
from data.models.journey_scans import ScanKind
from data.queries import enrolment_lists as rows
from data.queries import journey_scans as scan_rows
from data.queries import journeys as journey_rows
from data.queries.enrolment_lists import EnrolmentFilter
from data.rules.journey_moves import key_of
from data.rules.journeys import Journey, StepKey
from data.rules.problems import RuleModel, parse

#: Five thousand ids at their longest.
LISTED_BYTES_MAX = 1024 * 1024


class EnrolmentsQuery(RuleModel):
    """A page, newest first. `status`: who is on it (`running`), who is not any more (`ended`), or for whom it ended for
    that reason. `step`: who waits for the step of this key."""

    status: Literal["running", "ended"] | EndReason | None = None
    step: StepKey | None = None
    external_userid: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class EnrolmentTold(RuleModel):
    """A customer on a journey. `step`: the key of the one that is due at `due_at`, empty behind the last one, where
    only the goal is waited for. `wanted_at`: when it was due first, where it was held back. `held_out`: nothing is
    done, to compare the others with. `cause`: what began it."""

    id: int
    journey_id: int
    version: int
    external_userid: str
    userid: str
    cause: str
    started_at: datetime
    step: str
    due_at: datetime
    wanted_at: datetime | None
    held_out: bool
    ended_at: datetime | None
    end_reason: EndReason | Literal[""]


@described(Page[EnrolmentTold], query=EnrolmentsQuery)
async def list_enrolments(api: Api, request: web.Request) -> web.Response:
    query = read_query(EnrolmentsQuery, request)
    return answer(await api.db.read(_read_page, path_id(request), query))


@described(EnrolmentTold)
async def withdraw_enrolment(api: Api, request: web.Request) -> web.Response:
    row = await api.db.write(rows.withdraw, path_id(request), api.clock.now())
    said = await api.db.read(journey_rows.read_definition, row.journey_id, row.version)
    return answer(_told(row, said))


def _read_page(session: Session, journey_id: int, query: EnrolmentsQuery) -> dict[str, Any]:
    journey_rows.get_journey(session, journey_id)
    said = journey_rows.read_definitions(session, journey_id)
    steps = None
    if query.step is not None:
        places = ((version, journey.places.get(query.step)) for version, journey in said.items())
        steps = frozenset((version, number) for version, number in places if number is not None)
    status = query.status
    wanted = EnrolmentFilter(
        None if status is None else status == "running",
        EndReason(status) if status not in (None, "running", "ended") else None,
        steps,
        query.external_userid,
    )
    found = rows.list_enrolments(session, journey_id, wanted, query.limit, query.before_id)
    return page([_told(row, said[row.version]) for row in found], query.limit)


def _told(row: Enrolment, said: Journey) -> dict[str, Any]:
    return {**row.model_dump(exclude={"before_at"}), "step": key_of(said, row.step)}


class ListedTold(RuleModel):
    """How many of the customers `asked` for have begun; who is `not_on_it` then, because they may not begin."""

    journey_id: int
    asked: int
    begun: int
    not_on_it: list[str]


@described(ListedTold, body=Listed)
async def enrol_listed(api: Api, request: web.Request) -> web.Response:
    listed = parse(Listed, await read_object(request, LISTED_BYTES_MAX))
    told = await journey_enrolling.enrol_listed(api.context, path_id(request), listed.external_userids, request[CALLER])
    return answer(told)


class ExistingTold(RuleModel):
    """A journey begins for everybody in its audience, as of `at`; so far for `begun`. Over at `ended_at`."""

    at: datetime
    version: int
    begun: int
    ended_at: datetime | None


@described(ExistingTold, status=202)
async def enrol_existing(api: Api, request: web.Request) -> web.Response:
    scan = await api.db.write(scan_rows.ask_existing, path_id(request), api.clock.now())
    return answer(_existing(scan), 202)


@described(ExistingTold)
async def get_existing(api: Api, request: web.Request) -> web.Response:
    scan = await api.db.read(scan_rows.find_scan, path_id(request), ScanKind.EXISTING)
    if scan is None:
        raise NotFoundError("Nobody has asked for that.", "POST to the same address does.")
    return answer(_existing(scan))


def _existing(scan: JourneyScan) -> dict[str, Any]:
    return {name: getattr(scan, name) for name in ExistingTold.model_fields}
