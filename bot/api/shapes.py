"""The shapes of answers that several routes give, and of those that are read straight from a table."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from data.models import WelcomeStatus
from data.rules.messages import MediaType
from data.rules.problems import RuleModel

Item = TypeVar("Item")


class Items(RuleModel, Generic[Item]):
    """All of them."""

    items: list[Item]


class Page(RuleModel, Generic[Item]):
    """Items, newest first. The next page is asked with `before_id`; null: there is none."""

    items: list[Item]
    next_before_id: int | None


class Nothing(RuleModel):
    """It is done."""


class MergePatch(BaseModel):
    """Fields to change (RFC 7386): objects field by field, lists as a whole, null takes a field back."""

    model_config = ConfigDict(extra="allow")


class ProblemTold(RuleModel):
    """One fault: the path of the field, and what is wrong with it."""

    path: str
    message: str


class ErrorTold(RuleModel):
    """What went wrong: a stable word, a sentence, what to do about it, and what is wrong field by field."""

    code: str
    message: str
    remedy: str
    problems: list[ProblemTold]


class Failure(RuleModel):
    """The shape of every error."""

    error: ErrorTold


class FailedCondition(RuleModel):
    """A condition that did not hold: what the rule asked for and what was the case."""

    condition: str
    wanted: Any
    got: Any


class VerdictTold(BaseModel):
    """What became of a rule, and where it failed, why."""

    rule_id: int
    rule_name: str
    priority: int
    outcome: Literal["matched", "outranked", "failed", "disabled"]
    failed: list[FailedCondition] = []


class WelcomeTrialTold(RuleModel):
    """Which welcome rule matches and what would be said; `left_out` counts rules that are not explained."""

    rule_id: int | None
    rules: list[VerdictTold]
    left_out: int
    words: str
    words_without_media: str
    attachments: list[dict[str, Any]]


class ConflictTold(RuleModel):
    """`rule_id` wanted the opposite of what the better-ranked `winner_id` had decided for the tag."""

    tag_id: str
    rule_id: int
    winner_id: int


class TagTrialTold(RuleModel):
    """Which tags would be put on and taken off; `redundant` are as wanted already."""

    add: list[str]
    remove: list[str]
    redundant: list[str]
    conflicts: list[ConflictTold]
    rules: list[VerdictTold]
    left_out: int
    names: dict[str, str]


class WelcomeTold(RuleModel):
    """One add and its greeting."""

    id: int
    event_id: int
    kind: str
    userid: str
    external_userid: str
    state: str
    status: WelcomeStatus
    reason: str
    note: str
    rule_id: int | None
    explanation: dict[str, Any]
    words: str
    attachments: int
    received_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


class MediaUseTold(RuleModel):
    """Who uses a file: a welcome rule, a group welcome, a campaign that may still send, a journey not stopped, a
    channel's poster, a script, an answer or a rule of customer service."""

    kind: Literal["welcome_rule", "group_welcome", "script", "campaign", "journey", "channel", "knowledge", "kf_rule"]
    id: int
    name: str


class MediaTold(RuleModel):
    """A file of the media library; `media` is the key by which messages name it."""

    media: str
    kind: MediaType
    filename: str
    size_bytes: int
    used_by: list[MediaUseTold]


class ChannelTold(RuleModel):
    """A contact way, or a link. `state` comes back in the events of customers who scanned its code.

    Of a link `config_id` is its link_id and `qr_code` its address; its state is known where it was made here.
    """

    config_id: str
    kind: Literal["code", "link"]
    state: str
    name: str
    qr_code: str
    userids: list[str]
    department_ids: list[int]
    skip_verify: bool
    seen_at: datetime


class StaffTold(RuleModel):
    """A member. `status` is WeCom's: 1 active, 2 disabled, 4 not activated, 5 left."""

    userid: str
    name: str
    alias: str
    position: str
    department_ids: list[int]
    main_department_id: int | None
    status: int
    follows_customers: bool
    seen_at: datetime


class CompanyTag(RuleModel):
    """A tag of the company. `made_by_us`: null where that is not known yet."""

    tag_id: str
    name: str
    group_id: str
    group_name: str
    order: int
    made_by_us: bool | None


class CompanyTagGroup(RuleModel):
    """A group of tags, with how many are in it."""

    group_id: str
    name: str
    order: int
    made_by_us: bool | None
    tags: int


class RuleNamed(RuleModel):
    """A rule by number and name."""

    id: int
    name: str


class TagUse(RuleModel):
    """Who would miss deleted tags: how many contacts wore one, and which rules name one."""

    worn: int
    rules: list[RuleNamed]


class CallbackTold(RuleModel):
    """Signs of life of one configured callback."""

    name: str
    verified_at: datetime | None
    last_event_at: datetime | None
    last_add_at: datetime | None
    last_welcome_code_at: datetime | None
    adds_without_code: int


class TaskCounts(RuleModel):
    """Tasks of the inbox that are not done."""

    waiting: int
    claimed: int
    dead: int


class HealthTold(RuleModel):
    """What the callbacks have shown, and what waits."""

    mode: Literal["live", "observe"]
    callbacks: list[CallbackTold]
    tasks: TaskCounts
    oldest_waiting_at: datetime | None


class PreferenceTold(RuleModel):
    """How much a customer wants to hear."""

    external_userid: str
    opted_out: bool
    opted_out_at: datetime | None
    paused_until: datetime | None
    cap_count: int | None
    cap_days: int | None
    reason: str
    changed_by: str
    changed_at: datetime | None


class TouchTold(RuleModel):
    """Something that reached a customer; `because` says why, as far as it is kept."""

    id: int
    origin: str
    kind: str
    external_userid: str
    userid: str
    campaign_id: int | None
    touched_at: datetime
    clicked_at: datetime | None
    because: dict[str, Any]


class ExportTold(RuleModel):
    """Everything that is kept about a customer: all rows, by table."""

    external_userid: str
    exported_at: datetime
    tables: dict[str, list[dict[str, Any]]]


class ErasedTold(RuleModel):
    """What an erasure removed: rows by table, and in how many events the customer was."""

    rows: dict[str, int]
    events: int
