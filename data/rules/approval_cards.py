"""The template card by which approval is asked for, and the words that take the place of its buttons.

A card is in the language of those who get it: `say` says the program's words in it, names stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any

from bot.phrases import Phrase
from data.models.approvals import Approval, ApprovalStatus
from data.rules.approvals import Decision, Refusal
from data.rules.campaigns import who_words
from data.rules.schedule import moment_words
from data.rules.timings import Timing

#: What WeCom shows of each part (WeCom doc 90236 advises these lengths), in characters.
TITLE_CHARS = 26
VALUE_CHARS = 26
TEXT_CHARS = 112
#: Words in the place of the buttons.
CHANGE_CHARS = 30

Say = Callable[[str], str]


def when_words(approval: Approval, timings: Sequence[Timing], zone: tzinfo) -> str:
    """When a campaign is sent whose waves have these times."""
    own = [each.at for each in timings if each.at is not None]
    if own:
        words = moment_words(min(own), zone)
    elif approval.start_at is None:
        words = Phrase("批准后由申请人开始")
    elif approval.start_at <= approval.submitted_at:
        words = Phrase("批准后立即")
    else:
        words = moment_words(approval.start_at, zone)
    return Phrase("%(when)s，重复发送", when=words) if any(each.repeats for each in timings) else words


def is_sum(approval: Approval) -> bool:
    """Whether its customers are counted over several waves, which may reach the same ones."""
    return sum(number > 0 for number in approval.counts.values()) > 1


def number_words(approval: Approval) -> str:
    """How many customers a campaign reaches."""
    number = f"{approval.recipients:,}"
    return Phrase("至多 %(number)s", number=number) if is_sum(approval) else number


def card_of(
    approval: Approval,
    task_id: str,
    *,
    text: str,
    requester: str,
    timings: Sequence[Timing],
    zone: tzinfo,
    say: Say = str,
) -> dict[str, Any]:
    """A card of the type button_interaction. `text` is what the first wave says, `requester` a name or empty."""
    number = number_words(approval)
    facts = [
        (
            Phrase("接收客户"),
            Phrase("%(number)s 位（各波次相加）", number=number)
            if is_sum(approval)
            else Phrase("%(number)s 位", number=number),
        ),
        (Phrase("发送员工"), Phrase("%(senders)s 人", senders=f"{approval.senders:,}")),
        (Phrase("发送时间"), when_words(approval, timings, zone)),
        (Phrase("申请人"), requester or who_words(approval.submitted_by)),
        (Phrase("审批截止"), moment_words(approval.expires_at, zone)),
    ]

    def said(words: str) -> str:
        return say(words) if isinstance(words, Phrase) else words

    return {
        "card_type": "button_interaction",
        "task_id": task_id,
        "source": {"desc": said(Phrase("群发审批"))},
        "main_title": {
            "title": cut(approval.campaign_name, TITLE_CHARS), "desc": said(Phrase("这个群发计划等待您审批"))
        },
        "sub_title_text": cut(text, TEXT_CHARS),
        "horizontal_content_list": [
            {"keyname": said(name), "value": cut(said(value), VALUE_CHARS)} for name, value in facts
        ],
        "button_list": [
            {"text": said(Phrase("批准")), "style": 1, "key": Decision.APPROVE.value},
            {"text": said(Phrase("驳回")), "style": 2, "key": Decision.REJECT.value},
        ],
    }  # fmt: skip


VOID_WORDS = {
    "changed": Phrase("计划已修改，审批作废"),
    "started": Phrase("计划已开始，审批作废"),
    "removed": Phrase("计划已删除，审批作废"),
    "again": Phrase("已重新提交审批"),
}


def change_words(approval: Approval, decider: str) -> str:
    """What stands in the place of a card's buttons once a request has ended, before it is cut to CHANGE_CHARS.
    `decider` is a name."""
    if approval.status == ApprovalStatus.APPROVED:
        return Phrase("%(who)s已批准", who=decider)
    if approval.status == ApprovalStatus.REJECTED:
        return Phrase("%(who)s已驳回", who=decider)
    if approval.status == ApprovalStatus.VOID:
        return VOID_WORDS.get(approval.reason, Phrase("审批作废"))
    return Phrase("审批已过期")


REFUSAL_WORDS = {
    Refusal.STRANGER: Phrase("您不是审批人"),
    Refusal.REQUESTER: Phrase("不能审批自己的申请"),
}


def outcome_words(approval: Approval, decider: str, zone: tzinfo) -> str:
    """A sentence about how a request ended, for an app message."""
    if approval.status == ApprovalStatus.APPROVED:
        if approval.reason:
            return Phrase("%(who)s已批准，但没有开始：%(why)s", who=decider, why=approval.reason)
        if approval.start_at is None:
            return Phrase("%(who)s已批准，现在可以开始发送", who=decider)
        if approval.decided_at is not None and approval.start_at <= approval.decided_at:
            return Phrase("%(who)s已批准，现在开始发送", who=decider)
        at = moment_words(approval.start_at, zone)
        return Phrase("%(who)s已批准，将在 %(at)s 开始发送", who=decider, at=at)
    if approval.status == ApprovalStatus.REJECTED and approval.reason:
        return Phrase("%(who)s已驳回：%(why)s", who=decider, why=approval.reason)
    return change_words(approval, decider)


def cut(text: str, most: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
