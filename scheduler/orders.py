"""Orders: those that wait are matched when their customer is known, and old answers to repeated requests go."""

from __future__ import annotations

from datetime import timedelta

from bot.context import Context
from bot.logs import get_logger
from data.queries import order_matches as match_rows
from data.queries import repeated_requests as repeat_rows

log = get_logger("orders")

#: Orders found in one look, which costs the same for one as for many.
LISTED = 5_000
#: An idempotency key is remembered so long.
REPEATS_KEPT = timedelta(days=7)


async def match_waiting(ctx: Context) -> int:
    """Match the orders whose customer turned up, whoever noticed or did not; how many have a customer now."""
    after = matched = 0
    while order_ids := await ctx.db.read(match_rows.list_matchable, after, LISTED):
        for start in range(0, len(order_ids), match_rows.CHUNK):
            some = order_ids[start : start + match_rows.CHUNK]
            decided = await ctx.db.write(match_rows.match_orders, some, ctx.clock.now())
            matched += sum(match.external_userid is not None for match in decided.values())
        after = order_ids[-1]
    if matched:
        log.info("matched", orders=matched)
    return matched


async def review_matches(ctx: Context) -> int:
    """Look again at what was matched by a telephone number and the like: it may point to somebody else by now.

    Claims are left alone. How many orders changed.
    """
    after = changed = 0
    while order_ids := await ctx.db.read(match_rows.list_matched, after):
        changed += len(await ctx.db.write(match_rows.match_orders, order_ids, ctx.clock.now()))
        after = order_ids[-1]
    if changed:
        log.info("matches_changed", orders=changed)
    return changed


async def purge_repeats(ctx: Context) -> int:
    """Forget the answers to requests with an idempotency key after a week."""
    removed = 0
    while count := await ctx.db.write(repeat_rows.purge, ctx.clock.now() - REPEATS_KEPT):
        removed += count
    return removed
