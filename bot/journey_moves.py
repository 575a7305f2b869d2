"""Customers who are on older versions of a journey, moved to the newest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.context import Context
from data.queries import journey_moves as rows
from data.queries import journeys as journey_rows
from data.rules.journey_moves import Waiting, find_ways, way_problems
from data.rules.journeys import Journey
from data.rules.problems import InvalidRuleError


async def move_journey(ctx: Context, journey_id: int, steps: Mapping[str, str], *, dry_run: bool) -> dict[str, Any]:
    """Have those who are on older versions of a journey go on with the newest, at the step of the same key or the one
    that `steps` tells for it; with `dry_run` they are only counted. What was done, as it is shown.

    Raises NotFoundError, and InvalidRuleError for each step that is gone and of which it is not told where they go on.
    """
    version, waiting, said = await ctx.db.read(_read, journey_id)
    newest, calendar = said[version], calendar_of(ctx.settings)
    ways = find_ways(waiting, newest, steps)
    problems = list(way_problems(waiting, newest, steps, ways))
    if problems and not dry_run:
        raise InvalidRuleError(problems)
    moved, after = 0, None if dry_run else ""
    while after is not None:
        unit = (journey_id, said, version, ways, after, ctx.clock.now(), calendar)
        number, after = await ctx.db.write(rows.move_piece, *unit)
        moved += number
    return {
        "journey_id": journey_id,
        "version": version,
        "dry_run": dry_run,
        "customers": sum(each.customers for each in waiting) if dry_run else moved,
        "steps": [_told(each, newest, ways.get((each.version, each.step))) for each in waiting],
    }


def _read(session: Session, journey_id: int) -> tuple[int, list[Waiting], dict[int, Journey]]:
    version = journey_rows.get_journey(session, journey_id).version
    said = journey_rows.read_definitions(session, journey_id)
    return version, rows.list_waiting(session, journey_id, version), said


def _told(waiting: Waiting, newest: Journey, number: int | None) -> dict[str, Any]:
    """Where those go on who wait for a step; None: nobody knows. Behind the last step the key is empty."""
    to = None if number is None else newest.steps[number].key if number < len(newest.steps) else ""
    return {"version": waiting.version, "step": waiting.key, "customers": waiting.customers, "to": to}
