"""Group waves (客户群群发) of campaigns: checked, previewed, planned. `scheduler/campaigns.py` asks for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.broadcasts import content_problems, words_of
from bot.context import Context
from data.models import RunStatus, Wave
from data.queries import campaigns as campaign_rows
from data.queries import group_waves as rows
from data.queries import senders as sender_rows
from data.queries.group_waves import Members
from data.queries.leaves import map_substitutes
from data.rules import group_waves as rules
from data.rules.group_waves import Assigned, GroupAudience, GroupWave
from data.rules.messages import MessageContent
from data.rules.problems import Problem, parse
from data.rules.schedule import local_datetime
from data.rules.senders import SenderChoice
from data.rules.waves import GROUPS, most_first

#: Owners that a preview names, those with the most groups first.
OWNERS_TOLD = 1000


#: What a wave's row has for customers only.
_OF_CUSTOMERS = {*SenderChoice.model_fields, "not_bought_hours", "variants", "hold_out_percent"}


async def wave_problems(ctx: Context, wave: GroupWave) -> list[Problem]:
    """What is wrong with a draft apart from its timing."""
    unknown = await ctx.db.read(rows.list_unknown, wave.audience.chat_ids)
    return await content_problems(ctx, wave.content) + rules.audience_problems(wave.audience, unknown)


async def with_segment(_ctx: Context, wave: GroupWave) -> GroupWave:
    """The draft as it is: groups are not chosen by a segment."""
    return wave


def draft_of(_session: Session, wave: Wave) -> dict[str, Any]:
    """The draft that would make a wave."""
    return {name: value for name, value in wave.model_dump().items() if name in GroupWave.model_fields}


async def _assign(ctx: Context, audience: GroupAudience, as_of: datetime, last: datetime | None = None) -> Assigned:
    groups = await ctx.db.read(rows.list_groups, audience, as_of, ctx.settings.zone, last)
    on_leave = await ctx.db.read(map_substitutes, local_datetime(as_of, ctx.settings.zone).date())
    return rules.assign(groups, await ctx.db.read(sender_rows.list_unable), on_leave)


@dataclass(frozen=True, slots=True)
class GroupPreview:
    """What a wave would do now: which groups it is for, who sends to how many of theirs, who would read it."""

    assigned: Assigned
    by_owner: Counter[str]
    members: Members
    words: str


async def preview(ctx: Context, audience: GroupAudience, text: str, name: str = "") -> GroupPreview:
    """Count what a wave would do that is not kept. `name` is the campaign's."""
    assigned = await _assign(ctx, audience, ctx.clock.now())
    by_owner = Counter[str]()
    for owner, groups in assigned.batches.values():
        by_owner[owner] += groups
    members = await ctx.db.read(rows.count_members, assigned.reached)
    first = most_first(by_owner)[:1]
    return GroupPreview(assigned, by_owner, members, await words_of(ctx, text, first[0][0] if first else "", name))


async def preview_wave(ctx: Context, wave: Wave) -> GroupPreview:
    """The same of a wave that is kept."""
    name = await ctx.db.read(campaign_rows.get_name_in_words, wave.campaign_id)
    return await preview(ctx, parse(GroupAudience, wave.audience), str(wave.content.get("text") or ""), name)


def preview_to_json(told: GroupPreview) -> dict[str, Any]:
    """A preview as it is shown."""
    return {
        "kind": GROUPS,
        "matched": len(told.assigned.rows),
        "groups": len(told.assigned.reached),
        "left_out": dict(sorted(told.assigned.left_out.items())),
        "customers": told.members.customers,
        "opted_out": told.members.opted_out,
        "calls": len(told.assigned.batches),
        "owners": _owners(told.by_owner),
        "on_leave": _owners(Counter(told.assigned.on_leave)),
        "words": told.words,
    }


async def tell_draft(ctx: Context, wave: GroupWave) -> dict[str, Any]:
    """What a wave would do that is not kept, as it is shown."""
    return preview_to_json(await preview(ctx, wave.audience, wave.content.text))


async def tell_wave(ctx: Context, wave: Wave) -> dict[str, Any]:
    """The same of a wave that is kept."""
    return preview_to_json(await preview_wave(ctx, wave))


async def count_reached(ctx: Context, wave: Wave) -> tuple[int, Mapping[str, int]]:
    """How many customers would read a wave now, and how many groups are each owner's."""
    told = await preview_wave(ctx, wave)
    return told.members.customers, told.by_owner


def wave_to_json(wave: Wave) -> dict[str, Any]:
    """A wave as it is shown."""
    return wave.model_dump(exclude={"campaign_id", *_OF_CUSTOMERS})


async def tell_words(ctx: Context, wave: Wave, written: Mapping[str, Any] | None, userid: str) -> str:
    """What a wave says, or one of its sendings for which that was `written`, as `userid` sends it."""
    name = await ctx.db.read(campaign_rows.get_name_in_words, wave.campaign_id)
    return await words_of(ctx, str((written or wave.content).get("text") or ""), userid, name)


def parse_words(_wave: Wave, source: Mapping[str, Any]) -> MessageContent:
    """What a sending is to say. Raises InvalidRuleError."""
    return parse(MessageContent, source)


async def words_problems(ctx: Context, content: MessageContent) -> list[Problem]:
    """What is wrong with what a sending is to say."""
    return await content_problems(ctx, content)


def _owners(groups: Counter[str]) -> list[dict[str, Any]]:
    return [{"userid": userid, "groups": number} for userid, number in most_first(groups)[:OWNERS_TOLD]]


async def plan_groups(ctx: Context, run_id: int) -> RunStatus:
    """Find the groups of a run; how the run stands then: it may have been stopped."""
    run = await ctx.db.read(campaign_rows.get_run, run_id)
    wave = await ctx.db.read(campaign_rows.get_wave, run.wave_id)
    last = await ctx.db.read(rows.find_last_planned, run)
    assigned = await _assign(ctx, parse(GroupAudience, wave.audience), run.planned_as_of or ctx.clock.now(), last)
    return await ctx.db.write(rows.plan_groups, run_id, assigned, ctx.clock.now())
