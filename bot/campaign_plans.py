"""Who receives a wave, and through whom: found span by span of the follows, resumable between any two of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from bot.config import Settings, days_of
from bot.context import Context
from data.models import RecipientState, Run, RunStatus, Wave
from data.queries import campaigns as rows
from data.queries import customers as customer_rows
from data.queries import recipients as recipient_rows
from data.queries import segments
from data.queries import staff as staff_rows
from data.queries.recipients import Source, Span
from data.rules import campaigns as rules
from data.rules.campaigns import Audience, CustomerWave, Decision, SenderPolicy, Tally, decide
from data.rules.schedule import TimeWindow
from data.rules.segments import EVERYBODY, Node
from data.rules.timings import Calendar

#: Follows that are looked at in one go.
SPAN = 4000
#: And where nothing is written.
PREVIEW_SPAN = 20_000


class Piece(NamedTuple):
    """What was decided about the follows in (after, upto], and with them about others of the same customers."""

    after: int
    upto: int
    decisions: list[Decision]
    tally: Tally


class Decided(Protocol):
    """What was decided in earlier pieces."""

    async def before(self, after: int, upto: int, shared: Collection[int]) -> tuple[AbstractSet[int], AbstractSet[int]]:
        """The follows of a span or of `shared` that were decided about, and those of `shared` that are reached."""

    def note(self, decisions: Collection[Decision], shared: Collection[int]) -> None:
        """Remember a piece."""


@dataclass(slots=True)
class InRows:
    """A run keeps what it decided in its rows."""

    ctx: Context
    run_id: int

    async def before(self, after: int, upto: int, shared: Collection[int]) -> tuple[AbstractSet[int], AbstractSet[int]]:
        return await self.ctx.db.read(recipient_rows.list_decided, self.run_id, after, upto, shared)

    def note(self, decisions: Collection[Decision], shared: Collection[int]) -> None:
        return None


class InMemory:
    """A preview writes nothing: it remembers the customers whom several staff members follow."""

    def __init__(self) -> None:
        self._states: dict[int, bool] = {}

    async def before(self, after: int, upto: int, shared: Collection[int]) -> tuple[AbstractSet[int], AbstractSet[int]]:
        known = {each for each in shared if each in self._states}
        return known, {each for each in known if self._states[each]}

    def note(self, decisions: Collection[Decision], shared: Collection[int]) -> None:
        self._states |= {
            each.follow_id: each.state is RecipientState.WAITING for each in decisions if each.follow_id in shared
        }


async def pieces(
    ctx: Context, source: Source, policy: SenderPolicy, decided: Decided, *, after: int, as_of: datetime, span: int
) -> AsyncIterator[Piece]:
    """The audience behind follow `after`, decided piece by piece. What was decided must be kept before the next one."""
    while after < source.last:
        upto = _end_of(source, after, span)
        read = await ctx.db.read(recipient_rows.read_span, source, after, upto, as_of, ctx.settings.zone)
        known, reached = await decided.before(after, upto, read.shared)
        piece = await asyncio.to_thread(_decide, policy, source, read, known, reached, after, upto)
        decided.note(piece.decisions, read.shared)
        yield piece
        after = upto


def _end_of(source: Source, after: int, span: int) -> int:
    if source.plan is not None:
        return min(after + span, source.last)
    ahead = [each for each in source.listed if each > after][:span]
    return ahead[-1] if ahead else source.last


def _decide(
    policy: SenderPolicy,
    source: Source,
    read: Span,
    known: AbstractSet[int],
    reached: AbstractSet[int],
    after: int,
    upto: int,
) -> Piece:
    customers = {read.shared[each] for each in reached}
    decisions = decide(policy, read.follows, decided=known, reached=customers, unable=source.unable)
    if policy is SenderPolicy.ALL:
        decisions = [each for each in decisions if after < each.follow_id <= upto]
    tally = Tally()
    tally.note(decisions)
    return Piece(after, upto, decisions, tally)


# -- sources


async def source_of_draft(ctx: Context, wave: CustomerWave, as_of: datetime) -> tuple[Source, int]:
    """Whom a draft means, and how many entries of its list are nobody's contact. Its saved segment was read."""
    if wave.audience.is_list:
        listed, unknown = await ctx.db.read(recipient_rows.list_of_draft, wave.audience.listed)
        return await _source(ctx, None, listed, as_of, wave.not_bought_hours), unknown
    return await _source(ctx, wave.audience.segment or EVERYBODY, (), as_of, wave.not_bought_hours), 0


async def source_of_wave(ctx: Context, wave: Wave, as_of: datetime) -> tuple[Source, int]:
    """The same for a wave."""
    if wave.audience.keys() & {"pairs", "external_userids"}:
        listed, unknown = await ctx.db.read(recipient_rows.list_of_wave, wave.id or 0)
        return await _source(ctx, None, listed, as_of, wave.not_bought_hours), unknown
    audience = Audience.model_validate(wave.audience)
    return await _source(ctx, audience.segment or EVERYBODY, (), as_of, wave.not_bought_hours), 0


async def _source(
    ctx: Context, tree: Node | None, listed: tuple[int, ...], as_of: datetime, not_bought_hours: int | None
) -> Source:
    unable = await ctx.db.read(recipient_rows.list_unable)
    if tree is None:
        return Source(None, listed, unable, listed[-1] if listed else 0, not_bought_hours)
    plan = await ctx.db.read(segments.plan_segment, tree, as_of, ctx.settings.zone)
    last = await ctx.db.read(customer_rows.find_last_follow_id)
    return Source(plan, (), unable, last, not_bought_hours)


# -- a run


async def plan_run(ctx: Context, run_id: int) -> RunStatus:
    """Find the recipients of a run, from where that was interrupted; how it stands then: it may have been stopped."""
    run = await ctx.db.read(rows.get_run, run_id)
    wave = await ctx.db.read(rows.get_wave, run.wave_id)
    assert run.planned_as_of is not None
    source, unknown = await source_of_wave(ctx, wave, run.planned_as_of)
    batches = await ctx.db.read(recipient_rows.load_batches, run_id, rules.BATCH_RECIPIENTS)
    policy = SenderPolicy(wave.sender_policy)
    async for piece in pieces(
        ctx, source, policy, InRows(ctx, run_id), after=run.planned_until, as_of=run.planned_as_of, span=SPAN
    ):
        assigned, grown = batches.assign(piece.decisions)
        run = await _write(ctx, run_id, assigned, grown, piece)
        if run.status != RunStatus.PLANNING or run.planned_until != piece.upto:
            return RunStatus(run.status)
    run = await ctx.db.write(recipient_rows.end_planning, run_id, unknown, ctx.clock.now())
    return RunStatus(run.status)


async def _write(ctx: Context, run_id: int, assigned: Any, grown: Any, piece: Piece) -> Run:
    return await ctx.db.write(recipient_rows.write_span, run_id, assigned, grown, piece.tally, piece.after, piece.upto)


async def count_wave(ctx: Context, source: Source, policy: SenderPolicy, unknown: int, as_of: datetime) -> Tally:
    """What planning would find now."""
    tally = Tally()
    async for piece in pieces(ctx, source, policy, InMemory(), after=0, as_of=as_of, span=PREVIEW_SPAN):
        tally.matched += piece.tally.matched
        tally.left_out.update(piece.tally.left_out)
        tally.by_sender.update(piece.tally.by_sender)
    if unknown:
        tally.matched += unknown
        tally.left_out["unknown"] = unknown
    return tally


# -- times and words


def calendar_of(settings: Settings) -> Calendar:
    """The company's clock, as its settings have it."""
    opens, _, closes = settings.campaigns.hours.partition("-")
    hours = TimeWindow.model_validate({"start": opens, "end": closes})
    return Calendar(settings.zone, hours, [days_of(words) for words in settings.company.holidays])


async def words_of(ctx: Context, text: str, userid: str) -> str:
    """A broadcast's text as one staff member sends it."""
    if not text:
        return ""
    card = await ctx.db.read(staff_rows.get_card, userid)
    values: dict[str, str | None] = {
        "staff_name": card.name,
        "staff_alias": card.alias,
        "staff_position": card.position,
        "department_name": card.department_name,
        "company_name": ctx.settings.company.name,
    }
    return ctx.renderer.render_source("broadcast", text, values)
