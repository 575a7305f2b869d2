"""Requests for approval of campaigns: asked for, decided, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from data.models import Approval, ApprovalStatus, Batch, Campaign, JourneyWave, PauseRule, Run, RunStatus, Wave
from data.queries.campaigns import list_runs, list_waves, pause
from data.rules.variants import each_content, said

_OPEN = (ApprovalStatus.PENDING, ApprovalStatus.APPROVED)


def list_approvals(session: Session, campaign_id: int) -> list[Approval]:
    """The requests of a campaign, newest first."""
    query = select(Approval).where(col(Approval.campaign_id) == campaign_id).order_by(col(Approval.id).desc())
    return list(session.execute(query).scalars())


def find_latest(session: Session, campaign_ids: Sequence[int]) -> dict[int, Approval]:
    """The newest request of each of some campaigns that has one."""
    newest = (
        select(func.max(col(Approval.id)))
        .where(col(Approval.campaign_id).in_(campaign_ids))
        .group_by(col(Approval.campaign_id))
    )
    query = select(Approval).where(col(Approval.id).in_(newest))
    return {each.campaign_id: each for each in session.execute(query).scalars()}


def find_approved(session: Session, campaign_id: int, version: int) -> Approval | None:
    """The approval that a version of a campaign has, the newest if several."""
    query = (
        select(Approval)
        .where(
            col(Approval.campaign_id) == campaign_id,
            col(Approval.version) == version,
            col(Approval.status) == ApprovalStatus.APPROVED,
        )
        .order_by(col(Approval.id).desc())
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()


def find_covering(session: Session, campaign: Campaign, waves: Sequence[Wave]) -> Approval | None:
    """The approval of what these waves of a campaign send. One of a journey holds for the same steps of the same
    version: what another step says, or the step since it was changed, nobody has seen."""
    if campaign.journey_id is None:
        return find_approved(session, campaign.id or 0, campaign.version)
    wanted = _steps_of(session, [wave.id or 0 for wave in waves])
    query = select(Approval).where(
        col(Approval.campaign_id) == campaign.id,
        col(Approval.version) == campaign.version,
        col(Approval.status) == ApprovalStatus.APPROVED,
    )
    found = [
        each for each in session.execute(query).scalars() if wanted <= _steps_of(session, [int(n) for n in each.counts])
    ]
    return max(found, key=lambda each: (each.recipients, each.id), default=None)


def _steps_of(session: Session, wave_ids: Sequence[int]) -> set[tuple[int, int]]:
    """The versions and steps of a journey whose broadcasts some waves are."""
    sent = func.coalesce(col(JourneyWave.sent_with), col(JourneyWave.wave_id)).in_(wave_ids)
    # What several steps say at once has a row of its own beside theirs.
    query = select(col(JourneyWave.version), col(JourneyWave.step)).where(sent, col(JourneyWave.version) > 0)
    return {(version, step) for version, step in session.execute(query)}


def lock_approval(session: Session, approval_id: int) -> Approval | None:
    """One request, locked until the transaction ends. The campaign is locked before it."""
    return session.get(Approval, approval_id, with_for_update=True, populate_existing=True)


def lock_pending(session: Session, campaign_id: int) -> Approval | None:
    """The request of a campaign that waits for a decision, if there is one."""
    query = (
        select(Approval)
        .where(col(Approval.campaign_id) == campaign_id, col(Approval.status) == ApprovalStatus.PENDING)
        .order_by(col(Approval.id).desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return session.execute(query).scalar_one_or_none()


def lock_open(session: Session, campaign_id: int) -> list[Approval]:
    """The requests of a campaign that wait or were granted."""
    query = (
        select(Approval)
        .where(col(Approval.campaign_id) == campaign_id, col(Approval.status).in_(_OPEN))
        .order_by(col(Approval.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(session.execute(query).scalars())


def map_contents(session: Session) -> dict[int, list[Mapping[str, Any]]]:
    """What campaigns that may still send say of which a request waits or was granted, as their waves and their runs
    have it; by campaign, ascending."""
    runs = select(col(Run.id)).where(col(Run.campaign_id) == col(Campaign.id))
    may_send = or_(
        col(Campaign.journey_id).is_not(None), ~runs.exists(), runs.where(col(Run.ended_at).is_(None)).exists()
    )
    asked = select(col(Approval.campaign_id)).where(col(Approval.status).in_(_OPEN))
    query = select(col(Campaign.id)).where(col(Campaign.id).in_(asked), may_send).order_by(col(Campaign.id))
    campaigns = [each or 0 for each in session.execute(query).scalars()]
    found: dict[int, list[Mapping[str, Any]]] = {each: [] for each in campaigns}
    for wave in list_waves(session, campaigns):
        found[wave.campaign_id] += [content for _, content in each_content(wave.content, wave.variants)]
    for run in list_runs(session, campaigns):
        if run.ended_at is None and run.content:
            found[run.campaign_id] += said(run.content, (), run.content).values()
    return found


def list_pending(session: Session, now: datetime, limit: int) -> list[Approval]:
    """Requests that wait for a decision, the oldest first."""
    query = (
        select(Approval)
        .where(col(Approval.status) == ApprovalStatus.PENDING, col(Approval.expires_at) > now)
        .order_by(col(Approval.id))
        .limit(limit)
    )
    return list(session.execute(query).scalars())


def list_expired(session: Session, now: datetime, limit: int = 100) -> list[Approval]:
    """Requests that nobody decided in time; which another process locks is left to it."""
    query = (
        select(Approval)
        .where(col(Approval.status) == ApprovalStatus.PENDING, col(Approval.expires_at) <= now)
        .order_by(col(Approval.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.execute(query).scalars())


def count_planned(session: Session, campaign_id: int) -> dict[int, int]:
    """Recipients by wave of its newest run that is planned; of a post, who could see it."""
    newest = (
        select(func.max(col(Run.id)))
        .where(col(Run.campaign_id) == campaign_id, col(Run.planned_at).is_not(None))
        .group_by(col(Run.wave_id))
    )
    customers = func.coalesce(col(Run.reach), col(Run.recipients))
    query = select(col(Run.wave_id), customers).where(col(Run.id).in_(newest))
    return dict(session.execute(query).all())


def list_counted(session: Session, campaign: Campaign) -> list[Wave]:
    """The waves of which it is asked how many they reach: all; of a journey, which goes on for months, what is about to
    be sent and nothing was asked of WeCom for yet."""
    waves = list_waves(session, [campaign.id or 0])
    if campaign.journey_id is None:
        return waves
    begun = select(col(Batch.id)).where(col(Batch.run_id) == col(Run.id), col(Batch.first_called_at).is_not(None))
    to_come = select(col(Run.wave_id)).where(
        col(Run.campaign_id) == campaign.id, col(Run.ended_at).is_(None), ~begun.exists()
    )
    counted = set(session.execute(to_come).scalars())
    return [wave for wave in waves if wave.id in counted]


def has_begun(session: Session, run_id: int) -> bool:
    """Whether anything of a run was asked of WeCom."""
    query = select(col(Batch.id)).where(col(Batch.run_id) == run_id, col(Batch.first_called_at).is_not(None)).limit(1)
    return session.execute(query).first() is not None


def hold_run(session: Session, run_id: int, why: str, rule: PauseRule, now: datetime) -> None:
    """A run that is about to be sent waits for a person."""
    run = session.get(Run, run_id, with_for_update=True, populate_existing=True)
    if run is not None and run.status == RunStatus.SENDING:
        pause(run, now, why, rule=rule)
