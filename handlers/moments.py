"""Posts in Moments: staff write to the app. Their approval is that of their campaign: `handlers/broadcasts.py`."""

from __future__ import annotations

from bot.context import Context, Receipt
from bot.router import Outcome, Router, done, skipped
from bot.staff_commands import find_asker, reply_posts
from bot.wecom.events import AppMessage
from data.rules.staff_commands import Verb, parse_command

router = Router("moments")


@router.on(AppMessage)
async def on_message(event: AppMessage, ctx: Context, receipt: Receipt) -> Outcome:
    """Somebody asks which posts they are to publish, and what became of those they have."""
    command = parse_command(event.content)
    if command is None or command.verb is not Verb.POSTS:
        return skipped("no command about posts")
    userid = await find_asker(ctx, event.from_user, receipt)
    if isinstance(userid, Outcome):
        return userid
    new = await reply_posts(ctx, userid, receipt)
    return done("told about posts") if new else done("answered before")
