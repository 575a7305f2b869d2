"""Approvals: cards sent and changed, and requests that nobody decided ended."""

from __future__ import annotations

from bot.cards import change_due_cards, expire_requests, send_due_cards
from bot.context import Context
from data.queries import cards as card_rows


async def work_on_approvals(ctx: Context) -> None:
    """End what has expired, send the cards that are due, change those that are to change.

    Rows are claimed one by one, so replicas share the work.
    """
    if not await ctx.db.read(card_rows.has_work, ctx.clock.now()):
        return
    await ctx.db.write(expire_requests, ctx)
    await send_due_cards(ctx)
    await change_due_cards(ctx)
