"""Group waves (客户群群发) of campaigns: checked, previewed, planned. `scheduler/campaigns.py` asks for them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bot.campaign_plans import words_of
from bot.context import Context
from data.models import RunStatus, Wave
from data.queries import campaigns as campaign_rows
from data.queries import group_waves as rows
from data.queries import recipients as recipient_rows
from data.rules import group_waves as rules
from data.rules.group_waves import Assigned, GroupAudience
from data.rules.problems import Problem, parse

#: Owners that a preview names, those with the most groups first.
OWNERS_TOLD = 1000


async def audience_problems(ctx: Context, audience: GroupAudience) -> list[Problem]:
    """What is wrong with which groups a wave is for."""
    return rules.audience_problems(audience, await ctx.db.read(rows.list_unknown, audience.chat_ids))


async def _assign(ctx: Context, audience: GroupAudience) -> Assigned:
    groups = await ctx.db.read(rows.list_groups, audience)
    return rules.assign(groups, await ctx.db.read(recipient_rows.list_unable))


async def preview(ctx: Context, audience: GroupAudience, text: str) -> dict[str, Any]:
    """What a wave would do now, as it is shown."""
    assigned = await _assign(ctx, audience)
    reached = [chat_id for chat_id, number, _ in assigned.rows if number is not None]
    by_owner = Counter[str]()
    for owner, groups in assigned.batches.values():
        by_owner[owner] += groups
    members = await ctx.db.read(rows.count_members, reached)
    left_out = len(assigned.rows) - len(reached)
    first = by_owner.most_common(1)
    return {
        "kind": "groups",
        "matched": len(assigned.rows),
        "groups": len(reached),
        "left_out": {"sender_unable": left_out} if left_out else {},
        "customers": members.customers,
        "opted_out": members.opted_out,
        "calls": len(assigned.batches),
        "owners": [{"userid": userid, "groups": number} for userid, number in by_owner.most_common(OWNERS_TOLD)],
        "words": await words_of(ctx, text, first[0][0] if first else ""),
    }


async def preview_wave(ctx: Context, wave: Wave) -> dict[str, Any]:
    """The same of a wave that is kept."""
    return await preview(ctx, parse(GroupAudience, wave.audience), str(wave.content.get("text") or ""))


async def plan_groups(ctx: Context, run_id: int) -> RunStatus:
    """Find the groups of a run; how the run stands then: it may have been stopped."""
    run = await ctx.db.read(campaign_rows.get_run, run_id)
    wave = await ctx.db.read(campaign_rows.get_wave, run.wave_id)
    assigned = await _assign(ctx, parse(GroupAudience, wave.audience))
    return await ctx.db.write(rows.plan_groups, run_id, assigned, ctx.clock.now())
