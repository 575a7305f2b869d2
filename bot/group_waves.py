"""Group waves (客户群群发) of campaigns: checked, previewed, planned. `scheduler/campaigns.py` asks for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from bot.campaign_plans import words_of
from bot.context import Context
from data.models import RunStatus, Wave
from data.queries import campaigns as campaign_rows
from data.queries import group_waves as rows
from data.queries import senders as sender_rows
from data.queries.group_waves import Members
from data.rules import group_waves as rules
from data.rules.group_waves import Assigned, GroupAudience
from data.rules.problems import Problem, parse
from data.rules.waves import GROUPS

#: Owners that a preview names, those with the most groups first.
OWNERS_TOLD = 1000


async def audience_problems(ctx: Context, audience: GroupAudience) -> list[Problem]:
    """What is wrong with which groups a wave is for."""
    return rules.audience_problems(audience, await ctx.db.read(rows.list_unknown, audience.chat_ids))


async def _assign(ctx: Context, audience: GroupAudience) -> Assigned:
    groups = await ctx.db.read(rows.list_groups, audience)
    return rules.assign(groups, await ctx.db.read(sender_rows.list_unable))


@dataclass(frozen=True, slots=True)
class GroupPreview:
    """What a wave would do now: which groups it is for, who sends to how many of theirs, who would read it."""

    assigned: Assigned
    by_owner: Counter[str]
    members: Members
    words: str


async def preview(ctx: Context, audience: GroupAudience, text: str) -> GroupPreview:
    """Count what a wave would do that is not kept."""
    assigned = await _assign(ctx, audience)
    by_owner = Counter[str]()
    for owner, groups in assigned.batches.values():
        by_owner[owner] += groups
    members = await ctx.db.read(rows.count_members, assigned.reached)
    first = by_owner.most_common(1)
    return GroupPreview(assigned, by_owner, members, await words_of(ctx, text, first[0][0] if first else ""))


async def preview_wave(ctx: Context, wave: Wave) -> GroupPreview:
    """The same of a wave that is kept."""
    return await preview(ctx, parse(GroupAudience, wave.audience), str(wave.content.get("text") or ""))


def preview_to_json(told: GroupPreview) -> dict[str, Any]:
    """A preview as it is shown."""
    matched, groups = len(told.assigned.rows), len(told.assigned.reached)
    owners = told.by_owner.most_common(OWNERS_TOLD)
    return {
        "kind": GROUPS,
        "matched": matched,
        "groups": groups,
        "left_out": {"sender_unable": matched - groups} if matched > groups else {},
        "customers": told.members.customers,
        "opted_out": told.members.opted_out,
        "calls": len(told.assigned.batches),
        "owners": [{"userid": userid, "groups": number} for userid, number in owners],
        "words": told.words,
    }


async def plan_groups(ctx: Context, run_id: int) -> RunStatus:
    """Find the groups of a run; how the run stands then: it may have been stopped."""
    run = await ctx.db.read(campaign_rows.get_run, run_id)
    wave = await ctx.db.read(campaign_rows.get_wave, run.wave_id)
    assigned = await _assign(ctx, parse(GroupAudience, wave.audience))
    return await ctx.db.write(rows.plan_groups, run_id, assigned, ctx.clock.now())
