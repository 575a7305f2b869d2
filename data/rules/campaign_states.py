"""How a campaign stands as a whole, of its runs and of the newest request for approval: one word for a list."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from data.models.approvals import ApprovalStatus
from data.models.campaigns import RunStatus


class CampaignState(StrEnum):
    """`draft`: it was not started. `asked`: approval is waited for. `held`: a person has to do something. `ahead`: it
    is to come. `sending`: WeCom is asked. `awaiting`: staff confirm. `over`: nothing about it changes any more."""

    DRAFT = "draft"
    ASKED = "asked"
    HELD = "held"
    AHEAD = "ahead"
    SENDING = "sending"
    AWAITING = "awaiting"
    OVER = "over"


#: What a run that has not ended makes of its campaign, the most urgent first.
OF_RUNS: tuple[tuple[CampaignState, frozenset[RunStatus]], ...] = (
    (CampaignState.HELD, frozenset({RunStatus.PAUSED, RunStatus.WORDS_DUE})),
    (CampaignState.SENDING, frozenset({RunStatus.PLANNING, RunStatus.SENDING})),
    (CampaignState.AWAITING, frozenset({RunStatus.AWAITING, RunStatus.CANCELLED, RunStatus.FAILED})),
    (CampaignState.AHEAD, frozenset({RunStatus.DUE})),
)


def state_of(open_runs: Collection[str], *, started: bool, approval: str | None) -> CampaignState:
    """`open_runs`: the statuses of the runs that have not ended."""
    if approval == ApprovalStatus.PENDING:
        return CampaignState.ASKED
    if not started:
        return CampaignState.DRAFT
    return next((state for state, statuses in OF_RUNS if statuses & set(open_runs)), CampaignState.OVER)
