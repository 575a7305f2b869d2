"""`/customers/{external_userid}/journeys`: why a customer got something of a journey, or did not."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web

from bot import journey_explanations
from bot.api.answers import answer, path_customer
from bot.api.described import described
from bot.api.service import Api
from data.errors import NotFoundError
from data.models import BarReason, EndReason, JourneyStatus, StaffTaskStatus, StepOutcome
from data.queries import customers as customer_rows
from data.queries.webhooks import CallState
from data.rules.problems import RuleModel
from data.rules.staff_tasks import MoveReason


class StepTaskMoveTold(RuleModel):
    """The task went to another member's list."""

    from_userid: str
    to_userid: str
    at: datetime
    why: MoveReason
    words: str


class StepTaskTold(RuleModel):
    """What a staff member was asked for the customer. `why`: of one refused or withdrawn. `moves`: from whose list to
    whose it went, and why."""

    task_id: int
    userid: str
    status: StaffTaskStatus
    status_words: str
    words: str
    valid_until: datetime
    later_until: datetime | None
    answered_at: datetime | None
    answered_by: str
    why: str
    moves: list[StepTaskMoveTold]


class StepBroadcastTold(RuleModel):
    """A broadcast that the customer is a recipient of. `state` is empty while its recipients were not found."""

    wave_id: int
    run_id: int | None
    run_status: str
    userid: str
    state: str
    state_words: str
    words: str


class StepCallTold(RuleModel):
    """Another program was told, or is to be. `error`: why it was not taken the last time."""

    call_id: int
    state: CallState
    state_words: str
    attempts: int
    next_at: datetime | None
    error: str


class StepTold(RuleModel):
    """What became of a step at an instant, and why."""

    step: str
    at: datetime
    outcome: StepOutcome
    reason: str
    task: StepTaskTold | None
    broadcast: StepBroadcastTold | None
    call: StepCallTold | None


class NextTold(RuleModel):
    """What is due next. `wanted_at`: when it was due first, where it was held back. `rests`: the journey is paused."""

    step: str
    does: str
    due_at: datetime
    wanted_at: datetime | None
    rests: bool


class CustomersJourneyTold(RuleModel):
    """A journey that the customer is or was on: what began it, its steps, what is next, how it ended."""

    enrolment_id: int
    journey_id: int
    name: str
    status: JourneyStatus
    version: int
    userid: str
    cause: str
    started_at: datetime
    held_out: bool
    ended_at: datetime | None
    end_reason: EndReason | Literal[""]
    end_words: str
    next: NextTold | None
    steps: list[StepTold]


class BarredTold(RuleModel):
    """What would have begun a journey for the customer and did not, and why; of the same reason once a day: `times`,
    first `at` and at last `last_at`."""

    journey_id: int
    name: str
    version: int
    cause: str
    at: datetime
    last_at: datetime
    times: int
    reason: BarReason
    reason_words: str


class NotOnTold(RuleModel):
    """A journey that was started and not stopped, that the customer is not on, and why. `may_begin`: nothing has
    happened yet that begins it."""

    journey_id: int
    name: str
    may_begin: bool
    reasons: list[str]
    trigger: dict[str, Any]


class CustomersJourneysTold(RuleModel):
    """All journeys of a customer, newest first, what was `barred` from beginning one, the latest first, and those that
    have not begun."""

    external_userid: str
    journeys: list[CustomersJourneyTold]
    barred: list[BarredTold]
    not_on: list[NotOnTold]


@described(CustomersJourneysTold)
async def explain_customer(api: Api, request: web.Request) -> web.Response:
    external_userid = path_customer(request)
    if await api.db.read(customer_rows.find_customer, external_userid) is None:
        raise NotFoundError("There is no such customer.")
    told = await api.db.read(
        journey_explanations.explain_customer, external_userid, api.clock.now(), api.settings.zone
    )  # fmt: skip
    return answer(told)
