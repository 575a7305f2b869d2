"""What approvals cover: whom a campaign reaches, how many it may, and what waits until another manager agrees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlmodel import Session

from bot.cards import tell
from bot.config import ApprovalSettings
from bot.context import Context
from bot.errors import ApprovalNeededError
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.waves import KINDS
from data.models import Approval, Campaign, PauseRule, Run, RunStatus, Wave
from data.queries import approvals as rows
from data.queries import campaigns as campaign_rows
from data.rules import approvals as rules
from data.rules.waves import most_first

log = get_logger("approvals")


@dataclass(frozen=True, slots=True)
class Counted:
    """Whom a campaign would reach now: by wave, and by sender. `text` is what the first wave says, as one sends it."""

    by_wave: Mapping[int, int]
    by_sender: Mapping[str, int]
    text: str

    @property
    def recipients(self) -> int:
        return sum(self.by_wave.values())


async def count_campaign(ctx: Context, waves: Sequence[Wave], runs: Sequence[Run] = ()) -> Counted:
    """Count as a preview does; `runs` of a campaign that was started may say something of their own."""
    by_wave: dict[int, int] = {}
    by_sender = Counter[str]()
    for wave in waves:
        by_wave[wave.id or 0], mine = await KINDS[wave.kind].count_reached(ctx, wave)
        by_sender.update(mine)
    return Counted(by_wave, by_sender, await _words(ctx, waves, runs, by_sender))


async def _words(ctx: Context, waves: Sequence[Wave], runs: Sequence[Run], by_sender: Counter[str]) -> str:
    by_id = {wave.id: wave for wave in waves}
    changed = [
        (by_id[run.wave_id], run.content)
        for run in runs
        if run.ended_at is None and run.content and run.wave_id in by_id
    ]
    wave, written = (changed + [(wave, None) for wave in waves])[0]
    first = most_first(by_sender)[:1]
    return await KINDS[wave.kind].tell_words(ctx, wave, written, first[0][0] if first else "")


class Excess(NamedTuple):
    """A campaign reaches more than it may. `approved`: the count of its approval, if it has one."""

    recipients: int
    limit: int
    approved: int | None

    @property
    def words(self) -> str:
        """What is wrong, for a person."""
        if self.approved is None:
            return f"It reaches {self.recipients:,} customers: above {self.limit:,} another manager has to approve it."
        return (
            f"It reaches {self.recipients:,} customers; {self.approved:,} were approved, and up to {self.limit:,} are"
            " covered by that."
        )


REMEDY = "Ask for approval: POST /campaigns/{id}/submit, or siyu campaigns submit."


async def require_approval(ctx: Context, campaign: Campaign, waves: Sequence[Wave]) -> None:
    """Raises ApprovalNeededError when a campaign reaches more customers now than it may."""
    settings = ctx.settings.approval
    if not settings.above:
        return
    approval = await ctx.db.read(rows.find_approved, campaign.id or 0, campaign.version)
    excess = _excess(approval, (await count_campaign(ctx, waves)).recipients, settings)
    if excess is not None:
        raise ApprovalNeededError(excess.words, REMEDY)


def find_excess(session: Session, campaign_id: int, settings: ApprovalSettings) -> Excess | None:
    """The same of a campaign that was started, by what was planned of it."""
    if not settings.above:
        return None
    campaign = campaign_rows.get_campaign(session, campaign_id)
    if campaign.test_of is not None:
        return None
    waves = rows.list_counted(session, campaign)
    approval = rows.find_covering(session, campaign, waves)
    counts = {int(wave_id): number for wave_id, number in approval.counts.items()} if approval else {}
    counted = {wave.id or 0 for wave in waves}
    told, planned = (
        {wave_id: number for wave_id, number in each.items() if wave_id in counted}
        for each in (counts, rows.count_planned(session, campaign_id))
    )
    return _excess(approval, rules.expected(told, planned), settings)


def _excess(approval: Approval | None, recipients: int, settings: ApprovalSettings) -> Excess | None:
    approved = approval.recipients if approval else None
    limit = rules.limit_of(settings.above, approved, settings.growth_percent)
    return None if limit is None or recipients <= limit else Excess(recipients, limit, approved)


async def is_covered(ctx: Context, run: Run) -> bool:
    """Whether a run that is planned may be sent; if not, it waits for a person from now on."""
    excess = await ctx.db.read(find_excess, run.campaign_id, ctx.settings.approval)
    if excess is None or await ctx.db.read(rows.has_begun, run.id or 0):
        return True
    log.warning("run_needs_approval", run=run.id, recipients=excess.recipients, limit=excess.limit)
    await ctx.db.write(_hold, ctx, run, excess)
    return False


def _hold(session: Session, ctx: Context, run: Run, excess: Excess) -> None:
    """The run waits, and whoever asked for approval is told."""
    rows.hold_run(session, run.id or 0, f"{excess.words} {REMEDY}", PauseRule.APPROVAL, ctx.clock.now())
    asked = rows.find_latest(session, [run.campaign_id]).get(run.campaign_id)
    if asked is not None and asked.requested_by:
        outcome = Phrase(
            "要发给 %(recipients)s 位客户，没有审批或超出了审批的人数，已暂停；请重新提交审批，批准后继续",
            recipients=f"{excess.recipients:,}",
        )
        tell(session, ctx, asked, asked.requested_by, outcome, f"held:{run.id}")


def refuse_held(session: Session, campaign_id: int, settings: ApprovalSettings) -> None:
    """Raises ApprovalNeededError when a run of a campaign waits because the campaign reaches more than it may."""
    runs = campaign_rows.list_runs(session, [campaign_id])
    planned = [run for run in runs if run.status == RunStatus.PAUSED and run.planned_at is not None]
    excess = find_excess(session, campaign_id, settings)
    if excess is not None and any(not rows.has_begun(session, run.id or 0) for run in planned):
        raise ApprovalNeededError(excess.words, REMEDY)
