"""Campaigns made, previewed and started: the checks that the API and other ways in share.

Nothing is asked of WeCom here: `scheduler/campaigns.py` sends what was started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlmodel import Session

from bot import approvals, group_waves, moments
from bot.approval_limits import refuse_held, require_approval
from bot.campaign_plans import calendar_of, count_wave, source_of_draft, source_of_wave, words_of
from bot.cards import end_requests
from bot.context import Context
from bot.errors import ObservingError
from bot.links import link_problems
from bot.rule_edits import media_problems, unwritable
from data.models import Approval, Campaign, Card, Run, Wave
from data.queries import approvals as approval_rows
from data.queries import batches as batch_rows
from data.queries import campaign_tests as test_rows
from data.queries import campaigns as rows
from data.queries import cards as card_rows
from data.queries import links as link_rows
from data.queries import publishers as publisher_rows
from data.queries import runs as run_rows
from data.queries import segment_names as segment_rows
from data.queries import senders as sender_rows
from data.queries import staff as staff_rows
from data.queries.campaign_edits import lock_campaign, refuse_stale
from data.queries.campaign_tests import CampaignTest
from data.queries.media_uses import hold_files
from data.rules import timings, variants
from data.rules.campaigns import (
    Act,
    CampaignDraft,
    CustomerWave,
    Tally,
    WaveDraft,
    audience_problems,
    problems,
)
from data.rules.group_waves import GroupWave
from data.rules.messages import MessageContent, links_of
from data.rules.moments import MomentContent, MomentWave
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.senders import SenderChoice, choice_problems
from data.rules.variants import RunWords
from data.rules.waves import GROUPS, MOMENTS

RunContent = MessageContent | MomentContent | RunWords
Draft = TypeVar("Draft", bound=CustomerWave | GroupWave | MomentWave)
#: Senders that a preview names, those with the most recipients first.
SENDERS_TOLD = 1000
RESULTS = ("sent", "not_friend", "over_cap", "refused", "stopped")


async def check_campaign(ctx: Context, draft: CampaignDraft) -> CampaignDraft:
    """The draft with its saved segments read. Raises InvalidRuleError with a path per fault, and NotFoundError."""
    found = list(unwritable(draft.name, "name"))
    if draft.owner is not None and await ctx.db.read(staff_rows.find_staff, draft.owner) is None:
        found.append(Problem("owner", f"没有成员 {draft.owner}（或还没有从企业微信读到）"))
    waves: list[WaveDraft] = []
    for number, wave in enumerate(draft.waves):
        try:
            waves.append(await check_wave(ctx, wave))
        except InvalidRuleError as error:
            found += [Problem(f"waves[{number}].{each.path}", each.message) for each in error.problems]
    if found:
        raise InvalidRuleError(found)
    return draft.model_copy(update={"waves": tuple(waves)})


async def content_problems(ctx: Context, content: MessageContent | MomentContent) -> list[Problem]:
    """What is wrong with what a broadcast says, or a post shows."""
    if isinstance(content, MomentContent):
        return await moments.content_problems(ctx, content)
    found = problems(content)
    if content.text:
        faults = ctx.renderer.check("broadcast", content.text)
        found += [Problem("content.text", f"第 {fault.line} 行：{fault.message}") for fault in faults]
    found += await link_problems(ctx, "broadcast", content.text, links_of(content))
    return found + await ctx.db.read(media_problems, content)


async def check_wave(ctx: Context, wave: Draft) -> Draft:
    """The same for one wave."""
    found = await wave_problems(ctx, wave) + timings.problems(wave.timing, ctx.clock.now(), calendar_of(ctx.settings))
    if found:
        raise InvalidRuleError(found)
    if isinstance(wave, CustomerWave):
        return wave.model_copy(update={"audience": await ctx.db.read(segment_rows.read_audience, wave.audience)})
    return wave


async def wave_problems(ctx: Context, wave: WaveDraft) -> list[Problem]:
    """What is wrong with a wave apart from its timing and its segment."""
    if isinstance(wave, MomentWave):
        return await moments.wave_problems(ctx, wave)
    if isinstance(wave, GroupWave):
        found = await content_problems(ctx, wave.content)
        return found + await group_waves.audience_problems(ctx, wave.audience)
    found = await _variant_problems(ctx, wave) + audience_problems(wave.audience)
    return found + choice_problems(wave, *await ctx.db.read(sender_rows.list_named, wave))


async def _variant_problems(ctx: Context, wave: CustomerWave) -> list[Problem]:
    found = variants.problems(wave.variants, wave.content)
    for number, each in enumerate(wave.variants):
        found += unwritable(each.name, f"variants[{number}].name")
    for path, content in wave.contents.items():
        for fault in await content_problems(ctx, content):
            found.append(Problem(path + fault.path.removeprefix("content"), fault.message))
    return found


async def make_campaign(ctx: Context, draft: CampaignDraft, made_by: str) -> Campaign:
    """Check and keep a campaign. Raises as `check_campaign` does."""
    draft = await check_campaign(ctx, draft)
    return await ctx.db.write(_make, draft, made_by, ctx.clock.now())


def _make(session: Session, draft: CampaignDraft, made_by: str, now: datetime) -> Campaign:
    made = rows.add_campaign(session, draft, made_by, now)
    hold_files(session, "campaign", made.id or 0)
    return made


@dataclass(frozen=True, slots=True)
class Preview:
    """What a wave would do now: the same counting as planning, and the words of the first sender, by variant."""

    tally: Tally
    calls: int
    words: Mapping[str, str]


async def tell_draft(ctx: Context, wave: WaveDraft) -> dict[str, Any]:
    """What a wave of any kind would do that is not kept, as it is shown. Raises as `check_wave` does."""
    if isinstance(wave, MomentWave):
        wave = await check_wave(ctx, wave)
        return moments.preview_to_json(await moments.preview(ctx, wave.content, wave.visible))
    if isinstance(wave, GroupWave):
        wave = await check_wave(ctx, wave)
        return group_waves.preview_to_json(await group_waves.preview(ctx, wave.audience, wave.content.text))
    return preview_to_json(await preview_draft(ctx, wave))


async def tell_wave(ctx: Context, wave: Wave) -> dict[str, Any]:
    """What a wave of any kind would do that is kept, as it is shown."""
    if wave.kind == MOMENTS:
        return moments.preview_to_json(await moments.preview_wave(ctx, wave))
    if wave.kind == GROUPS:
        return group_waves.preview_to_json(await group_waves.preview_wave(ctx, wave))
    return preview_to_json(await preview_wave(ctx, wave))


async def preview_draft(ctx: Context, wave: CustomerWave) -> Preview:
    """What a broadcast would do that is not kept. Raises as `check_wave` does."""
    wave = await check_wave(ctx, wave)
    as_of = ctx.clock.now()
    source, unknown = await source_of_draft(ctx, wave, as_of)
    tally = await count_wave(ctx, source, unknown, as_of)
    names = [each.name for each in wave.variants] or [""]
    return await _preview(ctx, tally, dict(zip(names, (each.text for each in wave.contents.values()), strict=True)))


async def preview_wave(ctx: Context, wave: Wave) -> Preview:
    """What a broadcast would do that is kept."""
    as_of = ctx.clock.now()
    source, unknown = await source_of_wave(ctx, wave, as_of)
    tally = await count_wave(ctx, source, unknown, as_of)
    texts = variants.said(wave.content, wave.variants, None)
    return await _preview(ctx, tally, {name: str(each.get("text") or "") for name, each in texts.items()})


async def _preview(ctx: Context, tally: Tally, texts: Mapping[str, str]) -> Preview:
    first = tally.by_sender.most_common(1)
    userid = first[0][0] if first else ""
    words = {name: await words_of(ctx, text, userid) for name, text in texts.items()}
    return Preview(tally, tally.calls, words)


def preview_to_json(preview: Preview) -> dict[str, Any]:
    """A preview as it is shown."""
    tally = preview.tally
    return {
        "matched": tally.matched,
        "recipients": tally.recipients,
        "left_out": dict(sorted(tally.left_out.items())),
        "likely_over_cap": tally.likely_over_cap,
        "calls": preview.calls,
        "senders": [
            {"userid": userid, "recipients": number} for userid, number in tally.by_sender.most_common(SENDERS_TOLD)
        ],
        "sender_count": len(tally.by_sender),
        "words": next(iter(preview.words.values())),
        "variants": [
            {"name": name, "recipients": tally.variants.get(name, 0), "words": words}
            for name, words in preview.words.items()
            if name
        ],
    }


@dataclass(frozen=True, slots=True)
class Told:
    """A campaign with its parts."""

    campaign: Campaign
    waves: Sequence[Wave]
    runs: Sequence[Run]
    approval: Approval | None = None
    card: Card | None = None
    tests: Sequence[CampaignTest] = ()


def read_campaign(session: Session, campaign_id: int) -> Told:
    """One campaign with its waves and runs. Raises NotFoundError."""
    campaign = rows.get_campaign(session, campaign_id)
    return _told(session, [campaign])[0]


def read_campaigns(session: Session, limit: int, before_id: int | None) -> list[Told]:
    """Campaigns with their waves and runs, newest first."""
    return _told(session, rows.list_campaigns(session, limit, before_id))


def _told(session: Session, campaigns: Sequence[Campaign]) -> list[Told]:
    ids = [each.id or 0 for each in campaigns]
    waves, runs = rows.list_waves(session, ids), rows.list_runs(session, ids)
    newest = approval_rows.find_latest(session, ids)
    cards = card_rows.find_cards(session, [each.id or 0 for each in newest.values()])
    tests = test_rows.list_tests(session, ids)
    found: list[Told] = []
    for each in campaigns:
        approval = newest.get(each.id or 0)
        found.append(
            Told(
                each,
                [wave for wave in waves if wave.campaign_id == each.id],
                [run for run in runs if run.campaign_id == each.id],
                approval,
                cards.get(approval.id or 0) if approval else None,
                tests.get(each.id or 0, ()),
            )
        )
    return found


def to_json(told: Told) -> dict[str, Any]:
    """A campaign as it is shown."""
    return {
        **told.campaign.model_dump(),
        "waves": [wave_to_json(wave) for wave in told.waves],
        "runs": [run_to_json(run) for run in told.runs],
        "approval": approvals.to_json(told.approval, told.card) if told.approval else None,
        "tests": [{**each._asdict(), "is_current": each.version == told.campaign.version} for each in told.tests],
    }


def wave_to_json(wave: Wave) -> dict[str, Any]:
    """A wave as it is shown."""
    if wave.kind == MOMENTS:
        return moments.wave_to_json(wave)
    of_customers = (*SenderChoice.model_fields, "not_bought_hours", "variants", "hold_out_percent")
    exclude = {"campaign_id", *(of_customers if wave.kind == GROUPS else ())}
    return wave.model_dump(exclude=exclude)


def run_to_json(run: Run) -> dict[str, Any]:
    """A run as it is shown."""
    return run.model_dump(exclude={"campaign_id", "planned_until", "planned_as_of", "rests"})


async def start_campaign(ctx: Context, campaign_id: int, at: datetime | None) -> Told:
    """Have a campaign sent, now or at an instant to come.

    Raises ObservingError, NotFoundError, ApprovalNeededError, and ConflictError for one that was started before or
    changed meanwhile.
    """
    if ctx.observes:
        raise ObservingError
    told = await ctx.db.read(read_campaign, campaign_id)
    if not told.runs:
        await require_approval(ctx, told.campaign, told.waves)
    await ctx.db.write(_start, ctx, campaign_id, told.campaign.version, due_at(ctx, at))
    return await ctx.db.read(read_campaign, campaign_id)


def _start(session: Session, ctx: Context, campaign_id: int, version: int, due_at: datetime) -> None:
    refuse_stale(lock_campaign(session, campaign_id), version)
    rows.start_campaign(session, campaign_id, due_at, calendar_of(ctx.settings))
    end_requests(session, campaign_id, "started", ctx.clock.now(), granted=False)


async def parse_words(ctx: Context, run_id: int, source: Mapping[str, Any]) -> RunContent:
    """What a sending is to say, as its kind of wave says it. Raises InvalidRuleError, NotFoundError."""
    run = await ctx.db.read(rows.get_run, run_id)
    wave = await ctx.db.read(rows.get_wave, run.wave_id)
    if wave.variants:
        return variants.parse_words([str(each["name"]) for each in wave.variants], source)
    return parse(MomentContent, source) if wave.kind == MOMENTS else parse(MessageContent, source)


async def write_words(ctx: Context, run_id: int, content: RunContent) -> Run:
    """Say what a sending says that has not begun; what was approved of its campaign is void.

    Raises InvalidRuleError, NotFoundError, ConflictError.
    """
    found = await _words_problems(ctx, content)
    if found:
        raise InvalidRuleError(found)
    return await ctx.db.write(_write_words, run_id, content.model_dump(mode="json"), ctx.clock.now())


async def _words_problems(ctx: Context, content: RunContent) -> list[Problem]:
    if not isinstance(content, RunWords):
        return await content_problems(ctx, content)
    return [
        Problem(f"variants[{number}].{fault.path}", fault.message)
        for number, each in enumerate(content.variants)
        for fault in await content_problems(ctx, each.content)
    ]


def _write_words(session: Session, run_id: int, content: dict[str, Any], now: datetime) -> Run:
    campaign = lock_campaign(session, rows.get_run(session, run_id).campaign_id)
    campaign.version += 1
    end_requests(session, campaign.id or 0, "changed", now)
    run = run_rows.write_words(session, run_id, content)
    hold_files(session, "campaign", campaign.id or 0)
    return run


async def act_on(ctx: Context, campaign_id: int, act: Act, by: str = "command") -> Told:
    """Pause, resume or cancel a campaign, as somebody wants it. Raises NotFoundError, ConflictError,
    ApprovalNeededError."""
    await ctx.db.write(act_within, ctx, campaign_id, act, by)
    return await ctx.db.read(read_campaign, campaign_id)


def act_within(session: Session, ctx: Context, campaign_id: int, act: Act, by: str) -> None:
    """The same as part of a transaction; nothing is changed when it raises."""
    if act is Act.RESUME:
        refuse_held(session, campaign_id, ctx.settings.approval)
        test_rows.refuse_untested(session, campaign_id)
    rows.act_on(session, campaign_id, act, ctx.clock.now(), by)


def read_results(session: Session, campaign_id: int) -> list[dict[str, Any]]:
    """What became of each run of a campaign, in numbers. Raises NotFoundError."""
    runs = read_campaign(session, campaign_id).runs
    counted = batch_rows.count_results(session, [run.id or 0 for run in runs])
    seen = publisher_rows.count_seen(session, [run.id or 0 for run in runs])
    clicked = link_rows.count_of_runs(session, [run.id or 0 for run in runs])
    told: list[dict[str, Any]] = []
    for run in runs:
        mine = counted.get(run.id or 0, {})
        batches = {name.removeprefix("batches_"): each for name, each in mine.items() if name.startswith("batches_")}
        results = {name: each for name, each in mine.items() if not name.startswith("batches_")}
        settled = sum(results.get(name, 0) for name in RESULTS)
        told.append(
            {
                "run_id": run.id,
                "status": run.status,
                "recipients": run.recipients,
                "left_out": run.left_out,
                "waiting": run.recipients - settled,
                **{name: results.get(name, 0) for name in RESULTS},
                "batches": batches,
                "batches_confirmed": results.get("confirmed", 0),
                "moments": seen.get(run.id or 0),
                "clicked": clicked.get(run.id or 0, link_rows.Clicks())._asdict(),
            }
        )
    return told


def due_at(ctx: Context, at: datetime | None) -> datetime:
    """When a campaign that is started is due: now, or at an instant to come."""
    now = ctx.clock.now()
    return now if at is None else max(at, now)
