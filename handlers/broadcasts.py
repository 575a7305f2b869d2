"""Campaigns in WeCom: an approver presses a button of a card; staff and owners of campaigns write to the app."""

from __future__ import annotations

from bot.approvals import Click, decide_by_click
from bot.context import Context, Receipt
from bot.router import Outcome, Router, done, skipped
from bot.staff_commands import find_asker, reply_about, reply_tasks
from bot.wecom.events import AppMessage, TemplateCardEvent
from data.rules.staff_commands import NUMBERED, Verb, parse_command

router = Router("broadcasts")


@router.on(TemplateCardEvent)
async def on_click(event: TemplateCardEvent, ctx: Context, _receipt: Receipt) -> Outcome:
    """A campaign is approved or rejected; who may not, or comes too late, is told so."""
    if ctx.observes:
        return skipped("the bot observes: it starts no campaign and changes no card")
    result = await decide_by_click(ctx, Click(event.from_user, event.task_id, event.event_key, event.response_code))
    return done(result) if result else skipped("not a card of ours, or handled before")


@router.on(AppMessage)
async def on_message(event: AppMessage, ctx: Context, receipt: Receipt) -> Outcome:
    """Somebody asks what waits for them, or pauses, resumes, cancels or asks about a campaign of theirs."""
    command = parse_command(event.content)
    if command is None or command.verb not in {Verb.TASKS, *NUMBERED}:
        return skipped("no command about broadcasts")
    userid = await find_asker(ctx, event.from_user, receipt)
    if isinstance(userid, Outcome):
        return userid
    if command.verb is Verb.TASKS:
        new = await reply_tasks(ctx, userid, receipt)
        return done("told what waits") if new else done("answered before")
    outcome = await reply_about(ctx, userid, command, receipt)
    return done(outcome or "answered before", verb=command.verb.value, campaign_id=command.number)
