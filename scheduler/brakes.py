"""Campaigns pause by themselves when too much of them is refused or a surge of customers leaves; their owner is told.

The pause and the words to the owner are one transaction. What staff have to confirm stays theirs: a person decides
whether it is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_alert
from bot.logs import get_logger
from bot.staff_words import Kept, Value
from data.models import PauseRule
from data.queries import brakes as rows
from data.queries.brakes import Running
from data.rules.brakes import LEAST_RATE, counted_from, expected_leaving, is_refused, is_surge, usual_rate

log = get_logger("campaigns")

SLUGS = {PauseRule.REFUSALS: "campaign_refusals", PauseRule.LEAVING: "campaign_leaving"}


async def watch_campaigns(ctx: Context) -> int:
    """Pause the campaigns that have to; how many."""
    if ctx.observes:
        return 0
    paused = await pause_refused(ctx)
    return paused + await _pause_left(ctx, ctx.clock.now())


async def pause_refused(ctx: Context, campaign_id: int | None = None) -> int:
    """Pause campaigns of which WeCom refuses too much, all or this one; how many."""
    settings = ctx.settings.campaigns
    running = {each.campaign_id: each for each in await ctx.db.read(rows.list_running, campaign_id)}
    paused = 0
    for number, told in (await ctx.db.read(rows.count_refused, running)).items():
        if not is_refused(told, settings.brake_refused_percent, settings.brake_refused_least):
            continue
        why = f"WeCom refused {told.refused:,} of {told.recipients:,} recipients, in {told.troubled_calls:,} calls"
        cause = await ctx.db.read(rows.find_last_cause, number)
        values: dict[str, Value] = {
            "refused": told.refused,
            "recipients": told.recipients,
            "calls": told.troubled_calls,
            "cause": Kept(cause) if cause else None,
        }
        why = f"{why}; the last cause: {cause}" if cause else f"{why}."
        paused += await ctx.db.write(_pause, ctx, running[number], PauseRule.REFUSALS, why, values)
    return paused


async def _pause_left(ctx: Context, now: datetime) -> int:
    settings = ctx.settings.campaigns
    hours, times, least = settings.brake_leaving_hours, settings.brake_leaving_times, settings.brake_leaving_least
    begins = counted_from(now, hours, None)
    running = {each.campaign_id: each for each in await ctx.db.read(rows.list_running)} if times else {}
    if not running:
        return 0
    counted = await ctx.db.read(rows.count_left, running, begins)
    paused, rate = 0, None
    for number, left in counted.items():
        if left < least:
            continue
        since = counted_from(now, hours, running[number].accepted_at)
        reached = await ctx.db.read(rows.list_reached, number, begins)
        if not is_surge(left, expected_leaving(reached, LEAST_RATE, since, now), times, least):
            continue  # nor at any other rate: what is usual need not be counted
        if rate is None:
            rate = usual_rate(*await ctx.db.read(rows.count_usual, begins))
        expected = expected_leaving(reached, rate, since, now)
        if not is_surge(left, expected, times, least):
            continue
        why = (
            f"{left:,} of the customers it reached have deleted their staff member within {hours} hours;"
            f" {expected:,.1f} do usually."
        )
        values: dict[str, Value] = {"left": left, "usual": round(expected), "hours": hours}
        paused += await ctx.db.write(_pause, ctx, running[number], PauseRule.LEAVING, why, values)
    return paused


def _pause(
    session: Session, ctx: Context, running: Running, rule: PauseRule, why: str, values: Mapping[str, Value]
) -> bool:
    now = ctx.clock.now()
    if not rows.pause_campaign(session, running, rule, why, now):
        return False
    log.error("campaign_paused", campaign=running.campaign_id, rule=rule.value, cause=why)
    told: dict[str, Value] = {
        **values,
        "campaign_name": running.name,
        "campaign_id": str(running.campaign_id),
        "happened_at": now,
        "unconfirmed": rows.count_unconfirmed(session, running.campaign_id),
    }
    # Whoever resumes it changes `accepted_at`: the next time is another message.
    key = f"brake:{running.campaign_id}:{running.accepted_at or ''}"
    for userid in [running.owner] if running.owner else ctx.settings.campaigns.managers:
        add_alert(session, ctx, SLUGS[rule], userid, told, dedupe_key=key)
    return True
