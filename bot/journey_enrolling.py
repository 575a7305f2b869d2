"""Customers whom a person puts on a journey: a list of them, or all of its audience."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.errors import ObservingError
from bot.journey_edits import act_on
from data.errors import ConflictError
from data.models import JourneyStatus
from data.queries import enrolments as rows
from data.queries import journey_scans as scan_rows
from data.queries import journeys as journey_rows
from data.queries.beginners import Candidate, Version, begin
from data.rules.journey_acts import Act
from data.rules.problems import RuleModel
from data.rules.tags import Id
from data.rules.timings import Calendar

LISTED_MAX = 5000
#: Customers who begin in one transaction.
PIECE = 500


class Listed(RuleModel):
    """Customers who are to begin a journey now."""

    external_userids: tuple[Id, ...] = Field(min_length=1, max_length=LISTED_MAX)


async def start_journey(ctx: Context, journey_id: int, by: str, *, existing: bool) -> dict[str, Any]:
    """Have a journey begin from now on; with `existing` for all of its audience too, in the background. Raises as
    `act_on`."""
    told = await act_on(ctx, journey_id, Act.START, by)
    if existing:
        await ctx.db.write(scan_rows.ask_existing, journey_id, ctx.clock.now())
    return told


async def enrol_listed(ctx: Context, journey_id: int, customers: Sequence[str], by: str) -> dict[str, Any]:
    """Customers begin a journey now, if they are of its audience and may: what came of it, as it is shown.

    Raises NotFoundError, ObservingError, and ConflictError where the journey does not run.
    """
    if ctx.observes:
        raise ObservingError
    wanted, begun, off = sorted(set(customers)), 0, list[str]()
    for start in range(0, len(wanted), PIECE):
        some = wanted[start : start + PIECE]
        unit = (journey_id, some, f"listed by {by}", ctx.clock.now(), calendar_of(ctx.settings))
        number, others = await ctx.db.write(_enrol, *unit)
        begun += number
        off += others
    return {"journey_id": journey_id, "asked": len(wanted), "begun": begun, "not_on_it": off}


def _enrol(
    session: Session, journey_id: int, customers: Sequence[str], cause: str, now: datetime, calendar: Calendar
) -> tuple[int, list[str]]:
    """How many begin, and who is not on it then."""
    row = journey_rows.lock_journey(session, journey_id)
    if row.status != JourneyStatus.RUNNING:
        raise ConflictError(
            f"Journey {journey_id} is {row.status}: it begins for nobody.", "Start it first, or resume it."
        )
    version = Version(journey_id, row.version, journey_rows.read_definition(session, journey_id, row.version))
    begun = begin(session, version, [Candidate(each, "", cause, now) for each in customers], now, calendar)
    on = {each.external_userid for each in rows.list_running_of(session, customers) if each.journey_id == journey_id}
    return begun, sorted(set(customers) - on)
