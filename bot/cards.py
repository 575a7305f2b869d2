"""Template cards sent to staff and changed in place, from their rows: none is lost, none comes twice.

A card's `task_id` is unique at WeCom, and so is what a `response_code` may do: a call whose answer was lost is made
again as it was, and what it then meets tells whether it had been done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.delivery import DUPLICATE_CHECK_SECONDS, add_alert
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.saying import told
from bot.wecom.errors import (
    GoneError,
    InvalidRequestError,
    NoAnswerError,
    UnknownOutcomeError,
    UnreachableError,
    WeComError,
)
from data.models import Approval, ApprovalStatus, Card, CardChange
from data.queries import approvals as approval_rows
from data.queries import cards as rows
from data.queries import staff as staff_rows
from data.rules.approval_cards import CHANGE_CHARS, change_words, cut
from data.rules.retry import pause_seconds

log = get_logger("cards")

LEASE_SECONDS = 60.0
ATTEMPTS = 20
#: What WeCom says against a template card (42014 to 42052); a task_id that was used is among it.
CARD_REFUSED = range(42014, 42053)
#: A response_code that was used, or is too old.
CODE_USED = 60140


async def send_due_cards(ctx: Context, limit: int = 50) -> int:
    """Send the cards that are due; how many went out."""
    due = await ctx.db.write(rows.claim_due, Card, ctx.clock.now(), LEASE_SECONDS, limit)
    return sum([await _send(ctx, card, unanswered) for card, unanswered in due])


async def change_due_cards(ctx: Context, limit: int = 50) -> int:
    """Change the cards that are due to change; how many calls did."""
    due = await ctx.db.write(rows.claim_due, CardChange, ctx.clock.now(), LEASE_SECONDS, limit)
    return sum([await _change(ctx, change, unanswered) for change, unanswered in due])


async def _send(ctx: Context, card: Card, unanswered: bool) -> bool:
    assert card.id is not None
    if ctx.observes:
        await ctx.db.write(finish_card, card.id, "observed", {}, ctx)
        return False
    call = ctx.wecom.message.send(
        ctx.settings.app.agentid,
        card.userids,
        msg={"msgtype": "template_card", "template_card": card.body},
        duplicate_check_seconds=DUPLICATE_CHECK_SECONDS,
    )
    answer, error, maybe = await _call(call, unanswered)
    if error is None:
        missed = str(answer.get("invaliduser") or "")
        unseen = f"Not in the app's visible range: {missed}" if missed else ""
        await ctx.db.write(finish_card, card.id, "sent", answer, ctx, unseen)
        return True
    if maybe and error.errcode in CARD_REFUSED:
        # The task_id is taken, by ourselves: the card is there, the code that would change it for the others is not.
        await ctx.db.write(finish_card, card.id, "sent", {}, ctx, "Sent before; the answer to that was lost.")
        return True
    pause = _pause(ctx, card, error)
    log.warning("card_failed", card=card.id, again=pause is not None, cause=str(error))
    if pause is None:
        await ctx.db.write(finish_card, card.id, "failed", {}, ctx, str(error))
    else:
        await ctx.db.write(rows.put_off, Card, card.id, _at(ctx, pause), str(error), called=maybe)
    return False


async def _change(ctx: Context, change: CardChange, unanswered: bool) -> bool:
    assert change.id is not None
    if ctx.observes:
        await ctx.db.write(rows.finish_change, change.id, "observed", ctx.clock.now())
        return False
    call = ctx.wecom.message.update_template_card(
        ctx.settings.app.agentid,
        change.response_code,
        button={"replace_name": change.words},
        userids=change.userids,
    )
    _, error, maybe = await _call(call, unanswered)
    if error is None or (maybe and error.errcode == CODE_USED):
        await ctx.db.write(rows.finish_change, change.id, "sent", ctx.clock.now())
        return True
    pause = _pause(ctx, change, error)
    log.warning("card_change_failed", change=change.id, again=pause is not None, cause=str(error))
    if pause is None:
        await ctx.db.write(rows.finish_change, change.id, "failed", ctx.clock.now(), str(error))
    else:
        await ctx.db.write(rows.put_off, CardChange, change.id, _at(ctx, pause), str(error), called=maybe)
    return False


async def _call(
    call: Awaitable[Mapping[str, Any]], unanswered: bool
) -> tuple[Mapping[str, Any], WeComError | None, bool]:
    """(the answer, what went wrong, whether this call or an earlier one may have been done without our knowing)."""
    try:
        return await call, None, False
    except WeComError as error:
        silent = isinstance(error, NoAnswerError | UnknownOutcomeError) and not isinstance(error, UnreachableError)
        return {}, error, unanswered or silent or error.earlier_attempt_unanswered


def _pause(ctx: Context, row: Card | CardChange, error: WeComError) -> float | None:
    if isinstance(error, InvalidRequestError | GoneError):
        return None
    return pause_seconds(row.attempts, ATTEMPTS, error.after_seconds, ctx.random.random())


def _at(ctx: Context, seconds: float) -> datetime:
    return ctx.clock.now() + timedelta(seconds=seconds)


def finish_card(
    session: Session, card_id: int, status: str, answer: Mapping[str, Any], ctx: Context, error: str = ""
) -> None:
    """Record how the sending of a card ended. What was decided meanwhile is shown on it at once."""
    now = ctx.clock.now()
    card = rows.lock_card(session, card_id)
    card.status, card.error, card.sent_at = status, error, now if status == "sent" else None
    card.msgid, card.response_code = str(answer.get("msgid") or ""), str(answer.get("response_code") or "")
    approval = session.get(Approval, card.approval_id, populate_existing=True)
    if approval is not None and approval.status != ApprovalStatus.PENDING and card.response_code:
        words = shown_words(card, change_words(approval, decider_name(session, approval)))
        rows.add_change(session, card_id, card.response_code, card.userids, words, now)


# -- the end of a request, in the transaction that ends it


def close_card(session: Session, approval: Approval, now: datetime, *, but: str = "") -> None:
    """A request has ended: show it to all who have its card, `but` the one who is shown it by a click's own code."""
    for card in rows.lock_cards_of(session, approval.id or 0):
        if card.status == "waiting" and not card.called:
            card.status = "dropped"
        others = [each for each in card.userids if each != but]
        if card.response_code and others:
            words = shown_words(card, change_words(approval, decider_name(session, approval)))
            rows.add_change(session, card.id or 0, card.response_code, others, words, now)


def shown_words(card: Card, words: str) -> str:
    """Words in the place of a card's buttons, in the card's language."""
    return cut(told(card.language, words) if isinstance(words, Phrase) else words, CHANGE_CHARS)


def decider_name(session: Session, approval: Approval) -> str:
    """Who decided: the name of the member of staff, else what is kept."""
    name = staff_rows.get_card(session, approval.decided_by).name if approval.decided_via != "api" else ""
    return name or approval.decided_by


def end_requests(session: Session, campaign_id: int, reason: str, now: datetime, *, granted: bool = True) -> None:
    """What waits for a decision is void, and with `granted` what was approved too; the campaign is locked already."""
    for approval in approval_rows.lock_open(session, campaign_id):
        pending = approval.status == ApprovalStatus.PENDING
        if pending or granted:
            approval.status, approval.reason = ApprovalStatus.VOID, reason
        if pending:
            close_card(session, approval, now)


def tell(session: Session, ctx: Context, approval: Approval, userid: str, outcome: str, key: str) -> None:
    """Say by an app message what became of a request, once per `key`."""
    values = {"campaign_name": approval.campaign_name, "outcome": outcome}
    add_alert(session, ctx, "campaign_approval", userid, values, dedupe_key=f"approval:{approval.id}:{key}")


def expire_requests(session: Session, ctx: Context) -> int:
    """Requests that nobody decided in time end; how many."""
    now = ctx.clock.now()
    expired = approval_rows.list_expired(session, now)
    for approval in expired:
        approval.status, approval.decided_at = ApprovalStatus.EXPIRED, now
        close_card(session, approval, now)
        if approval.requested_by:
            tell(session, ctx, approval, approval.requested_by, Phrase("没有人在期限内审批，申请已过期"), "ended")
    return len(expired)
