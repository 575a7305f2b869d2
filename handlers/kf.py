"""WeChat customer service: an event says that there is something to read; it is read, and answered at once."""

from __future__ import annotations

import time

from bot import kf
from bot.context import Context, Receipt
from bot.kf_work import AT_ONCE, work_on_due
from bot.router import Outcome, Router, done, skipped
from bot.wecom.events import KfAccountAuthChange, KfMsgOrEvent
from data.models.inbox import Lane
from data.queries import kf_accounts as account_rows

router = Router("kf")

#: So long one event's handler goes on answering; the job goes on with what is left.
WORK_SECONDS = 8.0


@router.on(KfMsgOrEvent, lane=Lane.WELCOME)
async def on_kf_msg_or_event(event: KfMsgOrEvent, ctx: Context, receipt: Receipt) -> Outcome:
    """Read the account's messages to the end, and answer them. A greeting's code lives for 20 seconds, so this goes the
    way of the welcomes; events of one account that wait together are answered by one reading."""
    if not event.open_kfid:
        return skipped("the event names no account")
    pulled = await kf.pull(ctx, event.open_kfid, event.token)
    if not pulled.pages:
        return done("another event's reading has it", collapsed=receipt.collapsed)
    answered, until = 0, time.monotonic() + WORK_SECONDS
    # Ended between two groups and never within one: what is claimed and not put down waits for its claim to run out.
    while worked := await work_on_due(ctx, AT_ONCE):
        answered += worked
        if time.monotonic() > until:
            return done("read; the rest is answered by the job", messages=pulled.messages, sessions=answered)
    return done("read and answered", messages=pulled.messages, sessions=answered, collapsed=receipt.collapsed)


@router.on(KfAccountAuthChange)
async def on_kf_account_auth_change(event: KfAccountAuthChange, ctx: Context, receipt: Receipt) -> Outcome:
    """Accounts were given to the app or taken from it."""
    given, taken = event.given, event.taken
    await ctx.db.write(account_rows.grant, given, taken, ctx.clock.now())
    await kf.read_accounts(ctx)
    return done("accounts read again", given=len(given), taken=len(taken))
