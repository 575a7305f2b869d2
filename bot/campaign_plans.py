"""Who receives a wave, and through whom: found span by span of the follows, resumable between any two of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from bot.config import Settings
from bot.context import Context
from bot.setting_values import days_of
from bot.staff_tasks import company_caps
from data.models import Campaign, RecipientState, Run, RunStatus, Wave
from data.queries import audience_counts, erasures, segments
from data.queries import campaigns as rows
from data.queries import customers as customer_rows
from data.queries import recipients as recipient_rows
from data.queries import senders as sender_rows
from data.queries import wave_lists as list_rows
from data.queries import winners as winner_rows
from data.queries.caps import Limits, has_open_lists, has_open_tasks, list_waiting_runs
from data.queries.erasures import Mark
from data.queries.recipients import Source, Span
from data.rules import campaigns as rules
from data.rules.campaigns import Audience, CustomerWave, Group, Tally, grouped, split
from data.rules.caps import caps_now, wecom_cap
from data.rules.schedule import TimeWindow
from data.rules.segments import EVERYBODY, Node
from data.rules.senders import Decision, SenderChoice, decide, state_alone
from data.rules.timings import Calendar, Timing
from data.rules.variants import Split

#: Follows that are looked at in one go.
SPAN = 4000
#: Recipients that a preview names, and from how many places among the follows, where there are more than so few.
SAMPLED, PLACES, FEW = 10, 5, 5000
#: Follows that are looked at at one of the places.
WIDTH_MAX = 20_000


class Piece(NamedTuple):
    """What was decided about the follows in (after, upto], and with them about others of the same customers."""

    after: int
    upto: int
    groups: list[Group]
    tally: Tally


async def pieces(ctx: Context, run_id: int, source: Source, *, after: int, as_of: datetime) -> AsyncIterator[Piece]:
    """A run's audience behind follow `after`, decided piece by piece: keep each before asking for the next."""
    while after < source.last:
        upto = _end_of(source, after, SPAN)
        yield await _decided(ctx, source, run_id, after, upto, as_of)
        after = upto


def _end_of(source: Source, after: int, span: int) -> int:
    if source.plan is not None:
        return min(after + span, source.last)
    ahead = [each for each in source.listed if each > after][:span]
    return ahead[-1] if ahead else source.last


async def _decided(ctx: Context, source: Source, run_id: int | None, after: int, upto: int, as_of: datetime) -> Piece:
    read = await ctx.db.read(recipient_rows.read_span, source, run_id, after, upto, as_of, ctx.settings.zone)
    groups = await asyncio.to_thread(_decide, source, read)
    tally = Tally()
    tally.note(groups)
    return Piece(after, upto, groups, tally)


def _decide(source: Source, read: Span) -> list[Group]:
    senders = source.senders
    decisions = decide(senders, read.shared, decided=read.decided, reached=read.reached)
    if source.split is not None:
        decisions += [Decision(*each[:2], state_alone(each.userid, each.refusal, senders)) for each in read.single]
        whose = {each.follow_id: each.external_userid for each in read.single}
        whose |= {each.follow_id: each.external_userid for each in read.shared}
        decisions = split(decisions, whose, source.split)
    groups = grouped(decisions)
    for userid, refusal, number, ids in read.alike:
        groups.append(Group(userid, state_alone(userid, refusal, senders), "", number, ids))
    return groups


# -- sources


async def source_of_draft(ctx: Context, wave: CustomerWave, as_of: datetime) -> tuple[Source, int]:
    """Whom a draft means, and how many entries of its list are nobody's contact. Its saved segment was read."""
    limits = await _limits_beside_runs(ctx, wave.not_bought_hours, as_of)
    if wave.audience.is_list:
        listed, unknown = await ctx.db.read(list_rows.list_of_draft, wave.audience.listed)
        return await _source(ctx, None, listed, as_of, limits, wave, wave.split), unknown
    return await _source(ctx, wave.audience.segment or EVERYBODY, (), as_of, limits, wave, wave.split, whole=True), 0


async def source_of_wave(ctx: Context, wave: Wave, as_of: datetime, run: Run | None = None) -> tuple[Source, int]:
    """The same for a wave, or for one of its runs that has begun."""
    run_id = run.id if run is not None else None
    variant = run.variant if run is not None else await ctx.db.read(winner_rows.find_variant, wave.id or 0)
    split = rows.split_of_wave(wave, variant)
    campaign = await ctx.db.read(rows.get_campaign, wave.campaign_id)
    limits = await _limits_beside_runs(ctx, wave.not_bought_hours, as_of, run_id, campaign)
    choice = rows.senders_of(wave)
    if wave.audience.keys() & {"pairs", "external_userids"}:
        listed, unknown = await ctx.db.read(list_rows.list_of_wave, wave.id or 0)
        return await _source(ctx, None, listed, as_of, limits, choice, split), unknown
    tree = Audience.model_validate(wave.audience).segment or EVERYBODY
    whole = run_id is None
    return await _source(ctx, tree, (), as_of, limits, choice, split, whole=whole), 0


def limits_of(settings: Settings, not_bought_hours: int | None, now: datetime, *, is_test: bool = False) -> Limits:
    """Who is left out now. No cap of the company's holds for a test."""
    return Limits(not_bought_hours, () if is_test else caps_now(company_caps(settings), now, settings.zone))


async def _limits_beside_runs(
    ctx: Context,
    not_bought_hours: int | None,
    now: datetime,
    run_id: int | None = None,
    campaign: Campaign | None = None,
) -> Limits:
    """The same while what waits in other runs, on lists of journeys' broadcasts and in tasks of theirs for staff counts
    as if it had been sent."""
    is_test = campaign is not None and campaign.test_of is not None
    limits = limits_of(ctx.settings, not_bought_hours, now, is_test=is_test)
    if not limits.caps:
        return limits
    tasks = await ctx.db.read(has_open_tasks, min(cap.since for cap in limits.caps))
    # Whoever is on a list of a journey's was weighed against all others when they were put on it.
    is_of_journey = campaign is not None and campaign.journey_id is not None
    lists = not is_of_journey and await ctx.db.read(has_open_lists)
    return limits._replace(runs=await ctx.db.read(list_waiting_runs, run_id), tasks=tasks, lists=lists)


async def _source(
    ctx: Context,
    tree: Node | None,
    listed: tuple[int, ...],
    as_of: datetime,
    limits: Limits,
    choice: SenderChoice,
    split: Split | None,
    *,
    whole: bool = False,
) -> Source:
    senders = await ctx.db.read(sender_rows.read_senders, choice, as_of.astimezone(ctx.settings.zone).date())
    if tree is None:
        return Source(None, listed, senders, listed[-1] if listed else 0, limits, split)
    plan = await ctx.db.read(segments.plan_segment, tree, as_of, ctx.settings.zone, whole=whole)
    last = await ctx.db.read(customer_rows.find_last_follow_id)
    return Source(plan, (), senders, last, limits, split)


# -- a run


async def plan_run(ctx: Context, run_id: int) -> RunStatus:
    """Find the recipients of a run, from where that was interrupted; how it stands then: it may have been stopped, or
    be planned still, by another process or because somebody was erased meanwhile."""
    mark = await ctx.db.read(erasures.read_mark)
    run = await ctx.db.read(rows.get_run, run_id)
    wave = await ctx.db.read(rows.get_wave, run.wave_id)
    assert run.planned_as_of is not None
    source, unknown = await source_of_wave(ctx, wave, run.planned_as_of, run)
    batches = await ctx.db.read(recipient_rows.load_batches, run_id, rules.BATCH_RECIPIENTS)
    async for piece in pieces(ctx, run_id, source, after=run.planned_until, as_of=run.planned_as_of):
        assigned, grown = batches.assign(piece.groups)
        run = await _write(ctx, run_id, assigned, grown, piece, mark)
        if run.status != RunStatus.PLANNING or run.planned_until != piece.upto:
            return RunStatus(run.status)
    run = await ctx.db.write(recipient_rows.end_planning, run_id, unknown, ctx.clock.now())
    return RunStatus(run.status)


async def _write(ctx: Context, run_id: int, assigned: Any, grown: Any, piece: Piece, mark: Mark) -> Run:
    found = (assigned, grown, piece.tally, piece.after, piece.upto)
    return await ctx.db.write_many(recipient_rows.write_span, run_id, *found, mark)


async def count_wave(ctx: Context, source: Source, unknown: int, as_of: datetime, timing: Timing) -> Tally:
    """What planning would find now, and how many WeCom would likely not deliver to when it is sent: in another month
    they have room again."""
    sent_at = max(timing.first_due(as_of, calendar_of(ctx.settings)) or as_of, as_of)
    cap = wecom_cap(ctx.settings.campaigns.wecom_cap, sent_at, ctx.settings.zone)
    source = replace(source, limits=source.limits._replace(wecom=cap))
    tally = await ctx.db.read(audience_counts.count_audience, source, as_of, ctx.settings.zone)
    if unknown:
        tally.matched += unknown
        tally.left_out["unknown"] = unknown
    return tally


class Sampled(NamedTuple):
    """A customer who would receive a wave, through whom, and which variant; empty where there is only one."""

    external_userid: str
    userid: str
    variant: str


async def sample_audience(ctx: Context, source: Source, counted: Tally, as_of: datetime) -> list[Sampled]:
    """Some of the recipients that were counted, decided about as planning does: spread over all of a small audience,
    from several places of a large one. Where hardly anybody of a large one is to receive it, there may be none."""
    if not counted.recipients:
        return []
    places, width = PLACES, min(source.last * SAMPLED * 2 // counted.recipients, WIDTH_MAX)
    if counted.matched <= FEW:
        places, width = 1, source.last
    found: list[tuple[int, str, str]] = []
    for number in range(places):
        after = source.last // PLACES * number
        upto = min(after + width, source.last)
        piece = await _decided(ctx, source, 0, after, upto, as_of)
        reached = sorted(_each_waiting(piece))
        most = SAMPLED // places
        found += reached[:: max(len(reached) // most, 1)][:most]
    customers = await ctx.db.read(customer_rows.map_follows, [follow_id for follow_id, _, _ in found])
    return [Sampled(customers[follow_id], *told) for follow_id, *told in found]


def _each_waiting(piece: Piece) -> Iterator[tuple[int, str, str]]:
    """Each who is to receive it, as (follow, sender, variant)."""
    for group in piece.groups:
        if group.state is RecipientState.WAITING:
            yield from ((int(each), group.userid, group.variant) for each in group.ids.split(","))


# -- times


def calendar_of(settings: Settings) -> Calendar:
    """The company's clock, as its settings have it."""
    opens, _, closes = settings.campaigns.hours.partition("-")
    hours = TimeWindow.model_validate({"start": opens, "end": closes})
    holidays, workdays = (
        [days_of(words) for words in listed] for listed in (settings.company.holidays, settings.company.workdays)
    )
    return Calendar(settings.zone, hours, holidays, workdays)
