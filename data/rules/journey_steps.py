"""What becomes of a step that is due for a customer: it is done, held back for now, or passed over, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.phrases import Phrase
from data.models.journeys import EndReason, StepOutcome
from data.rules.journey_times import due_at, is_too_late, next_allowed, same_time_next_day
from data.rules.journeys import Branch, End, Journey, Step, Wait, WriteInService
from data.rules.preferences import RefusalReason
from data.rules.timings import Calendar

#: So much later than due is on time: a hundred thousand that are due at once take minutes, and steps after them are
#: counted from when they were due.
PUNCTUAL = timedelta(minutes=5)


class Standing(NamedTuple):
    """Where a customer is on a journey: see Enrolment."""

    step: int
    started_at: datetime
    before_at: datetime
    due_at: datetime
    wanted_at: datetime | None = None
    held_out: bool = False


class Facts(NamedTuple):
    """What is known of the customer just now.

    `is_of`: whether they are in the segment at a path of the journey (`Journey.list_trees`). `has_room`: whether the
    limits leave room for one more message. `wecom_full`: WeCom would likely not deliver another group-send, of a step
    that sends one. `outranked_by`: the journey that goes before this one and wants the customer on the same day, or
    empty. `no_window`: why nothing can be written in customer service, or empty. `no_sender`:
    why nobody of the staff can reach them, or empty. `awaited_until`: nobody follows them since a moment ago, but
    somebody may take over until then. `restored_at`: until then what was done is not known for sure, for the databases
    were restored from a backup.
    """

    is_of: Callable[[str], bool]
    is_lost: bool = False
    refusal: RefusalReason | None = None
    has_room: bool = True
    wecom_full: bool = False
    outranked_by: str = ""
    no_sender: str = ""
    awaited_until: datetime | None = None
    restored_at: datetime | None = None
    no_window: str = ""


class Decision(NamedTuple):
    """What becomes of the step: `outcome` with the `reason` (None: nothing worth a record), and where the customer
    stands then; with `end` the journey is over."""

    outcome: StepOutcome | None
    reason: str
    standing: Standing
    end: EndReason | None = None

    @property
    def acts(self) -> bool:
        """Whether the step's action is to be done."""
        return self.outcome is StepOutcome.DONE


def first_standing(journey: Journey, started_at: datetime, calendar: Calendar, *, held_out: bool) -> Standing:
    """Where a customer stands who begins a journey. Raises ValueError where its first step is never due."""
    standing = Standing(0, started_at, started_at, started_at, None, held_out)
    return _to_step(journey, standing, 0, started_at, calendar)


def decide(journey: Journey, standing: Standing, facts: Facts, now: datetime, calendar: Calendar) -> Decision:
    """What becomes of the step that is due. Raises ValueError where the next one is never due."""
    if facts.is_lost and facts.awaited_until is not None and now < facts.awaited_until:
        moved = standing._replace(due_at=facts.awaited_until, wanted_at=standing.wanted_at or standing.due_at)
        return Decision(StepOutcome.MOVED, Phrase("客户可能正在交接，稍后再定"), moved)
    if facts.is_lost:
        return Decision(None, "", standing, EndReason.LOST)
    if facts.refusal is RefusalReason.OPTED_OUT:
        return Decision(None, "", standing, EndReason.OPTED_OUT)
    if standing.step >= len(journey.steps):
        return Decision(None, "", standing, EndReason.FINISHED)
    step, path = journey.steps[standing.step], f"steps[{standing.step}]"
    if step.only_if is not None and not facts.is_of(f"{path}.only_if"):
        return _pass(journey, standing, calendar, StepOutcome.NOT_FOR, Phrase("客户不在这一步的人群中"))
    match step.action:
        case Wait():
            return _pass(journey, standing, calendar, None, "")
        case End():
            return Decision(None, "", standing, EndReason.FINISHED)
        case Branch():
            return _branch(journey, standing, step.action, path, facts, calendar)
        case _:
            return _act(journey, standing, step, facts, now, calendar)


def _act(journey: Journey, standing: Standing, step: Step, facts: Facts, now: datetime, calendar: Calendar) -> Decision:
    due = standing.due_at
    if step.disturbs and facts.restored_at is not None and due <= facts.restored_at:
        return _pass(journey, standing, calendar, StepOutcome.LATE, "数据从备份恢复：恢复之前可能已经做过")
    done_at = due if now - due <= PUNCTUAL else now
    allowed_at = next_allowed(step.when, done_at, calendar, disturbs=step.disturbs)
    if is_too_late(step.late, due, allowed_at):
        reason = Phrase("到时间时程序没有运行，或旅程被暂停，已过补做的期限")
        return _pass(journey, standing, calendar, StepOutcome.LATE, reason)
    if standing.held_out:
        return _pass(journey, standing, calendar, StepOutcome.HELD_OUT, Phrase("对照组，不触达"))
    if allowed_at > done_at:
        moved = standing._replace(due_at=allowed_at, wanted_at=standing.wanted_at or due)
        return Decision(StepOutcome.MOVED, Phrase("已过可以打扰的时间，顺延"), moved)
    if step.disturbs:
        in_service = isinstance(step.action, WriteInService)
        held = _held_back(facts)
        if held is None and in_service and facts.no_window:
            held = StepOutcome.CLOSED, facts.no_window
        if held is not None:
            return _hold(journey, standing, step, calendar, *held)
        if facts.no_sender and not in_service:
            return _pass(journey, standing, calendar, StepOutcome.NO_SENDER, facts.no_sender)
    return _pass(journey, standing, calendar, StepOutcome.DONE, "", done_at)


def _held_back(facts: Facts) -> tuple[StepOutcome, str] | None:
    if facts.refusal is RefusalReason.PAUSED:
        return StepOutcome.RESTING, Phrase("客户希望暂时不收到消息")
    if facts.refusal is RefusalReason.CAPPED:
        return StepOutcome.CAPPED, Phrase("已达到客户希望的消息上限")
    if not facts.has_room:
        return StepOutcome.CAPPED, Phrase("已达到公司的触达上限")
    if facts.wecom_full:
        return StepOutcome.CAPPED, Phrase("客户本期收到的群发估计已达企业微信的上限")
    if facts.outranked_by:
        return StepOutcome.OUTRANKED, Phrase("让位给优先的旅程：%(outranked_by)s", outranked_by=facts.outranked_by)
    return None


def _hold(
    journey: Journey, standing: Standing, step: Step, calendar: Calendar, outcome: StepOutcome, reason: str
) -> Decision:
    """Try again on the next day, as long as the step may wait."""
    wanted = standing.wanted_at or standing.due_at
    again = same_time_next_day(step.when, standing.due_at, calendar, disturbs=step.disturbs)
    if again - wanted > timedelta(days=step.hold_days, hours=1):  # a day may have 25 hours
        return _pass(journey, standing, calendar, outcome, reason)
    return Decision(StepOutcome.MOVED, reason, standing._replace(due_at=again, wanted_at=wanted))


def _branch(
    journey: Journey, standing: Standing, branch: Branch, path: str, facts: Facts, calendar: Calendar
) -> Decision:
    ways = (
        case.go for number, case in enumerate(branch.cases) if facts.is_of(f"{path}.action.cases[{number}].segment")
    )
    go = next(ways, branch.otherwise)
    number = standing.step + 1 if go is None else journey.places[go]
    reason = Phrase("没有符合的分支，继续") if go is None else Phrase("走到 %(go)s", go=go)
    return Decision(StepOutcome.DONE, reason, _to_step(journey, standing, number, standing.due_at, calendar))


def _pass(
    journey: Journey,
    standing: Standing,
    calendar: Calendar,
    outcome: StepOutcome | None,
    reason: str,
    done_at: datetime | None = None,
) -> Decision:
    """On to the next step."""
    before = standing.due_at if done_at is None else done_at
    moved = _to_step(journey, standing, standing.step + 1, before, calendar)
    is_over = moved.step >= len(journey.steps) and (journey.goal is None or not journey.goal_days)
    return Decision(outcome, reason, moved, EndReason.FINISHED if is_over else None)


def _to_step(journey: Journey, standing: Standing, number: int, before: datetime, calendar: Calendar) -> Standing:
    """Where a customer stands who waits for a step; behind the last one they wait for the goal."""
    if number >= len(journey.steps):
        due = before + timedelta(days=journey.goal_days)
    else:
        step = journey.steps[number]
        due = due_at(step.when, standing.started_at, before, calendar, disturbs=step.disturbs)
    return standing._replace(step=number, before_at=before, due_at=due, wanted_at=None)
