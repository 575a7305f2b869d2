"""Tests of campaigns: what a campaign says, sent to the test customers before the others; and the word to go on."""

from __future__ import annotations

from bot.campaign_plans import calendar_of
from bot.campaigns import Told, read_campaign
from bot.context import Context
from bot.errors import ObservingError
from bot.logs import get_logger
from data.models import Run
from data.queries import campaign_tests as rows

log = get_logger("campaigns")


async def send_test(ctx: Context, campaign_id: int, made_by: str) -> Told:
    """Have a campaign's contents sent to the test customers. Raises ObservingError, NotFoundError, ConflictError."""
    if ctx.observes:
        raise ObservingError
    told = await ctx.db.read(read_campaign, campaign_id)
    now, calendar = ctx.clock.now(), calendar_of(ctx.settings)
    await ctx.db.write(rows.add_test, campaign_id, told.campaign.version, made_by, now, calendar)
    return await ctx.db.read(read_campaign, campaign_id)


async def give_go(ctx: Context, campaign_id: int, version: int, by: str) -> Told:
    """A person has seen the test of this version and found it right. Raises NotFoundError, ConflictError."""
    await ctx.db.write(rows.give_go, campaign_id, version, by)
    return await ctx.db.read(read_campaign, campaign_id)


async def is_tested(ctx: Context, run: Run) -> bool:
    """Whether a run that is planned may be sent; if not, it waits for the test of its campaign from now on."""
    if not await ctx.db.read(rows.is_waiting, run.id or 0):
        return True
    held = await ctx.db.write(rows.hold_untested, run.campaign_id, run.id or 0, ctx.clock.now())
    if held:
        log.info("run_waits_for_test", run=run.id)
    return not held
