"""Campaigns with their waves and runs: made, found, started, acted on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.errors import ConflictError, NotFoundError
from data.models import Batch, BatchStatus, Campaign, Run, RunStatus, Wave, WaveCustomer
from data.rules.campaigns import ACTS, Act, CampaignDraft, after

_LISTED = BulkUpsert(WaveCustomer, ("wave_id", "external_userid", "userid"))


def add_campaign(session: Session, draft: CampaignDraft, made_by: str, now: datetime) -> Campaign:
    """A new campaign with its waves, checked before. It is not started."""
    campaign = Campaign(name=draft.name, made_by=made_by[:80], made_at=now)
    session.add(campaign)
    session.flush()
    for each in draft.waves:
        audience = each.audience
        told: dict[str, Any] = audience.model_dump(mode="json", exclude_defaults=True)
        if audience.is_list:
            told = {name: len(listed) for name, listed in told.items()}
        wave = Wave(
            campaign_id=campaign.id or 0,
            kind=each.kind,
            content=each.content.model_dump(mode="json"),
            audience=told,
            sender_policy=each.sender_policy,
            valid_hours=each.valid_hours,
        )
        session.add(wave)
        session.flush()
        _LISTED.write(session, [(wave.id, external_userid, userid) for external_userid, userid in audience.listed])
    return campaign


def get_campaign(session: Session, campaign_id: int) -> Campaign:
    """One campaign. Raises NotFoundError."""
    row = session.get(Campaign, campaign_id)
    if row is None:
        raise NotFoundError(f"There is no campaign {campaign_id}.", "GET /campaigns lists them.")
    return row


def list_campaigns(session: Session, limit: int = 50, before_id: int | None = None) -> list[Campaign]:
    """Campaigns, newest first."""
    query = select(Campaign).order_by(col(Campaign.id).desc()).limit(limit)
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


def start_campaign(session: Session, campaign_id: int, due_at: datetime) -> list[Run]:
    """A run for each of its waves, due at an instant. Raises NotFoundError, and ConflictError where there are some."""
    if session.get(Campaign, campaign_id, with_for_update=True) is None:
        get_campaign(session, campaign_id)
    if list_runs(session, [campaign_id]):
        raise ConflictError(f"Campaign {campaign_id} was started before.", "Make another one to send it again.")
    for wave in list_waves(session, [campaign_id]):
        session.add(
            Run(
                wave_id=wave.id or 0,
                campaign_id=campaign_id,
                status=RunStatus.DUE,
                due_at=due_at,
                valid_until=due_at + timedelta(hours=wave.valid_hours),
            )
        )
    session.flush()
    return list_runs(session, [campaign_id])


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


def has_work(session: Session, now: datetime) -> bool:
    """Whether a run is to be planned or sent, or a batch was left in the middle of its call."""
    batch = select(col(Batch.id)).where(col(Batch.status) == BatchStatus.SENDING).limit(1)
    return _find_due(session, now) is not None or session.execute(batch).first() is not None


def _find_due(session: Session, now: datetime) -> int | None:
    working = col(Run.status).in_([RunStatus.PLANNING, RunStatus.SENDING])
    rested = col(Run.rest_until).is_(None) | (col(Run.rest_until) <= now)
    query = (
        select(col(Run.id))
        .where(
            col(Run.valid_until) > now,
            (working & rested) | ((col(Run.status) == RunStatus.DUE) & (col(Run.due_at) <= now)),
        )
        .order_by(col(Run.due_at), col(Run.id))
        .limit(1)
    )
    return session.execute(query).scalar()


def begin_due_run(session: Session, now: datetime) -> Run | None:
    """The run that is to be worked on next: one that is due begins, its audience as of now. None: there is none."""
    run_id = _find_due(session, now)
    if run_id is None:
        return None
    run = lock_run(session, run_id)
    if run.status == RunStatus.DUE:
        run.status, run.started_at, run.planned_as_of = RunStatus.PLANNING, now, now
    return run


def act_on(session: Session, campaign_id: int, act: Act, now: datetime) -> list[Run]:
    """Pause, resume or cancel every run of a campaign that can be.

    Raises NotFoundError, and ConflictError where none can. One that is cancelled ends when all of it is withdrawn.
    """
    get_campaign(session, campaign_id)
    runs = [lock_run(session, run.id or 0) for run in list_runs(session, [campaign_id])]
    wanted = [run for run in runs if run.status in ACTS[act]]
    if not wanted and not (runs and all(run.status == _done(act) for run in runs)):
        told = "、".join(sorted({run.status for run in runs})) or "not started"
        raise ConflictError(f"Campaign {campaign_id} is {told}: it cannot be {act}d.", "Look at it first.")
    for run in wanted:
        run.status = after(act, started=run.started_at is not None, planned=run.planned_at is not None)
        if act is Act.RESUME:
            run.error, run.rest_until, run.rests = "", None, 0
        if act is Act.CANCEL and run.started_at is None:
            run.ended_at = now
    return runs


def _done(act: Act) -> RunStatus | None:
    return {Act.PAUSE: RunStatus.PAUSED, Act.CANCEL: RunStatus.CANCELLED}.get(act)
