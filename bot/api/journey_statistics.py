"""`/journeys/{id}/statistics`: who was on a journey, what became of each step, and what that brought."""

from __future__ import annotations

from aiohttp import web

from bot.api.answers import answer, path_id
from bot.api.comparisons import ComparedTold
from bot.api.described import described
from bot.api.service import Api
from bot.journey_statistics import read_statistics
from data.rules.problems import RuleModel


class EnrolledTold(RuleModel):
    """How many began, how many of these are on it, and for how many it ended, by reason."""

    entered: int
    running: int
    ended: dict[str, int]


class StepCounted(RuleModel):
    """A step of a version. It was decided for those who `reached` it: `done`, or `held_back` for good, by outcome.

    `moved`: how often it was held back for now. `waiting` are to come to it next. `sent`: tasks that staff have done,
    broadcasts that arrived. `converted`: of those for whom it was done, for how many the goal was reached after it.
    """

    step: str
    does: str
    waiting: int
    reached: int
    done: int
    sent: int
    held_back: dict[str, int]
    moved: int
    tasks: dict[str, int]
    recipients: dict[str, int]
    converted: int


class VersionCounted(EnrolledTold):
    """A version, with whom it has now, and its steps."""

    version: int
    steps: list[StepCounted]


class GoalGroupTold(RuleModel):
    """Customers of a group, each once, and how many of them reached the goal."""

    name: str
    customers: int
    reached: int
    rate: float


class GoalTold(RuleModel):
    """Those who went through the journey against those held out."""

    groups: list[GoalGroupTold]
    comparisons: list[ComparedTold]


class StatisticsTold(EnrolledTold):
    """A journey in numbers, those held out among them. `goal` is null where it has none."""

    journey_id: int
    name: str
    held_out: EnrolledTold
    versions: list[VersionCounted]
    goal: GoalTold | None


@described(StatisticsTold)
async def get_statistics(api: Api, request: web.Request) -> web.Response:
    return answer(await read_statistics(api.db, path_id(request)))
