"""Approvals: what waits for another manager, with what it would do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import approvals, campaigns
from bot.console import campaign_words as words
from bot.console.asks import Ask
from bot.console.campaign_acts import by
from bot.console.campaigns import names_of
from bot.errors import SiyuError
from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.models import Approval, ApprovalStatus, Role
from data.queries import approvals as approval_rows
from data.queries import campaign_views as rows
from data.queries import campaigns as campaign_rows
from data.rules import accounts as account_rules
from data.rules.approvals import Decider, Decision

PATH = "/console/approvals"
ROWS = 50


def may_decide(ask: Ask) -> bool:
    """Whether an account is among those who approve: admins, and the members of approval.approvers."""
    approvers = {each.casefold() for each in ask.settings.approval.approvers}
    return ask.account.role == Role.ADMIN or (ask.account.userid or "").casefold() in approvers


def is_own(ask: Ask, approval: Approval) -> bool:
    """Whether it was asked for by whoever reads: somebody else decides."""
    names = account_rules.names_of(ask.account)
    return approval.submitted_by in names or approval.requested_by.casefold() in {each.casefold() for each in names}


async def show_list(ask: Ask) -> web.Response:
    """What waits, the oldest first."""
    return await _page(ask)


async def _page(ask: Ask, status: int = 200, *, fault: str = "", reason: str = "", about: int = 0) -> web.Response:
    pending = await ask.db.read(partial(_read, account=ask.account, now=ask.now, all_=may_decide(ask)))
    return ask.show(
        "approvals", status, pending=pending, words=words, names=await names_of(ask), fault=fault, reason=reason,
        about=about, decides=lambda approval: may_decide(ask) and not is_own(ask, approval),
    )  # fmt: skip


def _read(session: Session, *, account: Any, now: Any, all_: bool) -> list[tuple[Approval, campaigns.Told]]:
    sight = rows.read_sight(session, account)
    found = []
    for approval in approval_rows.list_pending(session, now, ROWS):
        campaign = campaign_rows.get_campaign(session, approval.campaign_id)
        if all_ or sight.made(campaign):
            found.append((approval, campaigns.tell(session, [campaign])[0]))
    return found


async def approve(ask: Ask) -> web.Response:
    """It may be sent."""
    return await _decide(ask, Decision.APPROVE)


async def reject(ask: Ask) -> web.Response:
    """It may not, and why."""
    if not ask.text("reason", 200):
        return await _page(ask, 400, fault=ask._("请写明为什么驳回。"), about=ask.path_number())
    return await _decide(ask, Decision.REJECT)


async def _decide(ask: Ask, decision: Decision) -> web.Response:
    campaign_id, reason = ask.path_number(), ask.text("reason", 200)
    newest = (await ask.db.read(approval_rows.find_latest, [campaign_id])).get(campaign_id)
    if newest is None or not (may_decide(ask) or is_own(ask, newest)):
        raise NotFoundError(Phrase("没有等您审批的计划。"), Phrase("请在审批列表里核对。"))
    try:
        if is_own(ask, newest):
            raise ConflictError(Phrase("不能审批自己的申请。"), Phrase("请让另一位经理决定。"))
        await approvals.decide(
            ask.ctx, campaign_id, decision, Decider(by(ask), is_program=True),
            version=ask.number("version"), reason=reason if decision is Decision.REJECT else "", via="console",
        )  # fmt: skip
    except SiyuError as error:
        if not isinstance(error, ConflictError):
            raise
        return await _page(ask, 409, fault=ask.told(error), reason=reason, about=campaign_id)
    after = {"decision": decision.value, "reason": reason, "version": newest.version}
    await ask.note(f"campaigns.{decision.value}", f"campaign {campaign_id}", after)
    return ask.go(PATH, "approved" if decision is Decision.APPROVE else "rejected")


async def show_preview(ask: Ask) -> web.Response:
    """What each wave of a campaign would do now, for whoever made it or decides about it."""
    campaign_id = ask.path_number()
    told, visible = await ask.db.read(
        partial(_read_one, account=ask.account, campaign_id=campaign_id, all_=may_decide(ask))
    )
    previews: Sequence[dict[str, Any]] = await campaigns.tell_waves(ask.ctx, told) if not told.runs else ()
    for each in previews:
        if visible is not None:
            each["sample"] = [one for one in each.get("sample") or () if one["userid"] in visible]
        whom = [one["external_userid"] for one in each.get("sample") or ()]
        each["names"] = await ask.db.read(rows.map_customer_names, whom)
    return ask.show(
        "campaign_previews", told=told, previews=previews, words=words, person=await names_of(ask), wrong=[]
    )  # fmt: skip


def _read_one(session: Session, *, account: Any, campaign_id: int, all_: bool) -> tuple[campaigns.Told, Any]:
    sight = rows.read_sight(session, account)
    pending = approval_rows.find_latest(session, [campaign_id]).get(campaign_id) if all_ else None
    if pending is not None and pending.status == ApprovalStatus.PENDING:
        campaign = campaign_rows.get_campaign(session, campaign_id)
    else:
        campaign = rows.get_seen(session, sight, campaign_id)
    return campaigns.tell(session, [campaign])[0], sight.userids
