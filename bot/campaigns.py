"""Campaigns made, previewed and started: the checks that the API and other ways in share.

Nothing is asked of WeCom here: `scheduler/campaigns.py` sends what was started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlmodel import Session

from bot import approvals
from bot.approval_limits import refuse_held, require_approval
from bot.campaign_plans import calendar_of
from bot.cards import end_requests
from bot.context import Context
from bot.errors import ObservingError
from bot.phrases import Phrase
from bot.rule_edits import unwritable
from bot.waves import KINDS, RunContent
from data.models import Approval, Campaign, Card, Run, Wave, Winner
from data.queries import approvals as approval_rows
from data.queries import batches as batch_rows
from data.queries import campaign_tests as test_rows
from data.queries import campaigns as rows
from data.queries import cards as card_rows
from data.queries import links as link_rows
from data.queries import publishers as publisher_rows
from data.queries import runs as run_rows
from data.queries import staff as staff_rows
from data.queries import winners as winner_rows
from data.queries.campaign_edits import lock_campaign, refuse_stale
from data.queries.campaign_tests import CampaignTest
from data.queries.media_uses import hold_files
from data.rules import timings
from data.rules.campaigns import Act, CampaignDraft, CustomerWave, WaveDraft
from data.rules.group_waves import GroupWave
from data.rules.moments import MomentWave
from data.rules.problems import InvalidRuleError, Problem
from data.rules.timings import Timing
from data.rules.variants import written_alone

Draft = TypeVar("Draft", bound=CustomerWave | GroupWave | MomentWave)
#: A wave of any kind, to be parsed.
WAVE: TypeAdapter[CustomerWave | GroupWave | MomentWave] = TypeAdapter(WaveDraft)
RESULTS = ("sent", "not_friend", "over_cap", "refused", "stopped")


async def check_campaign(ctx: Context, draft: CampaignDraft) -> CampaignDraft:
    """The draft with its saved segments read. Raises InvalidRuleError with a path per fault."""
    found = list(unwritable(draft.name, "name"))
    if draft.owner is not None and await ctx.db.read(staff_rows.find_staff, draft.owner) is None:
        found.append(Problem("owner", Phrase("没有成员 %(userid)s（或还没有从企业微信读到）", userid=draft.owner)))
    waves: list[WaveDraft] = []
    for number, wave in enumerate(draft.waves):
        try:
            waves.append(await check_wave(ctx, wave))
        except InvalidRuleError as error:
            found += [Problem(f"waves[{number}].{each.path}", each.message) for each in error.problems]
    if found:
        raise InvalidRuleError(found)
    return draft.model_copy(update={"waves": tuple(waves)})


async def check_wave(ctx: Context, wave: Draft) -> Draft:
    """The same for one wave."""
    kind = KINDS[wave.kind]
    found = await kind.wave_problems(ctx, wave)
    found += timings.problems(wave.timing, ctx.clock.now(), calendar_of(ctx.settings))
    if found:
        raise InvalidRuleError(found)
    checked: Draft = await kind.with_segment(ctx, wave)
    return checked


async def make_campaign(ctx: Context, draft: CampaignDraft, made_by: str) -> Campaign:
    """Check and keep a campaign. Raises as `check_campaign` does."""
    draft = await check_campaign(ctx, draft)
    return await ctx.db.write(_make, draft, made_by, ctx.clock.now())


def _make(session: Session, draft: CampaignDraft, made_by: str, now: datetime) -> Campaign:
    made = rows.add_campaign(session, draft, made_by, now)
    hold_files(session, "campaign", made.id or 0)
    return made


async def tell_draft(ctx: Context, wave: WaveDraft) -> dict[str, Any]:
    """What a wave of any kind would do that is not kept, as it is shown. Raises as `check_wave` does."""
    told = await KINDS[wave.kind].tell_draft(ctx, await check_wave(ctx, wave))
    return {**told, "warnings": _warnings(ctx, wave.timing, wave.valid_hours)}


async def tell_wave(ctx: Context, wave: Wave) -> dict[str, Any]:
    """What a wave of any kind would do that is kept, as it is shown."""
    told = await KINDS[wave.kind].tell_wave(ctx, wave)
    return {**told, "warnings": _warnings(ctx, rows.timing_of(wave), wave.valid_hours)}


async def tell_waves(ctx: Context, told: Told) -> list[dict[str, Any]]:
    """What each wave of a campaign would do, with its place among them as the path of a fault has it."""
    return [{"wave_id": wave.id, "place": place, **await tell_wave(ctx, wave)} for place, wave in enumerate(told.waves)]


def _warnings(ctx: Context, timing: Timing, valid_hours: int) -> list[str]:
    return timings.warnings(timing, valid_hours, ctx.clock.now(), calendar_of(ctx.settings))


@dataclass(frozen=True, slots=True)
class Told:
    """A campaign with its parts."""

    campaign: Campaign
    waves: Sequence[Wave]
    runs: Sequence[Run]
    approval: Approval | None = None
    card: Card | None = None
    tests: Sequence[CampaignTest] = ()
    winners: Sequence[Winner] = ()


def read_campaign(session: Session, campaign_id: int) -> Told:
    """One campaign with its waves and runs. Raises NotFoundError."""
    campaign = rows.get_campaign(session, campaign_id)
    return tell(session, [campaign])[0]


def read_campaigns(session: Session, limit: int, before_id: int | None) -> list[Told]:
    """Campaigns with their waves and runs, newest first."""
    return tell(session, rows.list_campaigns(session, limit, before_id))


def tell(session: Session, campaigns: Sequence[Campaign], *, runs: bool = True) -> list[Told]:
    """Some campaigns with their parts; those that repeat have many `runs`."""
    ids = [each.id or 0 for each in campaigns]
    waves, listed = rows.list_waves(session, ids), rows.list_runs(session, ids) if runs else []
    newest = approval_rows.find_latest(session, ids)
    cards = card_rows.find_cards(session, [each.id or 0 for each in newest.values()])
    tests = test_rows.list_tests(session, ids)
    winners = winner_rows.find_winners(session, [wave.id or 0 for wave in waves if wave.variants])
    found: list[Told] = []
    for each in campaigns:
        approval = newest.get(each.id or 0)
        found.append(
            Told(
                each,
                [wave for wave in waves if wave.campaign_id == each.id],
                [run for run in listed if run.campaign_id == each.id],
                approval,
                cards.get(approval.id or 0) if approval else None,
                tests.get(each.id or 0, ()),
                [winners[wave.id] for wave in waves if wave.id in winners and wave.campaign_id == each.id],
            )
        )
    return found


def to_json(told: Told) -> dict[str, Any]:
    """A campaign as it is shown."""
    return {
        **told.campaign.model_dump(),
        "waves": [KINDS[wave.kind].wave_to_json(wave) for wave in told.waves],
        "runs": [run_to_json(run) for run in told.runs],
        "approval": approvals.to_json(told.approval, told.card) if told.approval else None,
        "tests": [{**each._asdict(), "is_current": each.version == told.campaign.version} for each in told.tests],
        "winners": [each.model_dump(exclude={"id", "figures", "undone_at", "undone_by"}) for each in told.winners],
    }


def run_to_json(run: Run) -> dict[str, Any]:
    """A run as it is shown."""
    return run.model_dump(exclude={"campaign_id", "planned_until", "planned_as_of", "rests", "on_leave"})


async def start_campaign(ctx: Context, campaign_id: int, at: datetime | None) -> Told:
    """Have a campaign sent, now or at an instant to come.

    Raises ObservingError, NotFoundError, InvalidRuleError for an instant that has passed, ApprovalNeededError, and
    ConflictError for one that was started before or changed meanwhile.
    """
    if ctx.observes:
        raise ObservingError
    if at is not None and at < ctx.clock.now():
        raise InvalidRuleError([Problem("at", Phrase("时间已经过去；不填 at 就是现在开始"))])
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
    wave = await ctx.db.read(_read_wave, run_id)
    return KINDS[wave.kind].parse_words(wave, source)


async def write_words(ctx: Context, run_id: int, content: RunContent) -> Run:
    """Say what a sending says that has not begun; what was approved of its campaign is void.

    Raises InvalidRuleError, NotFoundError, ConflictError.
    """
    wave = await ctx.db.read(_read_wave, run_id)
    found = await KINDS[wave.kind].words_problems(ctx, content)
    if found:
        raise InvalidRuleError(found)
    return await ctx.db.write(_write_words, run_id, content.model_dump(mode="json"), ctx.clock.now())


def _read_wave(session: Session, run_id: int) -> Wave:
    return rows.get_wave(session, rows.get_run(session, run_id).wave_id)


def _write_words(session: Session, run_id: int, content: dict[str, Any], now: datetime) -> Run:
    campaign = lock_campaign(session, rows.get_run(session, run_id).campaign_id)
    campaign.version += 1
    end_requests(session, campaign.id or 0, "changed", now)
    run = run_rows.write_words(session, run_id, content, campaign.version)
    if written_alone(content) not in ("", rows.variant_of(session, run)):
        raise InvalidRuleError([Problem("variants", Phrase("只有选定的版本可以单独写；否则请给每个版本各写一次"))])
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


def read_results(session: Session, campaign_id: int, last: int = 0) -> list[dict[str, Any]]:
    """What became of each run of a campaign, or of so many `last` ones, in numbers. Raises NotFoundError."""
    whole = read_campaign(session, campaign_id)
    runs, places = whole.runs[-last:], {wave.id: place for place, wave in enumerate(whole.waves)}
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
                "wave_id": run.wave_id,
                "place": places[run.wave_id],
                "status": run.status,
                "recipients": run.recipients,
                "left_out": run.left_out,
                "on_leave": run.on_leave,
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
