"""Approval (审批) of campaigns: asked for, decided by card, API or command; `approval_limits` says what it covers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.approval_limits import Counted, count_campaign, find_excess
from bot.campaign_plans import calendar_of
from bot.cards import close_card, decider_name, end_requests, shown_words, tell
from bot.config import ApprovalSettings
from bot.context import Context
from bot.errors import ObservingError
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.saying import told
from bot.staff_words import language_of
from data.errors import ConflictError
from data.models import Approval, ApprovalStatus, Campaign, Card, Run, Wave
from data.queries import accounts as account_rows
from data.queries import approvals as rows
from data.queries import campaign_edits as edit_rows
from data.queries import campaigns as campaign_rows
from data.queries import cards as card_rows
from data.queries import staff as staff_rows
from data.queries.audit import add_entry
from data.rules import approvals as rules
from data.rules.approval_cards import REFUSAL_WORDS, card_of, change_words, outcome_words
from data.rules.approvals import Decider, Decision, Refusal
from data.rules.problems import InvalidRuleError, Problem

log = get_logger("approvals")

#: Ways of deciding that members have in the app; who uses the console is written down there.
IN_THE_APP = ("card", "message")


# -- asking


async def submit(
    ctx: Context,
    campaign_id: int,
    submitted_by: str,
    *,
    at: datetime | None = None,
    requested_by: str = "",
    version: int | None = None,
) -> None:
    """Count whom a campaign reaches, and ask for approval of that; with `at`, approval starts it then.

    An earlier request of it is void. Raises ObservingError, NotFoundError, InvalidRuleError, and ConflictError when
    nobody would receive it, it was changed meanwhile, or it was started and needs no other approval.
    """
    if ctx.observes:
        raise ObservingError
    campaign, waves, runs = await ctx.db.read(_read, campaign_id, ctx.settings.approval, at)
    if version is not None:
        edit_rows.refuse_stale(campaign, version)
    if requested_by and await ctx.db.read(staff_rows.find_staff, requested_by) is None:
        raise InvalidRuleError([Problem("requested_by", Phrase("没有这位员工"))])
    counted = await count_campaign(ctx, waves, runs)
    now, settings = ctx.clock.now(), ctx.settings.approval
    values = {
        "campaign_id": campaign_id,
        "campaign_name": campaign.name,
        "version": campaign.version,
        "status": ApprovalStatus.PENDING,
        "senders": len(counted.by_sender),
        "start_at": at,
        "submitted_by": submitted_by[:80],
        "requested_by": requested_by,
        "approvers": rules.asked(settings.approvers, requested_by),
        "submitted_at": now,
        "expires_at": rules.expires_at(now, settings.valid_hours, _starts(waves, at)),
    }
    await ctx.db.write(_submit, ctx, values, counted)


def _starts(waves: Sequence[Wave], at: datetime | None) -> list[datetime]:
    return [each for each in (at, *(campaign_rows.timing_of(wave).at for wave in waves)) if each is not None]


def _read(
    session: Session, campaign_id: int, settings: ApprovalSettings, at: datetime | None
) -> tuple[Campaign, list[Wave], list[Run]]:
    campaign = campaign_rows.get_campaign(session, campaign_id)
    runs = campaign_rows.list_runs(session, [campaign_id])
    if runs:
        approved = rows.find_approved(session, campaign_id, campaign.version) is not None
        needed = settings.above and (not approved or find_excess(session, campaign_id, settings) is not None)
        if not needed or all(run.ended_at is not None for run in runs):
            raise ConflictError(f"Campaign {campaign_id} was started before.", "Make another one to send it again.")
        if at is not None:
            raise ConflictError(f"Campaign {campaign_id} was started before.", "Resume it once it is approved.")
    waves = rows.list_counted(session, campaign)
    if not waves:
        raise ConflictError(f"Campaign {campaign_id} is about to send nothing.", "Ask when something waits.")
    return campaign, waves, runs


def _submit(session: Session, ctx: Context, values: Mapping[str, Any], counted: Counted) -> None:
    campaign_id: int = values["campaign_id"]
    edit_rows.refuse_stale(edit_rows.lock_campaign(session, campaign_id), values["version"])
    campaign, waves, _ = _read(session, campaign_id, ctx.settings.approval, values["start_at"])
    counts = {**counted.by_wave, **_planned(session, waves)}
    if not any(counts.values()):
        raise ConflictError(f"Nobody would receive campaign {campaign_id}.", "Look at its preview.")
    approval = Approval(
        **values,
        counts={str(wave_id): number for wave_id, number in counts.items()},
        recipients=sum(counts.values()),
    )
    # Of a journey's steps each keeps what it was granted.
    is_journeys = campaign.journey_id is not None
    end_requests(session, approval.campaign_id, "again", approval.submitted_at, granted=not is_journeys)
    session.add(approval)
    session.flush()
    if approval.approvers:
        requester = staff_rows.get_card(session, approval.requested_by).name if approval.requested_by else ""
        timings = [campaign_rows.timing_of(wave) for wave in waves]
        asked: dict[str, list[str]] = {}
        for userid in approval.approvers:
            asked.setdefault(language_of(session, ctx, userid), []).append(userid)
        for language, userids in asked.items():
            task_id = f"approval-{approval.id}-{secrets.token_hex(8)}"
            body = card_of(
                approval, task_id, text=counted.text, requester=requester, timings=timings, zone=ctx.settings.zone,
                say=partial(told, language),
            )  # fmt: skip
            card_rows.add_card(session, approval.id or 0, task_id, userids, body, approval.submitted_at, language)
    log.info("approval_asked", approval=approval.id, campaign=approval.campaign_id, recipients=approval.recipients)


def _planned(session: Session, waves: Sequence[Wave]) -> dict[int, int]:
    """How many these waves reach, of those that were planned."""
    planned = rows.count_planned(session, waves[0].campaign_id)
    return {wave.id or 0: planned[wave.id or 0] for wave in waves if wave.id in planned}


# -- deciding


class Click(NamedTuple):
    """A button that a member pressed on a card."""

    userid: str
    task_id: str
    key: str
    response_code: str


async def decide(
    ctx: Context,
    campaign_id: int,
    decision: Decision,
    decider: Decider,
    *,
    version: int | None = None,
    reason: str = "",
    via: str = "",
) -> None:
    """Decide about the request of a campaign that waits, by API or command, or by another way with `via`.

    Raises ObservingError, NotFoundError, and ConflictError: no request waits, of this version, or this one may not.
    """
    if ctx.observes:
        raise ObservingError
    await ctx.db.write(_decide_pending, ctx, campaign_id, decision, decider, version, reason, via)


def _decide_pending(
    session: Session,
    ctx: Context,
    campaign_id: int,
    decision: Decision,
    decider: Decider,
    version: int | None,
    reason: str,
    via: str,
) -> None:
    campaign = edit_rows.lock_campaign(session, campaign_id)
    if version is not None:
        edit_rows.refuse_stale(campaign, version)
    approval = rows.lock_pending(session, campaign_id)
    if approval is None:
        raise ConflictError(f"No request for approval of campaign {campaign_id} waits.", "Submit it first.")
    via = via or ("api" if decider.is_program else "command")
    refusal = _decide(session, ctx, approval, decision, decider, via, reason=reason)
    if refusal is not None:
        raise ConflictError(*_REFUSED[refusal])


def decide_by_message(
    session: Session, ctx: Context, campaign_id: int, decision: Decision, userid: str, reason: str
) -> Approval | Refusal:
    """Decide about the request of a campaign that waits, as a member has written to the app; the request, or why not.

    STRANGER is said of a campaign that there is not, too: who may not decide learns nothing of it.
    """
    campaign = edit_rows.find_locked(session, campaign_id)
    approval = rows.lock_pending(session, campaign_id) if campaign is not None else None
    if approval is None:
        ended = rows.find_latest(session, [campaign_id]).get(campaign_id)
        asked = {each.casefold() for each in ended.approvers} if ended is not None else set[str]()
        decided = ended is not None and ended.status in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)
        return Refusal.DECIDED if decided and userid.casefold() in asked else Refusal.STRANGER
    decider = Decider(userid, is_program=False)
    return _decide(session, ctx, approval, decision, decider, "message", reason=reason) or approval


_REFUSED: Mapping[Refusal, tuple[str, str]] = {
    Refusal.STRANGER: ("This member may not approve.", "approval.approvers names those who may."),
    Refusal.REQUESTER: ("Whoever asks for approval cannot decide about it.", "Let another manager decide."),
    Refusal.DECIDED: ("It was decided before.", "Look at the campaign."),
    Refusal.VOID: ("The request is void.", "Submit the campaign again."),
    Refusal.EXPIRED: ("The request has expired.", "Submit the campaign again."),
}


async def decide_by_click(ctx: Context, click: Click) -> str:
    """What a click on a card brought about: one word, or empty when the card is none of ours or was handled before."""
    return await ctx.db.write(_click, ctx, click)


def _click(session: Session, ctx: Context, click: Click) -> str:
    card = card_rows.find_card(session, click.task_id)
    known = session.get(Approval, card.approval_id) if card is not None else None
    if card is None or known is None or click.key not in set(Decision):
        return ""
    # The first lock of all who write about a campaign's approval; the campaign itself may be gone.
    session.get(Campaign, known.campaign_id, with_for_update=True)
    approval = rows.lock_approval(session, known.id or 0)
    if approval is None or (click.response_code and card_rows.has_change(session, click.response_code)):
        return ""
    decision, now = Decision(click.key), ctx.clock.now()
    refusal = _decide(session, ctx, approval, decision, Decider(click.userid, is_program=False), "card")
    words: str | None = REFUSAL_WORDS.get(refusal) if refusal else None
    if click.response_code:
        shown = shown_words(card, words or change_words(approval, decider_name(session, approval)))
        card_rows.add_change(session, card.id or 0, click.response_code, [click.userid], shown, now)
    if refusal is None:
        if approval.status == ApprovalStatus.APPROVED and approval.reason:
            outcome = outcome_words(approval, decider_name(session, approval), ctx.settings.zone)
            tell(session, ctx, approval, click.userid, outcome, "not started")
        return approval.status
    outcome = words or outcome_words(approval, decider_name(session, approval), ctx.settings.zone)
    outcome = Phrase("%(outcome)s；这次点击没有生效", outcome=outcome)
    tell(session, ctx, approval, click.userid, outcome, f"click:{click.response_code[:40]}")
    return refusal


def _decide(
    session: Session, ctx: Context, approval: Approval, decision: Decision, decider: Decider, via: str, reason: str = ""
) -> Refusal | None:
    """Decide about a request that is locked, its campaign before it; why it cannot be, if so."""
    now = ctx.clock.now()
    refusal = rules.judge(
        ApprovalStatus(approval.status),
        approval.expires_at,
        now,
        decider,
        approvers=ctx.settings.approval.approvers,
        submitted_by=approval.submitted_by,
        requested_by=approval.requested_by,
    )
    if refusal is not None:
        return refusal
    approved = decision is Decision.APPROVE
    approval.status = ApprovalStatus.APPROVED if approved else ApprovalStatus.REJECTED
    approval.decided_at, approval.decided_by, approval.decided_via = now, decider.name[:80], via
    approval.reason = reason
    if approved and approval.start_at is not None:
        try:
            with session.begin_nested():
                due_at, calendar = max(approval.start_at, now), calendar_of(ctx.settings)
                campaign_rows.start_campaign(session, approval.campaign_id, due_at, calendar)
        except ConflictError as error:
            # It stays approved: a person sees why, and starts it.
            approval.reason = str(error)
    if via in IN_THE_APP:
        actor = account_rows.find_actor(session, decider.name)
        after = {"decision": decision.value, "reason": reason, "version": approval.version, "status": approval.status}
        before = {"status": ApprovalStatus.PENDING.value}
        add_entry(session, actor, f"campaigns.{decision.value}", f"campaign {approval.campaign_id}", before, after, now)
    close_card(session, approval, now, but=decider.name if via == "card" else "")
    if approval.requested_by:
        outcome = outcome_words(approval, decider_name(session, approval), ctx.settings.zone)
        tell(session, ctx, approval, approval.requested_by, outcome, "ended")
    log.info("approval_decided", approval=approval.id, campaign=approval.campaign_id, status=approval.status, via=via)
    return None


# -- shown


def to_json(approval: Approval, card: Card | None) -> dict[str, Any]:
    """A request as it is shown, with what became of its card."""
    shown = approval.model_dump(exclude={"campaign_name"})
    shown["card"] = None if card is None else {"status": card.status, "error": card.error, "sent_at": card.sent_at}
    return shown


def read_approvals(session: Session, campaign_id: int) -> list[dict[str, Any]]:
    """The requests of a campaign, newest first. Raises NotFoundError."""
    campaign_rows.get_campaign(session, campaign_id)
    found = rows.list_approvals(session, campaign_id)
    cards = card_rows.find_cards(session, [each.id or 0 for each in found])
    return [to_json(each, cards.get(each.id or 0)) for each in found]
