"""Journeys (旅程): a trigger, an audience and steps that keep in touch with a customer, and what ends them.

Steps stand in a list, and the way goes forward only: a branch leads to a step further on. So every enrolment ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bot.phrases import Phrase
from data.rules import kf_answers, messages
from data.rules.conditions import UserID
from data.rules.fields import FieldName
from data.rules.journey_times import LateStep, When, when_problems
from data.rules.journey_triggers import DAYS_MAX, Added, Entered, Happening, OnCalendar, Trigger, trigger_problems
from data.rules.messages import MessageContent
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.segments import Tree
from data.rules.senders import SenderChoice
from data.rules.tags import Id
from data.rules.timings import Calendar
from data.rules.variants import HOLD_OUT_MAX
from data.rules.waves import VALID_HOURS_MAX

NAME_MAX_LENGTH = 64
STEPS_MAX = 60
CASES_MAX = 10
STOPS_MAX = 10
HOLD_DAYS_MAX = 30
GOAL_DAYS_MAX = 90
TAGS_MAX = 20
URL_MAX_LENGTH = 1024
MEMBERS_MAX = 500

StepKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
ValidHours = Annotated[int, Field(strict=True, ge=1, le=VALID_HOURS_MAX)]


class Wait(RuleModel):
    """Nothing: the next step counts from here."""

    do: Literal["wait"] = "wait"


class SendBroadcast(RuleModel):
    """A broadcast through the customer's own staff member, who confirms it: what is due for one sender with the same
    words becomes one task. `content.text` is a template of the kind `broadcast`: no variable of the customer in it."""

    do: Literal["broadcast"] = "broadcast"
    content: MessageContent
    valid_hours: ValidHours = 72


class GiveTask(RuleModel):
    """A task for the staff member, with words for this customer. `content.text` is a template of the kind `personal`.

    `worth`: of more than a staff member's day holds, those worth most come first. `hint`: what the staff member should
    know, which the customer is not told.
    """

    do: Literal["task"] = "task"
    content: MessageContent
    hint: str = Field(default="", max_length=500)
    worth: Annotated[int, Field(strict=True, ge=0, le=100)] = 50
    valid_hours: ValidHours = 72


class WriteInService(RuleModel):
    """A message of customer service (微信客服) to whoever wrote there within WeCom's window; for others the step is
    held back. `open_kfid`: of which account; empty: of the one to which they wrote last. `text` goes as it stands."""

    do: Literal["kf"] = "kf"
    text: str
    open_kfid: str = Field(default="", max_length=64)


class PutTags(RuleModel):
    """Tags put on the contact, and taken off."""

    do: Literal["tags"] = "tags"
    put_on: SortedSet[Id] = Field(default=frozenset(), max_length=TAGS_MAX)
    take_off: SortedSet[Id] = Field(default=frozenset(), max_length=TAGS_MAX)


class SetField(RuleModel):
    """A value for one of the customer's fields; None: there is none any more."""

    do: Literal["field"] = "field"
    field: FieldName
    value: str | float | bool | None


class CallWebhook(RuleModel):
    """Another program is told, in a signed request that is repeated until it is taken."""

    do: Literal["webhook"] = "webhook"
    url: Annotated[str, Field(max_length=URL_MAX_LENGTH)]


class Case(RuleModel):
    """Where customers go on who are in the segment."""

    segment: Tree
    go: StepKey


class Branch(RuleModel):
    """The first case that holds says where the customer goes on; where none does, `otherwise` or the next step."""

    do: Literal["branch"] = "branch"
    cases: tuple[Case, ...] = Field(min_length=1, max_length=CASES_MAX)
    otherwise: StepKey | None = None


class End(RuleModel):
    """The journey is over."""

    do: Literal["end"] = "end"


Action = Annotated[
    Wait | SendBroadcast | GiveTask | WriteInService | PutTags | SetField | CallWebhook | Branch | End,
    Field(discriminator="do"),
]
#: What staff send in their name.
BY_STAFF = (SendBroadcast, GiveTask)
#: What reaches a customer or is asked of staff: quiet hours and caps hold for it.
DISTURBING = (*BY_STAFF, WriteInService)


class Step(RuleModel):
    """One step. `key` names it for good: enrolments that move to a newer version go on at the step of the same key.

    `only_if`: done for customers in this segment; the others go on to the next step. `hold_days`: so long it waits,
    tried again every day, while a limit, a journey that goes before or the customer's own wish holds it back.
    """

    key: StepKey
    when: When = When()
    only_if: Tree | None = None
    action: Action
    late: LateStep = LateStep()
    hold_days: Annotated[int, Field(strict=True, ge=0, le=HOLD_DAYS_MAX)] = 2

    @property
    def disturbs(self) -> bool:
        """Whether it reaches a customer or is asked of staff."""
        return isinstance(self.action, DISTURBING)


class Again(RuleModel):
    """Whether the journey may begin anew for a customer: never; or so many days after it began last. It never runs
    twice at once for one customer."""

    after_days: Annotated[int, Field(strict=True, ge=0, le=DAYS_MAX)] | None = None


class Members(RuleModel):
    """Members of the staff: these, and those of these departments and of the ones below."""

    userids: SortedSet[UserID] = Field(default=frozenset(), max_length=MEMBERS_MAX)
    department_ids: SortedSet[int] = Field(default=frozenset(), max_length=MEMBERS_MAX)

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.userids and not self.department_ids:
            raise ValueError(Phrase("至少要有一位员工或一个部门"))
        return self


class Journey(SenderChoice):
    """What happens to customers from a trigger on.

    `audience`: of those only customers in this segment. `members`: of the staff these alone; it is for those whom they
    follow, and a customer is lost to it when none of them does any more. `goal`: what it is for; it is over when that
    happens, until `goal_days` after the last step, and the share of those who reach it is compared with the held out.
    `stops`: it is over as well. It always is when the customer is lost or has opted out. `priority`: of several that
    want the same customer on a day, the highest first.
    """

    name: str = Field(min_length=1, max_length=NAME_MAX_LENGTH)
    trigger: Trigger
    audience: Tree | None = None
    members: Members | None = None
    again: Again = Again()
    steps: tuple[Step, ...] = Field(min_length=1, max_length=STEPS_MAX)
    goal: Happening | None = None
    goal_days: Annotated[int, Field(strict=True, ge=0, le=GOAL_DAYS_MAX)] = 7
    stops: tuple[Happening, ...] = Field(default=(), max_length=STOPS_MAX)
    priority: Annotated[int, Field(strict=True, ge=1, le=9)] = 5
    hold_out_percent: int = Field(default=0, ge=0, le=HOLD_OUT_MAX)

    @property
    def places(self) -> dict[str, int]:
        """The number of each step by its key."""
        return {step.key: number for number, step in enumerate(self.steps)}

    @property
    def contents(self) -> list[MessageContent]:
        """All that it says to customers."""
        return [step.action.content for step in self.steps if isinstance(step.action, BY_STAFF)]

    def list_trees(self) -> Iterator[tuple[str, Tree]]:
        """Every segment in it with its path."""
        if isinstance(self.trigger, Entered):
            yield "trigger.segment", self.trigger.segment
        if self.audience is not None:
            yield "audience", self.audience
        for number, step in enumerate(self.steps):
            if step.only_if is not None:
                yield f"steps[{number}].only_if", step.only_if
            if isinstance(step.action, Branch):
                for index, case in enumerate(step.action.cases):
                    yield f"steps[{number}].action.cases[{index}].segment", case.segment


def problems(journey: Journey, calendar: Calendar) -> list[Problem]:
    """What is wrong with a journey, apart from its contents, and from what it names, which others check."""
    found = trigger_problems(journey.trigger)
    if isinstance(journey.trigger, OnCalendar) and journey.again.after_days is None:
        found.append(Problem("again.after_days", Phrase("按日历重复的旅程，每次都要能重新开始：请填写天数，如 1")))
    if isinstance(journey.trigger, Added) and journey.goal is not None and journey.goal.on == "added":
        found.append(Problem("goal", Phrase("添加好友是这个旅程的开始，不能又是它的目标")))
    for number, step in enumerate(journey.steps):
        found += _step_problems(journey.steps, number, step, calendar)
    if not any(step.disturbs or not isinstance(step.action, Wait | Branch | End) for step in journey.steps):
        found.append(Problem("steps", Phrase("没有一个步骤会做什么")))
    return found


def _step_problems(steps: Sequence[Step], number: int, step: Step, calendar: Calendar) -> Iterator[Problem]:
    path = f"steps[{number}]"
    if step.key in (each.key for each in steps[:number]):
        yield Problem(f"{path}.key", Phrase("%(key)s 已经是前面一个步骤的名字", key=step.key))
    yield from when_problems(step.when, f"{path}.when")
    at = step.when.at
    if step.disturbs and at is not None and not calendar.hours.holds_time(at):
        opens, closes = calendar.hours.start, calendar.hours.end
        yield Problem(
            f"{path}.when.at",
            Phrase(
                "%(at)s 不在允许发送的时间（%(opens)s–%(closes)s）之内",
                at=f"{at:%H:%M}",
                opens=f"{opens:%H:%M}",
                closes=f"{closes:%H:%M}",
            ),
        )
    yield from _action_problems(f"{path}.action", step.action, {each.key for each in steps[number + 1 :]})


def _action_problems(path: str, action: Action, later: AbstractSet[str]) -> Iterator[Problem]:
    match action:
        case PutTags(put_on=put_on, take_off=take_off):
            if not put_on and not take_off:
                yield Problem(path, Phrase("没有要打上或去掉的标签"))
            if put_on & take_off:
                yield Problem(f"{path}.take_off", Phrase("同一个标签不能又打上又去掉"))
        case CallWebhook(url=url):
            yield from messages.url_problems(f"{path}.url", url)
        case WriteInService(text=text):
            yield from kf_answers.problems(kf_answers.KfText(text=text), path)
            yield from messages.variable_problems(f"{path}.text", text)
        case Branch(cases=cases, otherwise=otherwise):
            ways = [(f"cases[{index}].go", case.go) for index, case in enumerate(cases)]
            for name, go in [*ways, ("otherwise", otherwise)]:
                if go is not None and go not in later:
                    yield Problem(f"{path}.{name}", Phrase("后面没有步骤 %(go)s：只能往后走", go=go))
        case _:
            pass
