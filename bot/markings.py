"""Markings made: counted first if wished, then planned piece by piece, so that one of a million holds nothing up.

Who needs a change is decided from our own rows, off the event loop; WeCom is asked nothing. `scheduler/markings.py`
does what is planned.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.errors import ObservingError
from data.models import Marking, MarkingStatus
from data.queries import markings as rows
from data.queries import tags as tag_rows
from data.rules.markings import Change, MarkingDraft, Pair, Tally, problems, seconds_left
from data.rules.problems import InvalidRuleError

#: Follows that are looked at in one go, by the span of their numbers.
SPAN = 4000


@dataclass(frozen=True, slots=True)
class Piece:
    """What a span of follows needs: (follow, number of its change), and the changes that were not there before."""

    upto: int
    items: list[tuple[int, int]] = field(default_factory=list)
    changes: dict[int, Change] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)


def change_of(draft: MarkingDraft) -> Change:
    """What a draft asks for."""
    return Change(tuple(sorted(draft.put_on)), tuple(sorted(draft.take_off)))


async def check(ctx: Context, draft: MarkingDraft) -> None:
    """Raises InvalidRuleError with a path per fault."""
    found = problems(draft, frozenset(await ctx.db.read(tag_rows.list_live_ids)))
    if found:
        raise InvalidRuleError(found)


async def count_marking(ctx: Context, draft: MarkingDraft) -> Tally:
    """What a marking would do. Raises InvalidRuleError."""
    await check(ctx, draft)
    if draft.audience.pairs is not None:
        return await count_pairs(ctx, draft.audience.pairs, change_of(draft))
    tally = Tally()
    async for piece in _pieces(ctx, draft, 0):
        tally.add(piece.tally)
    return tally


async def count_pairs(ctx: Context, pairs: Sequence[Pair], change: Change) -> Tally:
    """What `mark_pairs` would do."""
    tally = Tally()
    await _add_pairs(ctx, None, list(dict.fromkeys(pairs)), change, tally)
    return tally


async def ask_for_marking(ctx: Context, draft: MarkingDraft, asked_by: str) -> Marking:
    """Make a marking, to be planned and done in the background. Raises InvalidRuleError, ObservingError."""
    await check(ctx, draft)
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
    tag_nos = await ctx.db.read(rows.map_tag_nos, {*change.put_on, *change.take_off})
    for start in range(0, len(pairs), SPAN):
        listed = await ctx.db.read(rows.list_worn_of_pairs, pairs[start : start + SPAN], tag_nos)
        piece = _decide(0, listed, change)
        tally.add(piece.tally)
        if marking_id is not None:
            changes = {0: change} if start == 0 else {}
            await ctx.db.write(rows.write_plan, marking_id, piece.items, changes, piece.tally)


async def plan_marking(ctx: Context, marking: Marking) -> MarkingStatus:
    """Find out who needs a marking, from where that was interrupted; how it stands then: it may have been paused."""
    assert marking.id is not None
    draft = MarkingDraft.model_validate(
        {"audience": marking.audience, "put_on": marking.put_on, "take_off": marking.take_off}
    )
    status = MarkingStatus(marking.status)
    async for piece in _pieces(ctx, draft, marking.planned_until):
        changes = piece.changes if marking.planned_until else {0: change_of(draft)}
        status = await ctx.db.write(rows.write_plan, marking.id, piece.items, changes, piece.tally, upto=piece.upto)
        marking.planned_until = piece.upto
        if status != MarkingStatus.RUNNING:
            return status
    return await ctx.db.write(rows.write_plan, marking.id, [], {}, Tally(), planned_at=ctx.clock.now())


async def _pieces(ctx: Context, draft: MarkingDraft, after: int) -> AsyncIterator[Piece]:
    last = await ctx.db.read(rows.find_last_follow_id)
    change = change_of(draft)
    tag_nos = await ctx.db.read(rows.map_tag_nos, {*change.put_on, *change.take_off})
    while after < last:
        upto = min(after + SPAN, last)
        listed = await ctx.db.read(rows.list_worn, draft.audience, after, upto, tag_nos)
        yield await asyncio.to_thread(_decide, upto, listed, change)
        after = upto


def _decide(upto: int, listed: Iterable[tuple[int, frozenset[str]]], change: Change) -> Piece:
    piece = Piece(upto)
    for follow_id, has in listed:
        if piece.tally.note(change, has):
            piece.items.append((follow_id, 0))
    return piece


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
    }


def read_marking(session: Session, marking_id: int) -> tuple[Marking, dict[int, int]]:
    """A marking, and how many it could not mark, by WeCom's number for why."""
    return rows.get_marking(session, marking_id), rows.count_causes(session, marking_id)
