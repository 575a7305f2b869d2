"""Campaigns in WeCom: an approver presses a button of a card."""

from __future__ import annotations

from bot.approvals import Click, decide_by_click
from bot.context import Context, Receipt
from bot.router import Outcome, Router, done, skipped
from bot.wecom.events import TemplateCardEvent

router = Router("broadcasts")


@router.on(TemplateCardEvent)
async def on_click(event: TemplateCardEvent, ctx: Context, _receipt: Receipt) -> Outcome:
    """A campaign is approved or rejected; who may not, or comes too late, is told so."""
    if ctx.observes:
        return skipped("the bot observes: it starts no campaign and changes no card")
    result = await decide_by_click(ctx, Click(event.from_user, event.task_id, event.event_key, event.response_code))
    return done(result) if result else skipped("not a card of ours, or handled before")
