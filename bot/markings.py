"""Markings made: counted first if wished, then planned piece by piece, so that one of a million holds nothing up.

WeCom is asked nothing for that: our own rows decide. `scheduler/markings.py` does what is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlmodel import Session

from bot.context import Context
from bot.errors import ObservingError
from bot.marking_plans import SPAN, ByRules, Source, Wanted, pieces
from bot.phrases import Phrase
from data.models import Marking, MarkingStatus
from data.queries import marking_items as item_rows
from data.queries import markings as rows
from data.queries import rules as rule_rows
from data.queries import segment_names as segment_rows
from data.queries import tags as tag_rows
from data.rules.markings import (
    Audience,
    Change,
    MarkingDraft,
    Pair,
    RulesDraft,
    Tally,
    audience_problems,
    problems,
    seconds_left,
)
from data.rules.problems import InvalidRuleError, Problem
from data.rules.tagging import TagRule

Draft = TypeVar("Draft", bound=MarkingDraft)


def change_of(draft: MarkingDraft) -> Change:
    """What a draft asks for."""
    return Change(tuple(sorted(draft.put_on)), tuple(sorted(draft.take_off)))


async def check(ctx: Context, draft: Draft) -> Draft:
    """The draft with its segment read. Raises InvalidRuleError with a path per fault."""
    found = problems(draft, frozenset(await ctx.db.read(tag_rows.list_live_ids)))
    if found:
        raise InvalidRuleError(found)
    return draft.model_copy(update={"audience": await ctx.db.read(segment_rows.read_audience, draft.audience)})


async def count_marking(ctx: Context, draft: MarkingDraft) -> Tally:
    """What a marking would do. Raises InvalidRuleError."""
    draft = await check(ctx, draft)
    if draft.audience.pairs is not None:
        return await count_pairs(ctx, draft.audience.pairs, change_of(draft))
    return await _count(ctx, Wanted(draft.audience, change_of(draft), {}, ctx.clock.now()))


async def count_pairs(ctx: Context, pairs: Sequence[Pair], change: Change) -> Tally:
    """What `mark_pairs` would do."""
    tally = Tally()
    await _add_pairs(ctx, None, list(dict.fromkeys(pairs)), change, tally)
    return tally


async def ask_for_marking(ctx: Context, draft: MarkingDraft, asked_by: str) -> Marking:
    """Make a marking, to be planned and done in the background. Raises InvalidRuleError, ObservingError."""
    draft = await check(ctx, draft)
    if ctx.observes:
        raise ObservingError
    if draft.audience.pairs is not None:
        return await mark_pairs(ctx, draft.audience.pairs, change_of(draft), asked_by)
    audience = draft.audience.model_dump(mode="json", exclude_defaults=True)
    now = ctx.clock.now()
    return await ctx.db.write(
        rows.add_marking, audience, change_of(draft), asked_by=asked_by, status=MarkingStatus.RUNNING, now=now
    )


async def mark_pairs(ctx: Context, pairs: Sequence[Pair], change: Change, asked_by: str) -> Marking:
    """Make a marking of a list of any length; it begins when all of it is written."""
    if ctx.observes:
        raise ObservingError
    once = list(dict.fromkeys(pairs))
    audience, now = {"pairs": len(once)}, ctx.clock.now()
    marking = await ctx.db.write(
        rows.add_marking, audience, change, asked_by=asked_by, status=MarkingStatus.PREPARING, now=now
    )
    assert marking.id is not None
    await _add_pairs(ctx, marking.id, once, change, Tally())
    await ctx.db.write(rows.start_marking, marking.id, ctx.clock.now())
    return await ctx.db.read(rows.get_marking, marking.id)


async def _add_pairs(ctx: Context, marking_id: int | None, pairs: Sequence[Pair], change: Change, tally: Tally) -> None:
    wanted = Wanted(Audience(), change, {}, ctx.clock.now())
    await wanted.prepare(ctx)
    for start in range(0, len(pairs), SPAN):
        listed = await ctx.db.read(rows.list_worn_of_pairs, pairs[start : start + SPAN], wanted.tag_nos)
        piece = wanted.decide(0, listed)
        tally.add(piece.tally)
        if marking_id is not None:
            await ctx.db.write(rows.write_plan, marking_id, piece.items, piece.changes, piece.tally)


async def check_rules(ctx: Context, draft: RulesDraft) -> tuple[list[TagRule], Audience]:
    """The rules that a draft names, and its audience with the segment read. Raises InvalidRuleError, NotFoundError."""
    found = audience_problems(draft.audience)
    if draft.audience.pairs is not None:
        found.append(Problem("audience.pairs", Phrase("按规则打标签不能用名单")))
    rules = await ctx.db.read(rule_rows.list_tag_rules)
    if draft.rule_ids is None:
        rules = [rule for rule in rules if rule.enabled]
    else:
        for rule_id in draft.rule_ids - {rule.id for rule in rules}:
            await ctx.db.read(rule_rows.get_tag_rule, rule_id)
        rules = [rule for rule in rules if rule.id in draft.rule_ids]
    if not rules:
        found.append(Problem("rule_ids", Phrase("没有可用的规则")))
    if found:
        raise InvalidRuleError(found)
    return rules, await ctx.db.read(segment_rows.read_audience, draft.audience)


async def count_rules(ctx: Context, draft: RulesDraft) -> Tally:
    """What `apply_rules` would do. Raises InvalidRuleError, NotFoundError."""
    rules, audience = await check_rules(ctx, draft)
    return await _count(ctx, ByRules(audience, rules, {}, ctx.clock.now()))


async def apply_rules(ctx: Context, draft: RulesDraft, asked_by: str) -> Marking:
    """Make a marking that gives those who are here already what the rules would have given them.

    Raises InvalidRuleError, NotFoundError, ObservingError.
    """
    rules, whom = await check_rules(ctx, draft)
    if ctx.observes:
        raise ObservingError
    change = Change(
        tuple(sorted({tag_id for rule in rules for tag_id in rule.put_on})),
        tuple(sorted({tag_id for rule in rules for tag_id in rule.take_off})),
    )
    audience = whom.model_dump(mode="json", exclude_defaults=True)
    return await ctx.db.write(
        rows.add_marking, audience, change, asked_by=asked_by, status=MarkingStatus.RUNNING,
        rule_ids=[rule.id for rule in rules], now=ctx.clock.now(),
    )  # fmt: skip


async def plan_marking(ctx: Context, marking: Marking) -> MarkingStatus:
    """Find out who needs a marking, from where that was interrupted; how it stands then: it may have been paused."""
    assert marking.id is not None
    audience = Audience.model_validate(marking.audience)
    changes = await ctx.db.read(rows.list_changes, marking.id)
    source: Source
    if marking.rule_ids:
        wanted = set(marking.rule_ids)
        rules = [rule for rule in await ctx.db.read(rule_rows.list_tag_rules) if rule.id in wanted]
        source = ByRules(audience, rules, changes, marking.asked_at)
    else:
        source = Wanted(audience, Change(tuple(marking.put_on), tuple(marking.take_off)), changes, marking.asked_at)
    async for piece in pieces(ctx, source, marking.planned_until):
        status = await ctx.db.write(
            rows.write_plan, marking.id, piece.items, piece.changes, piece.tally, upto=piece.upto
        )
        if status != MarkingStatus.RUNNING:
            return status
    return await ctx.db.write(rows.write_plan, marking.id, [], {}, Tally(), planned_at=ctx.clock.now())


async def _count(ctx: Context, source: Source) -> Tally:
    tally = Tally()
    async for piece in pieces(ctx, source, 0):
        tally.add(piece.tally)
    return tally


def to_json(marking: Marking, now: datetime, calls_per_hour: int) -> dict[str, Any]:
    """A marking as the API and the command line show it, with the time it will still take where that can be said."""
    waiting = marking.items - marking.done - marking.failed
    running = marking.status == MarkingStatus.RUNNING and marking.planned_at is not None
    since = marking.started_at
    calls = marking.done if since and (now - since).total_seconds() < 3600 else calls_per_hour
    left = seconds_left(waiting, marking.per_minute, calls_per_hour - calls, calls_per_hour) if running else None
    seconds = None if left is None else round(left)
    return {**marking.model_dump(exclude={"planned_until"}), "waiting": waiting, "seconds_left": seconds}


def tally_to_json(tally: Tally) -> dict[str, Any]:
    """What a dry run counted."""
    return {
        "dry_run": True,
        "examined": tally.examined,
        "already": tally.already,
        "items": tally.items,
        "gains": dict(tally.gains),
        "losses": dict(tally.losses),
        "rules": [
            {"id": rule_id, "matched": number, "decided": tally.decided[rule_id]}
            for rule_id, number in sorted(tally.matched.items())
        ],
    }


def read_marking(session: Session, marking_id: int) -> tuple[Marking, dict[int, int]]:
    """A marking, and how many it could not mark, by WeCom's number for why."""
    return rows.get_marking(session, marking_id), item_rows.count_causes(session, marking_id)
