"""What begins a journey, ends it, or counts as its goal: something that happens to a customer, or a day that comes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from bot.phrases import Phrase
from data.rules.conditions import StateText, UserID
from data.rules.fields import FieldName
from data.rules.messages import TrackedName
from data.rules.occurrences import CRON_MAX_LENGTH, next_occurrence, parse_cron
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.segments import Tree
from data.rules.tags import Id

DAYS_MAX = 730
LISTED_MAX = 500
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)

Word = Annotated[str, Field(min_length=1, max_length=100)]
EventName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
#: An amount of money in fen.
Fen = Annotated[int, Field(strict=True, ge=0, le=10**12)]


class Added(RuleModel):
    """A customer and a staff member became contacts.

    `who`: those new to the company, those a colleague had before (a hand-over among them, which WeCom tells as an add),
    or all. The rest as in `Conditions`: any one of the channels, of the staff, of the departments is enough.
    """

    on: Literal["added"] = "added"
    who: Literal["new", "known", "all"] = "new"
    states: SortedSet[StateText] = Field(default=frozenset(), max_length=LISTED_MAX)
    state_prefixes: SortedSet[StateText] = Field(default=frozenset(), max_length=LISTED_MAX)
    userids: SortedSet[UserID] = Field(default=frozenset(), max_length=LISTED_MAX)
    department_ids: SortedSet[int] = Field(default=frozenset(), max_length=LISTED_MAX)


class Tagged(RuleModel):
    """A tag was put on a contact, or taken off."""

    on: Literal["tagged"] = "tagged"
    tag_id: Id
    put: Literal["on", "off"] = "on"


class InGroup(RuleModel):
    """The customer joined one of these customer groups, or left it; without any: one of all groups."""

    on: Literal["group"] = "group"
    did: Literal["joined", "left"] = "joined"
    chat_ids: SortedSet[Id] = Field(default=frozenset(), max_length=LISTED_MAX)


class Ordered(RuleModel):
    """The customer paid an order: the `nth` of all their paid ones, of at least `min_fen`, from one of `sources`, with
    a product whose name contains `product`."""

    on: Literal["ordered"] = "ordered"
    nth: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    min_fen: Fen | None = None
    sources: SortedSet[Word] = Field(default=frozenset(), max_length=LISTED_MAX)
    product: Word | None = None


class Clicked(RuleModel):
    """The customer followed a tracked link."""

    on: Literal["clicked"] = "clicked"
    link: Annotated[TrackedName, Field(min_length=1)]


class FilledIn(RuleModel):
    """The customer sent a form."""

    on: Literal["form"] = "form"
    form: FieldName


class Told(RuleModel):
    """Another program of the company told of it (`POST /api/v1/events`)."""

    on: Literal["event"] = "event"
    name: EventName


class Entered(RuleModel):
    """The customer has come to be in a segment. It is looked at once a day, and when the journey is started nobody who
    is in it already has come."""

    on: Literal["segment"] = "segment"
    segment: Tree


class Anniversary(RuleModel):
    """The customer's birthday, solar or lunar, comes in `days_before` days."""

    on: Literal["birthday"] = "birthday"
    days_before: Annotated[int, Field(strict=True, ge=0, le=60)] = 0


class FieldDay(RuleModel):
    """A date in one of the customer's fields: `days` after it, or before it where they are negative; of every year's
    return of it with `yearly` (29 February is 28 February where the year has none)."""

    on: Literal["date_field"] = "date_field"
    field: FieldName
    days: Annotated[int, Field(strict=True, ge=-DAYS_MAX, le=DAYS_MAX)] = 0
    yearly: bool = False


class Silent(RuleModel):
    """So many days without an order, click, customer-service message, group join or reaction to Moments. Chats between
    staff and customers are not visible to an app, and no part of it."""

    on: Literal["silent"] = "silent"
    days: Annotated[int, Field(strict=True, ge=1, le=DAYS_MAX)]


class OnCalendar(RuleModel):
    """A day of the company's calendar, for everybody in the audience: `0 10 18 * *` is every 18th at ten."""

    on: Literal["calendar"] = "calendar"
    cron: Annotated[str, Field(max_length=CRON_MAX_LENGTH)]
    skip_holidays: bool = False


#: Something that happens to a customer.
Happening = Annotated[
    Added | Tagged | InGroup | Ordered | Clicked | FilledIn | Told,
    Field(discriminator="on"),
]
#: What begins a journey.
Trigger = Annotated[
    Added | Tagged | InGroup | Ordered | Clicked | FilledIn | Told | Entered | Anniversary | FieldDay | Silent
    | OnCalendar,
    Field(discriminator="on"),
]  # fmt: skip


def trigger_problems(trigger: Trigger, path: str = "trigger") -> list[Problem]:
    """What is wrong with a trigger, apart from the things that it names, which others check."""
    if isinstance(trigger, OnCalendar):
        try:
            cron = parse_cron(trigger.cron)
        except ValueError as error:
            return [Problem(f"{path}.cron", str(error))]
        if next_occurrence(cron, _ANY_DAY, UTC) is None:
            return [Problem(f"{path}.cron", Phrase("日历上没有这一天，永远不会开始"))]
    return []
