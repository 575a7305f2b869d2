"""Staff write to the app, and nobody else answers: help for who asks for it, or for everybody if that is wanted."""

from __future__ import annotations

from bot.context import Context, Receipt
from bot.router import Outcome, Router, done, skipped
from bot.staff_commands import find_asker, reply_help
from bot.wecom.events import AppMessage
from data.rules.staff_commands import Verb, parse_command

router = Router("staff")


@router.on(AppMessage)
async def on_message(event: AppMessage, ctx: Context, receipt: Receipt) -> Outcome:
    """Say which commands there are."""
    command = parse_command(event.content)
    wanted = command is not None and command.verb is Verb.HELP
    if not wanted and not ctx.settings.app.answer_unknown:
        return skipped("no command: what staff write otherwise is not answered")
    userid = await find_asker(ctx, event.from_user)
    if isinstance(userid, Outcome):
        return userid
    new = await reply_help(ctx, userid, receipt)
    return done("told which commands there are") if new else done("answered before")
