"""What a segment can ask: one model per leaf of its tree. Days are those of the company's calendar, today being day 0.

What is asked of the pair of a staff member and a customer: tags, staff, department, channel, add_way, origin, added,
status. All else is asked of the customer, whichever staff member it came through.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StrictBool, model_serializer, model_validator

from bot.phrases import Phrase
from data.models import FollowStatus
from data.rules.conditions import StateText, UserID
from data.rules.forms import FormName, QuestionKey
from data.rules.problems import RuleModel, SortedSet
from data.rules.tagging import TagID

IDS_MAX = 500
DAYS_MAX = 3650
#: The statuses of orders that count: what was paid and kept.
COUNTED = frozenset({"paid", "finished"})

Days = Annotated[int, Field(ge=0, le=DAYS_MAX)]
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2099, 12, 31))]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
ChatID = Annotated[str, Field(min_length=1, max_length=64)]
FieldName = Annotated[str, Field(min_length=1, max_length=64)]
Value = Annotated[str, Field(min_length=1, max_length=512)]


def _whole_fen(yuan: float) -> float:
    if abs(yuan * 100 - round(yuan * 100)) > 1e-4:
        raise ValueError(Phrase("金额最多两位小数"))
    return yuan


Yuan = Annotated[float, Field(ge=0, le=1_000_000_000), AfterValidator(_whole_fen)]


class Leaf(RuleModel):
    """One question. In JSON only what was asked for is written."""

    @model_serializer(mode="wrap")
    def _only_what_is_asked(self, dump: Any) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value is not None}

    def require(self, *names: str) -> None:
        """Raises ValueError unless at least one of these was given."""
        if all(getattr(self, name) is None for name in names):
            raise ValueError(Phrase("至少要填一项：%(names)s", names=[*names]))


def _ordered(low: Any, high: Any, words: str) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(words)


class Match(StrEnum):
    """How many of the named things."""

    ANY = "any"
    ALL = "all"
    NONE = "none"


class TagsLeaf(Leaf):
    """Tags on the pair."""

    match: Match = Match.ANY
    tag_ids: SortedSet[TagID] = Field(min_length=1, max_length=IDS_MAX)


class StaffLeaf(Leaf):
    """The staff member is one of these."""

    userids: SortedSet[UserID] = Field(min_length=1, max_length=IDS_MAX)


class DepartmentLeaf(Leaf):
    """The staff member is in one of these departments, or in one below them."""

    department_ids: SortedSet[int] = Field(min_length=1, max_length=IDS_MAX)


class ChannelLeaf(Leaf):
    """The channel that the customer came through is one of `states`, or begins with one of `state_prefixes`."""

    states: SortedSet[StateText] = Field(default=frozenset(), max_length=IDS_MAX)
    state_prefixes: SortedSet[StateText] = Field(default=frozenset(), max_length=50)

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if not self.states and not self.state_prefixes:
            raise ValueError(Phrase("至少要填一项：states、state_prefixes"))
        return self


class AddWayLeaf(Leaf):
    """WeCom's number of the way of adding."""

    add_ways: SortedSet[int] = Field(min_length=1, max_length=50)


class Gender(StrEnum):
    """WeCom's numbers have names here."""

    UNKNOWN = "unknown"
    MALE = "male"
    FEMALE = "female"


class GenderLeaf(Leaf):
    """The customer's gender, as WeChat tells it."""

    genders: SortedSet[Gender] = Field(min_length=1)


class ContactType(StrEnum):
    """Of WeChat, or of another company's WeCom; unknown until fetched."""

    UNKNOWN = "unknown"
    WECHAT = "wechat"
    WECOM = "wecom"


class TypeLeaf(Leaf):
    """What kind of contact the customer is."""

    types: SortedSet[ContactType] = Field(min_length=1)


class Origin(StrEnum):
    """New to the company; known to a colleague before; or given to the staff member by hand-over."""

    NEW = "new"
    KNOWN = "known"
    INHERITED = "inherited"


class OriginLeaf(Leaf):
    """How the pair began."""

    origins: SortedSet[Origin] = Field(min_length=1)


class Ago(Leaf):
    """How long ago something was: at most so many days (0: today), or more than so many."""

    within_days: Days | None = None
    more_than_days_ago: Days | None = None

    def _no_contradiction(self) -> None:
        if self.within_days is not None and self.more_than_days_ago is not None:
            _ordered(self.more_than_days_ago + 1, self.within_days, Phrase("within_days 应大于 more_than_days_ago"))


class AddedLeaf(Ago):
    """When the two became contacts: between two days, both included, or so long ago."""

    since: Day | None = None
    until: Day | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        self.require("since", "until", "within_days", "more_than_days_ago")
        _ordered(self.since, self.until, Phrase("since 不能晚于 until"))
        self._no_contradiction()
        return self


class StatusLeaf(Leaf):
    """How the two stand. A segment without this leaf holds only those who are contacts now (`present`)."""

    statuses: SortedSet[FollowStatus] = Field(min_length=1)


class GroupLeaf(Leaf):
    """The customer is now in any (`none`: in none) of these customer groups; without `chat_ids`, of all groups."""

    match: Match = Match.ANY
    chat_ids: SortedSet[ChatID] = Field(default=frozenset(), max_length=IDS_MAX)

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if self.match is Match.ALL and not self.chat_ids:
            raise ValueError(Phrase("match 为 all 时要填 chat_ids"))
        return self


class LastTouchLeaf(Ago):
    """The last message that reached the customer: never one, or so long ago (which somebody never reached is not)."""

    never: StrictBool | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        self.require("never", "within_days", "more_than_days_ago")
        if self.never and (self.within_days is not None or self.more_than_days_ago is not None):
            raise ValueError(Phrase("never 不能和天数一起用"))
        if self.never is False:
            raise ValueError(Phrase("never 只能是 true"))
        self._no_contradiction()
        return self


class TouchesLeaf(Leaf):
    """How many messages reached the customer, of all time or within so many days."""

    within_days: Days | None = None
    at_least: Count | None = None
    at_most: Count | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        self.require("at_least", "at_most")
        _ordered(self.at_least, self.at_most, Phrase("at_least 不能大于 at_most"))
        return self


class Did(StrEnum):
    """What became of a campaign's message to a customer."""

    RECEIVED = "received"
    NOT_RECEIVED = "not_received"
    CLICKED = "clicked"


class CampaignLeaf(Leaf):
    """Whether a campaign reached the customer, and whether they followed a link in it."""

    campaign_id: int = Field(ge=1, lt=2**62)
    did: Did = Did.RECEIVED


class LinkLeaf(Leaf):
    """The customer has followed a tracked link, of all time or within so many days."""

    link_id: int = Field(ge=1, lt=2**62)
    within_days: Days | None = None


class Answered(StrEnum):
    """Whether a customer has sent a form."""

    ANSWERED = "answered"
    NOT_ANSWERED = "not_answered"


class FormLeaf(Leaf):
    """The customer has sent a form, of all time or within so many days; or has not.

    `question`: its key; the last answer says something to it, `one_of` these texts (of several chosen one is enough),
    or has its box `ticked` or not.
    """

    form: FormName
    did: Answered = Answered.ANSWERED
    within_days: Days | None = None
    question: QuestionKey | None = None
    one_of: SortedSet[Value] | None = Field(default=None, min_length=1, max_length=50)
    ticked: StrictBool | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if self.question is None and (self.one_of is not None or self.ticked is not None):
            raise ValueError(Phrase("one_of、ticked 要和 question 一起填"))
        if self.one_of is not None and self.ticked is not None:
            raise ValueError(Phrase("one_of 和 ticked 只能填一项"))
        if self.question is not None and self.did is Answered.NOT_ANSWERED:
            raise ValueError(Phrase("问的是答案时 did 只能是 answered；相反的情况请用 not"))
        return self


class RosterLeaf(Leaf):
    """The customer is on a roster, a list that was handed in as a file."""

    roster_id: int = Field(ge=1, lt=2**62)


class OrderStatus(StrEnum):
    """The states of an order."""

    PLACED = "placed"
    PAID = "paid"
    FINISHED = "finished"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


class OrdersLeaf(Leaf):
    """The customer's orders of these `statuses`: how many, for how much, and how long ago the last one was.

    `within_days` bounds which orders count and add up; all that is given must hold.
    """

    statuses: SortedSet[OrderStatus] = Field(default=frozenset(map(OrderStatus, COUNTED)), min_length=1)
    within_days: Days | None = None
    count_at_least: Count | None = None
    count_at_most: Count | None = None
    yuan_at_least: Yuan | None = None
    yuan_at_most: Yuan | None = None
    last_within_days: Days | None = None
    last_more_than_days_ago: Days | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        self.require(
            "count_at_least", "count_at_most", "yuan_at_least", "yuan_at_most", "last_within_days",
            "last_more_than_days_ago",
        )  # fmt: skip
        _ordered(self.count_at_least, self.count_at_most, Phrase("count_at_least 不能大于 count_at_most"))
        _ordered(self.yuan_at_least, self.yuan_at_most, Phrase("yuan_at_least 不能大于 yuan_at_most"))
        return self


class SilentLeaf(Leaf):
    """Nothing was seen of the customer for at least so many days, and the two have been contacts for as long.

    Seen are orders, clicks on tracked links, joining a customer group, and likes of and comments on posts in Moments.
    What the two write to each other no app sees. Of a pair whose beginning is not known it does not hold.
    """

    for_days: int = Field(ge=1, le=DAYS_MAX)


class BirthdayLeaf(Leaf):
    """The birthday, solar or lunar, is celebrated today (0) or within so many days."""

    within_days: int = Field(ge=0, le=366)


#: What is asked of custom fields of each kind.
FIELD_QUESTIONS: dict[str, tuple[str, ...]] = {
    "text": ("equals", "one_of", "contains"),
    "number": ("number_equals", "at_least", "at_most", "more_than", "less_than"),
    "date": ("on", "before", "after", "next_days", "last_days"),
    "flag": ("flag",),
}


class FieldLeaf(Leaf):
    """A custom field; all that is given must hold. Nothing but `is_set: false` holds for who has no value.

    `next_days` and `last_days` take today in. Text is compared as it is written.
    """

    name: FieldName
    is_set: StrictBool | None = None
    equals: Value | None = None
    one_of: SortedSet[Value] | None = Field(default=None, min_length=1, max_length=IDS_MAX)
    contains: Value | None = None
    number_equals: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    more_than: float | None = None
    less_than: float | None = None
    on: Day | None = None
    before: Day | None = None
    after: Day | None = None
    next_days: Days | None = None
    last_days: Days | None = None
    flag: StrictBool | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of field that can be asked this."""
        asked = {name for name in type(self).model_fields if getattr(self, name) is not None} - {"name", "is_set"}
        return frozenset(kind for kind, names in FIELD_QUESTIONS.items() if asked <= set(names))

    @model_validator(mode="after")
    def _asks(self) -> Self:
        self.require("is_set", *(name for names in FIELD_QUESTIONS.values() for name in names))
        if not self.kinds:
            raise ValueError(Phrase("这些条件不是同一种字段的"))
        if self.is_set is False and len(self.kinds) < len(FIELD_QUESTIONS):
            raise ValueError(Phrase("is_set 为 false 时不能有别的条件"))
        return self


class Wish(StrEnum):
    """What a customer wants: nothing at all, or nothing until a date that lies ahead."""

    OPTED_OUT = "opted_out"
    PAUSED = "paused"


class PreferenceLeaf(Leaf):
    """The customer wants one of these."""

    wishes: SortedSet[Wish] = Field(min_length=1)
