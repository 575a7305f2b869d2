"""`/journeys/simulate`: a journey tried out on the customers that there are, with nothing written or sent."""

from __future__ import annotations

from datetime import date, datetime

from aiohttp import web

from bot.api.answers import answer, read_object
from bot.api.described import described
from bot.api.service import Api
from bot.journey_simulations import Simulate, simulate
from data.rules.problems import RuleModel, parse


class StepOutcomes(RuleModel):
    """How often each outcome of a step would come about."""

    step: str
    does: str
    outcomes: dict[str, int]


class SimulatedDay(RuleModel):
    """What would happen on a day of the company. `held_back`: for now or for good."""

    day: date
    begun: int
    tasks: int
    broadcasts: int
    others: int
    held_back: int


class LoadTold(RuleModel):
    """The tasks of a staff member: in all, on the fullest day, a day on average, days with more than a list holds."""

    userid: str
    tasks: int
    most: int
    mean: float
    days_over: int


class StaffLoadTold(RuleModel):
    """The tasks of all who would be given any. `list_holds`: `journeys.tasks_per_day`, 0: any number."""

    list_holds: int
    members: int
    most: int
    mean: float
    members_over: int
    fullest: list[LoadTold]


class SimulatedStep(RuleModel):
    """What would happen to a customer at an instant: they begin, may not begin, a step, or the end."""

    at: datetime
    step: str
    does: str
    outcome: str
    reason: str


class SimulatedCustomer(RuleModel):
    """One customer, step by step."""

    external_userid: str
    userid: str
    steps: list[SimulatedStep]


class SimulationTold(RuleModel):
    """What would happen from `since` until `until`.

    Numbers stand for all `customers` who are on it or would begin. Where that `is_sample`, only `simulated` of them
    were gone through. `barred`: would begin but are on it, or began it too lately. `left_out` are nobody's contact or
    want to hear nothing. `held_back`: how often, by reason.
    """

    journey_id: int | None
    name: str
    since: datetime
    until: datetime
    customers: int
    simulated: int
    is_sample: bool
    on_it: int
    begun: int
    barred: int
    left_out: dict[str, int]
    ended: dict[str, int]
    steps: list[StepOutcomes]
    held_back: dict[str, int]
    days: list[SimulatedDay]
    staff: StaffLoadTold
    sample: list[SimulatedCustomer]
    assumed: list[str]


@described(SimulationTold, body=Simulate)
async def simulate_journey(api: Api, request: web.Request) -> web.Response:
    wanted = parse(Simulate, await read_object(request))
    told = await simulate(api.context, wanted)
    return answer(SimulationTold.model_validate(told))
