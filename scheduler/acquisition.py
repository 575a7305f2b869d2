"""Customer-acquisition links: what WeCom tells of them is read every morning, what is left of the quota every hour."""

from __future__ import annotations

from bot.acquisition import quota_is_due, read_links, refresh_quota
from bot.context import Context
from data.queries import acquisition as rows
from data.rules.behaviour import reading_day


async def pull_acquisition(ctx: Context) -> int:
    """Read what is due; of how many links. Without a link of ours WeCom is asked nothing. Raises WeComError."""
    if not await ctx.db.read(rows.has_links):
        return 0
    kept = await ctx.db.read(rows.find_quota)
    if quota_is_due(kept[1] if kept else None, ctx.clock.now()):
        await refresh_quota(ctx)
    today = reading_day(ctx.clock.now())
    return await read_links(ctx, today) if today is not None else 0
