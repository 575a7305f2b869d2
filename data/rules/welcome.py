"""The first message to a new customer: which rule's words, and whether to send them at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from bot.phrases import Phrase
from data.rules import messages
from data.rules.conditions import (
    Conditions,
    FailedCondition,
    Occasion,
    Outcome,
    RuleName,
    Verdict,
    explanation,
)
from data.rules.messages import MessageContent
from data.rules.problems import Problem, RuleModel

#: A welcome code lives this long from its event (WeCom doc 92137).
CODE_LIFE_SECONDS = 20.0
#: Rules told in the explanation that is stored with each event.
EXPLAINED_RULES = 20

#: `new`: nobody at the company had the customer; `followed`: a colleague already had.
Customer = Literal["new", "followed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WelcomeFacts(Occasion):
    """An add. `followed_by_colleague` is None where it is not known; a rule that asks for it then does not
    match.
    """

    followed_by_colleague: bool | None = None

    @property
    def customer(self) -> Customer | None:
        if self.followed_by_colleague is None:
            return None
        return "followed" if self.followed_by_colleague else "new"


class WelcomeConditions(Conditions):
    """When a welcome rule applies; without any condition it is the default."""

    customer: Customer | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing: it holds on every occasion."""
        return not any(getattr(self, name) for name in type(self).model_fields)

    def failed(self, occasion: Occasion) -> list[FailedCondition]:
        found = super().failed(occasion)
        got = occasion.customer if isinstance(occasion, WelcomeFacts) else None
        if self.customer is not None and got != self.customer:
            found.append(FailedCondition("customer", self.customer, got or "unknown"))
        return found


class WelcomeRule(RuleModel):
    """Words for new customers. `content.text` and `fallback_text` are templates of the kind `welcome`.

    `fallback_text` goes alone when the attachments cannot be had in time; empty: `content.text` does.
    """

    id: int = 0
    name: RuleName
    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    enabled: bool = True
    conditions: WelcomeConditions = WelcomeConditions()
    content: MessageContent
    fallback_text: str = ""

    @property
    def is_default(self) -> bool:
        return self.conditions.is_empty

    @property
    def text_without_media(self) -> str:
        """The template to send when media cannot be had."""
        return self.fallback_text or self.content.text


def problems(rule: WelcomeRule) -> list[Problem]:
    """What is wrong with a rule, apart from its two templates, which the renderer checks."""
    found = rule.conditions.problems()
    if rule.content.is_empty:
        found.append(Problem("content", Phrase("文字和附件不能都为空")))
    for each in messages.attachment_problems(rule.content, tracked=True):
        found.append(Problem(f"content.{each.path}", each.message))
    only_media = rule.content.attachments and rule.content.without_media().is_empty
    if only_media and not rule.fallback_text.strip():
        found.append(Problem("fallback_text", Phrase("没有文字的欢迎语要写一段备用文字，素材失效时用它代替")))
    return found


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that applies, and what became of every rule, best-ranked first."""

    rule: WelcomeRule | None
    verdicts: tuple[Verdict, ...]

    def to_json(self, max_rules: int = EXPLAINED_RULES) -> dict[str, Any]:
        """Which rule matched and why, to store with the event."""
        return {"rule_id": self.rule.id if self.rule else None, **explanation(self.verdicts, max_rules)}


def match(rules: Iterable[WelcomeRule], facts: WelcomeFacts) -> Match:
    """The enabled rule of the highest priority whose conditions all hold; of equals the one with the lowest
    id.

    A default rule is matched like any other, but ranks after all rules that ask for something.
    """
    winner: WelcomeRule | None = None
    verdicts: list[Verdict] = []
    for rule in sorted(rules, key=lambda rule: (rule.is_default, -rule.priority, rule.id)):
        failed = tuple(rule.conditions.failed(facts)) if rule.enabled else ()
        if not rule.enabled:
            outcome = Outcome.DISABLED
        elif failed:
            outcome = Outcome.FAILED
        elif winner is None:
            outcome, winner = Outcome.MATCHED, rule
        else:
            outcome = Outcome.OUTRANKED
        verdicts.append(Verdict(rule.id, rule.name, rule.priority, outcome, failed))
    return Match(winner, tuple(verdicts))


class Inheritance(StrEnum):
    """What shows that an add is an inheritance: WeCom reports it like an add by a new customer."""

    TRANSFER_ROW = "transfer_row"
    ADD_WAY = "add_way"
    COLLEAGUE_DELETED_BY_TRANSFER = "colleague_deleted_by_transfer"


#: Shared by a colleague, assigned by an administrator (WeCom doc 92114, add_way).
INHERITED_ADD_WAYS = frozenset({201, 202})


def find_inheritance(
    *, transfer_pending: bool, add_way: int | None, colleague_deleted_by_transfer: bool
) -> Inheritance | None:
    """The strongest evidence that an add is an inheritance; None: it looks like a customer's own add.

    `transfer_pending`: our transfer rows hold this customer on the way to this staff member. `add_way`: as
    fetched, None when it was not. `colleague_deleted_by_transfer`: a colleague lost the customer with
    `DELETE_BY_TRANSFER`.
    """
    if transfer_pending:
        return Inheritance.TRANSFER_ROW
    if add_way in INHERITED_ADD_WAYS:
        return Inheritance.ADD_WAY
    if colleague_deleted_by_transfer:
        return Inheritance.COLLEAGUE_DELETED_BY_TRANSFER
    return None


class PriorWelcome(StrEnum):
    """The state of the welcome row of the same add: a half-add and its add are one."""

    #: A call to WeCom was begun and its outcome is not known here.
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    MISSED = "missed"


class SkipReason(StrEnum):
    INHERITED = "inherited"
    ALREADY_SENT = "already_sent"
    BEING_SENT = "being_sent"
    ALREADY_MISSED = "already_missed"
    CHAT_STARTED = "chat_started"
    NO_RULE = "no_rule"
    NO_CODE = "no_code"
    UNWANTED = "unwanted"
    OBSERVE = "observe"


class MissedCause(StrEnum):
    #: The 20 seconds were over before we could try.
    TOO_LATE = "too_late"
    #: WeCom says that the code is no longer or not valid (41050).
    CODE_REFUSED = "code_refused"
    #: Another app kept sending (41096) until the 20 seconds were over.
    OTHER_APP = "other_app"
    #: The customer has not agreed to chat archiving (41053).
    ARCHIVE_NOT_AGREED = "archive_not_agreed"
    #: WeCom refused for another reason; its code is kept beside the cause.
    REFUSED = "refused"
    #: A call was begun, and whether it arrived cannot be told any more.
    OUTCOME_UNKNOWN = "outcome_unknown"


SKIP_SENTENCES = {
    SkipReason.INHERITED: Phrase("这是在职或离职继承的客户，不按新客户欢迎"),
    SkipReason.ALREADY_SENT: Phrase("这次添加的欢迎语已经发出"),
    SkipReason.BEING_SENT: Phrase("这次添加的欢迎语正在由另一个事件发送"),
    SkipReason.ALREADY_MISSED: Phrase("这次添加的欢迎语已经错过，并已提醒员工"),
    SkipReason.CHAT_STARTED: Phrase("企业微信表示欢迎语已送达或双方已开始聊天"),
    SkipReason.NO_RULE: Phrase("没有符合的欢迎语规则"),
    SkipReason.NO_CODE: (
        Phrase("事件没有带 WelcomeCode：管理后台为该员工设置了欢迎语、双方已在聊天、或对方是其他企业的企业微信用户")
    ),
    SkipReason.UNWANTED: Phrase("客户不希望收到消息，设置中未开启对其发送欢迎语"),
    SkipReason.OBSERVE: Phrase("观察模式：只记录，不发送"),
}
MISSED_SENTENCES = {
    MissedCause.TOO_LATE: Phrase("超过了 20 秒的发送时限"),
    MissedCause.CODE_REFUSED: Phrase("企业微信表示欢迎语凭证无效或已过期（41050）"),
    MissedCause.OTHER_APP: Phrase("另一个应用一直在发送欢迎语（41096）"),
    MissedCause.ARCHIVE_NOT_AGREED: Phrase("客户还没有同意会话存档（41053）"),
    MissedCause.REFUSED: Phrase("企业微信拒绝了这条欢迎语"),
    MissedCause.OUTCOME_UNKNOWN: Phrase("已尝试发送，但无法确认是否送达"),
}


@dataclass(frozen=True, slots=True)
class Send:
    """Send the words of `rule` with the event's code, now."""

    rule: WelcomeRule


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing is to be sent, and nobody has to do anything."""

    reason: SkipReason

    @property
    def sentence(self) -> str:
        return SKIP_SENTENCES[self.reason]


@dataclass(frozen=True, slots=True)
class Missed:
    """There were words to send and they did not go out: the staff member gets them to send by hand."""

    cause: MissedCause

    @property
    def sentence(self) -> str:
        return MISSED_SENTENCES[self.cause]


WelcomeDecision = Send | Skip | Missed


def decide_welcome(
    *,
    rule: WelcomeRule | None,
    has_code: bool,
    age_seconds: float,
    mode: Literal["live", "observe"],
    inheritance: Inheritance | None = None,
    prior: PriorWelcome | None = None,
    unwanted: bool = False,
) -> WelcomeDecision:
    """Whether to send the words of the matched `rule` on an add event.

    `age_seconds`: from the event's creation until now. To try again after a call whose outcome is unknown is
    safe as long as there is a live code: WeCom lets one succeed and refuses the others. `unwanted`: the customer wants
    no message, and a welcome counts as one.
    """
    skip = _reason_to_skip(rule, has_code, mode, inheritance, prior)
    if skip is None and unwanted:
        skip = SkipReason.UNWANTED
    if rule is None or skip is not None:
        return Skip(skip or SkipReason.NO_RULE)
    if age_seconds >= CODE_LIFE_SECONDS:
        if prior is PriorWelcome.MISSED:
            return Skip(SkipReason.ALREADY_MISSED)
        unknown = prior is PriorWelcome.SENDING
        return Missed(MissedCause.OUTCOME_UNKNOWN if unknown else MissedCause.TOO_LATE)
    return Send(rule)


def _reason_to_skip(
    rule: WelcomeRule | None,
    has_code: bool,
    mode: Literal["live", "observe"],
    inheritance: Inheritance | None,
    prior: PriorWelcome | None,
) -> SkipReason | None:
    if prior is PriorWelcome.SENT:
        return SkipReason.ALREADY_SENT
    if inheritance is not None:
        return SkipReason.INHERITED
    if rule is None:
        return SkipReason.NO_RULE
    if not has_code:
        return {
            PriorWelcome.SENDING: SkipReason.BEING_SENT,
            PriorWelcome.MISSED: SkipReason.ALREADY_MISSED,
        }.get(prior or PriorWelcome.SKIPPED, SkipReason.NO_CODE)
    return SkipReason.OBSERVE if mode == "observe" else None


@dataclass(frozen=True, slots=True)
class RetrySend:
    """The same again, at once: the code still lives."""


@dataclass(frozen=True, slots=True)
class SendTextOnly:
    """WeCom does not accept the attachments: send `WelcomeRule.text_without_media` with the same code."""


#: 41096: another app is sending this welcome right now; -1: WeCom is busy.
RETRIED_CODES = frozenset({-1, 41096})
#: Media that is invalid, expired or of another kind, and attachments with a field that WeCom does not accept.
ATTACHMENT_CODES = frozenset(
    {40004, 40005, 40006, 40007, 40009, 40011, 40035, 40058, 40123, 40145, 41006, 41064, 41065, 41072, 44001}
)


def decide_refusal(
    *, errcode: int, age_seconds: float, sent_attachments: bool
) -> RetrySend | SendTextOnly | Skip | Missed:
    """What to do after WeCom answered `send_welcome_msg` with `errcode` (not 0).

    `age_seconds`: from the event's creation until now. `sent_attachments`: whether the refused message had
    any.
    """
    in_time = age_seconds < CODE_LIFE_SECONDS
    if errcode == 41051:
        return Skip(SkipReason.CHAT_STARTED)
    if errcode in RETRIED_CODES and in_time:
        return RetrySend()
    if errcode in ATTACHMENT_CODES and sent_attachments and in_time:
        return SendTextOnly()
    causes = {
        41050: MissedCause.CODE_REFUSED,
        41053: MissedCause.ARCHIVE_NOT_AGREED,
        41096: MissedCause.OTHER_APP,
    }
    return Missed(causes.get(errcode, MissedCause.REFUSED))
