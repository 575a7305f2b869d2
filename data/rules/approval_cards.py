"""The template card by which approval is asked for, and the words that take the place of its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

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


def when_words(approval: Approval, timings: Sequence[Timing], zone: tzinfo) -> str:
    """When a campaign is sent whose waves have these times."""
    own = [each.at for each in timings if each.at is not None]
    if own:
        words = moment_words(min(own), zone)
    elif approval.start_at is None:
        words = "批准后由申请人开始"
    elif approval.start_at <= approval.submitted_at:
        words = "批准后立即"
    else:
        words = moment_words(approval.start_at, zone)
    return f"{words}，重复发送" if any(each.repeats for each in timings) else words


def is_sum(approval: Approval) -> bool:
    """Whether its customers are counted over several waves, which may reach the same ones."""
    return sum(number > 0 for number in approval.counts.values()) > 1


def number_words(approval: Approval) -> str:
    """How many customers a campaign reaches."""
    return f"至多 {approval.recipients:,}" if is_sum(approval) else f"{approval.recipients:,}"


def card_of(
    approval: Approval, task_id: str, *, text: str, requester: str, timings: Sequence[Timing], zone: tzinfo
) -> dict[str, Any]:
    """A card of the type button_interaction. `text` is what the first wave says, `requester` a name or empty."""
    facts = [
        ("接收客户", f"{number_words(approval)} 位{'（各波次相加）' if is_sum(approval) else ''}"),
        ("发送员工", f"{approval.senders:,} 人"),
        ("发送时间", when_words(approval, timings, zone)),
        ("申请人", requester or who_words(approval.submitted_by)),
        ("审批截止", moment_words(approval.expires_at, zone)),
    ]
    return {
        "card_type": "button_interaction",
        "task_id": task_id,
        "source": {"desc": "群发审批"},
        "main_title": {"title": _cut(approval.campaign_name, TITLE_CHARS), "desc": "这个群发计划等待您审批"},
        "sub_title_text": _cut(text, TEXT_CHARS),
        "horizontal_content_list": [
            {"keyname": name, "value": _cut(value, VALUE_CHARS)} for name, value in facts
        ],
        "button_list": [
            {"text": "批准", "style": 1, "key": Decision.APPROVE.value},
            {"text": "驳回", "style": 2, "key": Decision.REJECT.value},
        ],
    }  # fmt: skip


VOID_WORDS = {
    "changed": "计划已修改，审批作废",
    "started": "计划已开始，审批作废",
    "removed": "计划已删除，审批作废",
    "again": "已重新提交审批",
}


def change_words(approval: Approval, decider: str) -> str:
    """What stands in the place of a card's buttons once a request has ended. `decider` is a name."""
    if approval.status == ApprovalStatus.APPROVED:
        words = f"{decider}已批准"
    elif approval.status == ApprovalStatus.REJECTED:
        words = f"{decider}已驳回"
    elif approval.status == ApprovalStatus.VOID:
        words = VOID_WORDS.get(approval.reason, "审批作废")
    else:
        words = "审批已过期"
    return _cut(words, CHANGE_CHARS)


REFUSAL_WORDS = {
    Refusal.STRANGER: "您不是审批人",
    Refusal.REQUESTER: "不能审批自己的申请",
}


def outcome_words(approval: Approval, decider: str, zone: tzinfo) -> str:
    """A sentence about how a request ended, for an app message."""
    if approval.status == ApprovalStatus.APPROVED:
        if approval.reason:
            return f"{decider}已批准，但没有开始：{approval.reason}"
        if approval.start_at is None:
            return f"{decider}已批准，现在可以开始发送"
        began = approval.decided_at is not None and approval.start_at <= approval.decided_at
        return (
            f"{decider}已批准，{'现在开始发送' if began else f'将在 {moment_words(approval.start_at, zone)} 开始发送'}"
        )
    if approval.status == ApprovalStatus.REJECTED:
        return f"{decider}已驳回" + (f"：{approval.reason}" if approval.reason else "")
    return change_words(approval, decider)


def _cut(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
