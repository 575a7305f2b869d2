"""Journeys in numbers, as they are shown: who was on it, what became of each step, and what that brought."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bot.comparisons import compared_to_json
from bot.phrases import Phrase
from data.db import Database
from data.models import EndReason, RecipientState, StaffTaskStatus, StepOutcome
from data.queries import journey_statistics as rows
from data.queries import journeys as journey_rows
from data.queries.journey_statistics import Enrolled
from data.rules.comparisons import Shares, compare
from data.rules.journeys import Journey
from data.rules.variants import HELD_OUT_NAME

ON_IT = Phrase("参加旅程")


async def read_statistics(db: Database, journey_id: int) -> dict[str, Any]:
    """A journey in numbers. Raises NotFoundError.

    The counts are made side by side: of a journey with a million customers some take the better part of a second.
    """
    row = await db.read(journey_rows.get_journey, journey_id)
    said = await db.read(journey_rows.read_definitions, journey_id)
    repeats = any(each.again.after_days is not None for each in said.values())
    enrolled, reached, outcomes, converted, tasks, recipients = await asyncio.gather(
        db.read(rows.list_enrolled, journey_id),
        db.read(rows.count_reached, journey_id) if repeats else _nothing(),
        db.read(rows.count_outcomes, journey_id),
        db.read(rows.count_converted, journey_id),
        db.read(rows.count_tasks, journey_id),
        db.read(rows.count_recipients, journey_id),
    )
    reached = reached or _reached_once(enrolled)
    steps = _Steps(enrolled, outcomes, converted, tasks, recipients)
    begun = {each.version for each in enrolled}
    return {
        "journey_id": journey_id,
        "name": row.name,
        **_counted(enrolled),
        "held_out": _counted(each for each in enrolled if each.held_out),
        "versions": [
            {
                "version": version,
                **_counted(each for each in enrolled if each.version == version),
                "steps": [steps.told(version, number, journey) for number in range(len(journey.steps))],
            }
            for version, journey in sorted(said.items(), reverse=True)
            if version in begun or version == row.version or steps.knows(version)
        ],
        "goal": _goal(reached) if any(each.goal is not None for each in said.values()) else None,
    }


async def _nothing() -> dict[bool, rows.Reached]:
    return {}


def _reached_once(enrolled: Iterable[Enrolled]) -> dict[bool, rows.Reached]:
    """The same as `count_reached` where nobody begins it twice: enrolments are customers."""
    found: dict[bool, rows.Reached] = {}
    for each in enrolled:
        customers, goal = found.get(each.held_out, rows.Reached())
        reached = each.enrolments if each.end_reason == EndReason.GOAL else 0
        found[each.held_out] = rows.Reached(customers + each.enrolments, goal + reached)
    return found


def _counted(enrolled: Iterable[Enrolled]) -> dict[str, Any]:
    """How many began, are on it, and for how many it ended, by reason. Several times on it count each time."""
    by_reason: Counter[str] = Counter()
    for each in enrolled:
        by_reason[each.end_reason] += each.enrolments
    running = by_reason.pop("", 0)
    return {"entered": running + by_reason.total(), "running": running, "ended": dict(by_reason)}


class _Steps:
    """What became of the steps of all versions."""

    def __init__(
        self,
        enrolled: Iterable[Enrolled],
        outcomes: Mapping[tuple[int, int], Mapping[StepOutcome, int]],
        converted: Mapping[tuple[int, int], int],
        tasks: Mapping[tuple[int, int], Mapping[StaffTaskStatus, int]],
        recipients: Mapping[tuple[int, int], Mapping[RecipientState, int]],
    ) -> None:
        self._outcomes, self._converted = outcomes, converted
        self._tasks, self._recipients = tasks, recipients
        self._waiting: Counter[tuple[int, int]] = Counter()
        for each in enrolled:
            if not each.end_reason:
                self._waiting[each.version, each.step] += each.enrolments

    def knows(self, version: int) -> bool:
        """Whether something became of a step of a version, of which nobody is any more."""
        return any(each == version for each, _ in self._outcomes)

    def told(self, version: int, number: int, journey: Journey) -> dict[str, Any]:
        """A step in numbers. `reached`: of how many it was decided; `sent`: of how many we know that it arrived."""
        step = journey.steps[number]
        outcomes = dict(self._outcomes.get((version, number), {}))
        moved, tasks = outcomes.pop(StepOutcome.MOVED, 0), self._tasks.get((version, number), {})
        recipients = self._recipients.get((version, number), {})
        return {
            "step": step.key,
            "does": step.action.do,
            "waiting": self._waiting[version, number],
            "reached": sum(outcomes.values()),
            "done": outcomes.pop(StepOutcome.DONE, 0),
            "sent": tasks.get(StaffTaskStatus.DONE, 0) + recipients.get(RecipientState.SENT, 0),
            "held_back": _named(outcomes),
            "moved": moved,
            "tasks": _named(tasks),
            "recipients": {state.name.lower(): counted for state, counted in sorted(recipients.items())},
            "converted": self._converted.get((version, number), 0),
        }


def _named(counted: Mapping[Any, int]) -> dict[str, int]:
    return {str(each.value): number for each, number in sorted(counted.items())}


def _goal(reached: Mapping[bool, rows.Reached]) -> dict[str, Any]:
    """The share of the customers who reached the goal, against those held out."""
    groups = {held_out: reached.get(held_out, rows.Reached()) for held_out in (False, True)}
    shares = [Shares(HELD_OUT_NAME if held_out else ON_IT, *each) for held_out, each in groups.items()]
    compared = compare(shares) if groups[True].customers else []
    return {
        "groups": [
            {"name": each.name, "customers": each.customers, "reached": each.did, "rate": each.rate}
            for each in shares
            if each.customers or each.name == ON_IT
        ],
        "comparisons": [compared_to_json(each, "goal", Phrase("目标达成率")) for each in compared],
    }
