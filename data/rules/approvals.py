"""Approvals: which campaigns need one, who may decide, and what an approval covers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from data.models.approvals import ApprovalStatus

#: A response_code changes a card for 72 hours (WeCom doc 94888): a request that lives longer could not be closed.
VALID_HOURS_MAX = 72


class Decision(StrEnum):
    """What an approver says; the keys of a card's buttons."""

    APPROVE = "approve"
    REJECT = "reject"


class Refusal(StrEnum):
    """Why somebody may not decide."""

    STRANGER = "stranger"
    REQUESTER = "requester"
    DECIDED = "decided"
    VOID = "void"
    EXPIRED = "expired"


class Decider(NamedTuple):
    """Who decides: a member of staff; or, with `is_program`, a token by its name or an account by one of its
    `names_of`, which may do so at all."""

    name: str
    is_program: bool


def needs_approval(recipients: int, above: int) -> bool:
    """Whether a campaign to so many customers needs another manager. `above` 0: none does."""
    return 0 < above < recipients


def judge(
    status: ApprovalStatus,
    expires_at: datetime,
    now: datetime,
    decider: Decider,
    *,
    approvers: Collection[str],
    submitted_by: str,
    requested_by: str,
) -> Refusal | None:
    """Why somebody may not decide about a request, or None. Of a program its scope was checked before.

    Userids are the same however they are written: WeCom tells no upper case from lower case in them.
    """
    asks = requested_by.casefold()
    if decider.is_program:
        if decider.name == submitted_by or decider.name.casefold() == asks:
            return Refusal.REQUESTER
    elif decider.name.casefold() not in {each.casefold() for each in approvers}:
        return Refusal.STRANGER
    elif asks and decider.name.casefold() == asks:
        return Refusal.REQUESTER
    if status in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED):
        return Refusal.DECIDED
    if status == ApprovalStatus.VOID:
        return Refusal.VOID
    return Refusal.EXPIRED if status == ApprovalStatus.EXPIRED or now >= expires_at else None


def asked(approvers: Collection[str], requested_by: str) -> list[str]:
    """Who gets a card: all approvers but the one who asks, each once."""
    found = {each.casefold(): each for each in reversed(list(approvers))}
    found.pop(requested_by.casefold(), None)
    return [each for each in approvers if found.pop(each.casefold(), None) is not None]


def expires_at(now: datetime, valid_hours: int, starts: Iterable[datetime]) -> datetime:
    """Until when a request can be decided: never later than the first start to come that it is about."""
    return min([now + timedelta(hours=valid_hours), *(each for each in starts if each > now)])


def limit_of(above: int, approved: int | None, growth_percent: int) -> int | None:
    """How many a campaign may reach; None: any number. `approved`: the count of its approval, if it has one.

    What is small needs no approval; what was approved may grow by a share.
    """
    if not above:
        return None
    return max(above, 0 if approved is None else approved + approved * growth_percent // 100)


def expected(counts: Mapping[int, int], planned: Mapping[int, int]) -> int:
    """How many a campaign reaches as far as is known: waves that were planned by that, others as they were counted."""
    return sum({**counts, **planned}.values())
