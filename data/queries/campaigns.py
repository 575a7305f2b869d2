"""Campaigns with their waves and runs: made, found, started, acted on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.errors import ConflictError, NotFoundError
from data.models import Campaign, PauseRule, Run, RunStatus, Wave, WaveCustomer
from data.models.campaigns import SEVERAL
from data.queries.winners import find_variant
from data.rules.campaigns import ACTS, Act, CampaignDraft, CustomerWave, WaveDraft, after
from data.rules.group_waves import GroupWave
from data.rules.moments import MomentWave
from data.rules.schedule import local_datetime
from data.rules.senders import SenderChoice
from data.rules.timings import Calendar, Timing, find_closed
from data.rules.variants import Split, alone, split_of, written_alone

_LISTED = BulkUpsert(WaveCustomer, ("wave_id", "external_userid", "userid"))


def add_campaign(session: Session, draft: CampaignDraft, made_by: str, now: datetime) -> Campaign:
    """A new campaign with its waves, checked before. It is not started."""
    campaign = Campaign(
        name=draft.name, owner=draft.owner or "", test_first=draft.test_first, made_by=made_by[:80], made_at=now
    )
    session.add(campaign)
    session.flush()
    for each in draft.waves:
        add_wave(session, campaign.id or 0, each)
    return campaign


def add_wave(session: Session, campaign_id: int, draft: WaveDraft) -> Wave:
    """A new wave with its list."""
    wave = Wave(campaign_id=campaign_id, **wave_values(draft))
    session.add(wave)
    session.flush()
    write_list(session, wave, draft)
    return wave


def wave_values(draft: WaveDraft) -> dict[str, Any]:
    """What a wave keeps of a draft, apart from its list."""
    values: dict[str, Any] = {
        "kind": draft.kind,
        "content": draft.content.model_dump(mode="json"),
        "valid_hours": draft.valid_hours,
        "timing": draft.timing.model_dump(mode="json", exclude_defaults=True),
        "not_bought_hours": None,
        "variants": [],
        "hold_out_percent": 0,
        **SenderChoice().model_dump(mode="json"),
        "sender_policy": "",
    }
    if isinstance(draft, MomentWave):
        return {**values, "audience": draft.seen_by.model_dump(mode="json", exclude_defaults=True)}
    told: dict[str, Any] = draft.audience.model_dump(mode="json", exclude_defaults=True)
    if isinstance(draft, GroupWave):
        return {**values, "audience": told}
    if draft.audience.is_list:
        told = {name: len(listed) for name, listed in told.items()}
    more = {
        "not_bought_hours": draft.not_bought_hours,
        "variants": [each.model_dump(mode="json") for each in draft.variants],
        "hold_out_percent": draft.hold_out_percent,
        **draft.model_dump(mode="json", include=set(SenderChoice.model_fields)),
    }
    return {**values, "audience": told, **more}


def write_list(session: Session, wave: Wave, draft: WaveDraft) -> None:
    """The customers on a wave's list."""
    listed = draft.audience.listed if isinstance(draft, CustomerWave) else []
    _LISTED.write(session, [(wave.id, external_userid, userid) for external_userid, userid in listed])


def get_campaign(session: Session, campaign_id: int) -> Campaign:
    """One campaign. Raises NotFoundError."""
    row = session.get(Campaign, campaign_id)
    if row is None:
        raise NotFoundError(f"There is no campaign {campaign_id}.", "siyu campaigns list, or GET /campaigns.")
    return row


def get_name_in_words(session: Session, campaign_id: int) -> str:
    """What a campaign is called in its texts: a test says the name of the one that it tests. Raises NotFoundError."""
    campaign = get_campaign(session, campaign_id)
    tested = session.get(Campaign, campaign.test_of) if campaign.test_of is not None else None
    return (tested or campaign).name


def list_campaigns(session: Session, limit: int = 50, before_id: int | None = None) -> list[Campaign]:
    """Campaigns that people made, newest first; tests are with those that they test."""
    mine = (col(Campaign.test_of).is_(None), col(Campaign.journey_id).is_(None))
    query = select(Campaign).where(*mine).order_by(col(Campaign.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(Campaign.id) < before_id)
    return list(session.execute(query).scalars())


def list_waves(session: Session, campaign_ids: Sequence[int]) -> list[Wave]:
    """The waves of some campaigns, in the order in which they were written."""
    query = select(Wave).where(col(Wave.campaign_id).in_(campaign_ids)).order_by(col(Wave.id))
    return list(session.execute(query).scalars())


def list_runs(session: Session, campaign_ids: Sequence[int]) -> list[Run]:
    """The runs of some campaigns, the oldest first."""
    query = select(Run).where(col(Run.campaign_id).in_(campaign_ids)).order_by(col(Run.id))
    return list(session.execute(query).scalars())


def get_wave(session: Session, wave_id: int) -> Wave:
    """One wave. Raises NotFoundError."""
    row = session.get(Wave, wave_id)
    if row is None:
        raise NotFoundError(f"There is no wave {wave_id}.", "GET /campaigns/{id} lists them.")
    return row


def start_campaign(session: Session, campaign_id: int, due_at: datetime, calendar: Calendar) -> list[Run]:
    """A run for each of its waves: due when the wave says so, or else at `due_at`.

    Raises NotFoundError, and ConflictError where there are some, where a wave's time will not come any more, or is over
    before staff may be asked, and for one that a journey plans.
    """
    campaign = session.get(Campaign, campaign_id, with_for_update=True)
    refuse_planned_by_journey(campaign or get_campaign(session, campaign_id))
    if list_runs(session, [campaign_id]):
        raise ConflictError(f"Campaign {campaign_id} was started before.", "Make another one to send it again.")
    for wave in list_waves(session, [campaign_id]):
        first = timing_of(wave).first_due(due_at, calendar)
        if first is None:
            raise ConflictError(f"Wave {wave.id} is never due any more.", "Change its timing.")
        refuse_closed(wave, first, calendar)
        session.add(new_run(wave, first))
    session.flush()
    return list_runs(session, [campaign_id])


def refuse_planned_by_journey(campaign: Campaign) -> None:
    """Raises ConflictError for a campaign that holds the broadcasts of a journey: it alone starts and changes them."""
    if campaign.journey_id == SEVERAL:
        raise ConflictError(
            f"Campaign {campaign.id} holds what several journeys send together; they plan it.",
            f"Change, pause or stop one of them: {campaign.name}.",
        )
    if campaign.journey_id is not None:
        raise ConflictError(
            f"Campaign {campaign.id} holds the broadcasts of journey {campaign.journey_id}, which plans them.",
            f"Change, pause or stop journey {campaign.journey_id}.",
        )


def refuse_closed(wave: Wave, due_at: datetime, calendar: Calendar) -> None:
    """Raises ConflictError where a sending that is due then would be over before staff may be asked."""
    closed = find_closed(wave.valid_hours, due_at, calendar)
    if closed is not None:
        opens, ends = (f"{local_datetime(at, calendar.zone):%Y-%m-%d %H:%M}" for at in (closed.opens, closed.ends))
        raise ConflictError(
            f"Wave {wave.id} would be over at {ends}, and staff are not asked before {opens}: nothing would be sent.",
            "Start it for a time in the hours of campaigns.hours, or let valid_hours be more.",
        )


def split_of_wave(wave: Wave, variant: str = "") -> Split | None:
    """How its customers are split at each of its sendings, or at one of a `variant` alone; None: all get the same."""
    weights = [(str(each["name"]), int(each["weight"])) for each in wave.variants]
    return alone(split_of(f"wave {wave.id}", weights, wave.hold_out_percent), variant)


def timing_of(wave: Wave) -> Timing:
    """When a wave is sent."""
    return Timing.model_validate(wave.timing)


def senders_of(wave: Wave) -> SenderChoice:
    """Who reaches whom of a wave to customers."""
    return SenderChoice.model_validate({name: getattr(wave, name) for name in SenderChoice.model_fields})


def new_run(wave: Wave, due_at: datetime) -> Run:
    """A sending of a wave that is due then."""
    return Run(
        wave_id=wave.id or 0,
        campaign_id=wave.campaign_id,
        status=RunStatus.DUE,
        due_at=due_at,
        valid_until=due_at + timedelta(hours=wave.valid_hours),
    )


def get_run(session: Session, run_id: int) -> Run:
    """One run. Raises NotFoundError."""
    row = session.get(Run, run_id)
    if row is None:
        raise NotFoundError(f"There is no run {run_id}.", "GET /campaigns/{id} lists them.")
    return row


def lock_run(session: Session, run_id: int) -> Run:
    """One run, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(Run, run_id, with_for_update=True, populate_existing=True)
    return row if row is not None else get_run(session, run_id)


def lock_runs(session: Session, campaign_id: int) -> list[Run]:
    """All runs of a campaign, the oldest first, locked until the transaction ends: also the next one of a wave, which
    whoever had locked the one before it has just added."""
    locked: dict[int, Run] = {}
    while new := [run.id or 0 for run in list_runs(session, [campaign_id]) if run.id not in locked]:
        locked |= {run_id: lock_run(session, run_id) for run_id in new}
    return list(locked.values())


def begin(session: Session, run: Run, now: datetime) -> None:
    """Its recipients are looked for from now on, as of now, and split as it was chosen until now."""
    run.status, run.started_at, run.planned_as_of = RunStatus.PLANNING, now, now
    run.variant = written_alone(run.content) or find_variant(session, run.wave_id)


def variant_of(session: Session, run: Run) -> str:
    """The variant that a run sends alone, as far as that is chosen; empty: all are sent."""
    return run.variant if run.started_at is not None else find_variant(session, run.wave_id)


def pause(run: Run, now: datetime, why: str = "", *, by: str = "", rule: PauseRule | None = None) -> None:
    """A run waits for a person: somebody wants it so, or a rule does."""
    run.status, run.error = RunStatus.PAUSED, why
    run.paused_at, run.paused_by, run.pause_rule = now, by[:80], rule or ""


def unpause(run: Run) -> None:
    """Nobody is waited for any more."""
    run.paused_at, run.paused_by, run.pause_rule = None, "", ""


def act_on(session: Session, campaign_id: int, act: Act, now: datetime, by: str = "") -> list[Run]:
    """Pause, resume or cancel every run of a campaign that can be; `by` whom.

    Raises NotFoundError, and ConflictError where none can. One that is cancelled ends when all of it is withdrawn. Who
    resumes it accepts what has happened until now.
    """
    campaign = session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    campaign = campaign or get_campaign(session, campaign_id)
    runs = lock_runs(session, campaign_id)
    wanted = [run for run in runs if run.status in ACTS[act]]
    if not wanted and not (runs and all(run.status == _done(act) for run in runs)):
        told = ", ".join(sorted({run.status for run in runs})) or "not started"
        raise ConflictError(f"Campaign {campaign_id} is {told}: it cannot be {_BEEN[act]}.", _remedy(act, runs))
    if act is Act.RESUME and wanted:
        campaign.accepted_at = now
    for run in wanted:
        if act is Act.PAUSE:
            pause(run, now, by=by)
            continue
        if act is Act.RESUME and run.pause_rule == PauseRule.LATE:
            # It was late and waited for this word: now it begins, however late it is.
            begin(session, run, now)
        else:
            run.status = after(
                act, written=run.content != {}, started=run.started_at is not None, planned=run.planned_at is not None
            )
        if act is Act.RESUME:
            run.error, run.rest_until, run.rests = "", None, 0
        unpause(run)
        if act is Act.CANCEL and run.started_at is None:
            run.ended_at = now
    return runs


_BEEN = {Act.PAUSE: "paused", Act.RESUME: "resumed", Act.CANCEL: "cancelled"}


def _remedy(act: Act, runs: Sequence[Run]) -> str:
    if not runs:
        return "Start it first: siyu campaigns start, or POST /campaigns/{id}/start."
    if act is Act.PAUSE and any(run.status == RunStatus.AWAITING for run in runs):
        return "All of it was asked of WeCom: cancel it to withdraw what staff have not confirmed."
    return "Look at it first: siyu campaigns show, or GET /campaigns/{id}."


def _done(act: Act) -> RunStatus | None:
    return {Act.PAUSE: RunStatus.PAUSED, Act.CANCEL: RunStatus.CANCELLED}.get(act)
