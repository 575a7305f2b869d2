"""Campaigns that were not started: changed and removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlmodel import Session, col

from data.errors import ConflictError
from data.models import Campaign, WaveCustomer
from data.queries.campaigns import (
    add_wave,
    get_campaign,
    list_runs,
    list_waves,
    refuse_planned_by_journey,
    wave_values,
    write_list,
)
from data.rules.campaigns import CampaignDraft


def lock_campaign(session: Session, campaign_id: int) -> Campaign:
    """One campaign, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    return row if row is not None else get_campaign(session, campaign_id)


def find_locked(session: Session, campaign_id: int) -> Campaign | None:
    """The same, if there is one."""
    return session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)


def lock_unstarted(session: Session, campaign_id: int) -> Campaign:
    """The same for one that may still be changed. Raises NotFoundError, and ConflictError once it was started, and for
    one that a journey plans."""
    campaign = lock_campaign(session, campaign_id)
    refuse_planned_by_journey(campaign)
    if list_runs(session, [campaign_id]):
        raise ConflictError(f"Campaign {campaign_id} was started: it cannot be changed.", "Make another one.")
    return campaign


def list_listed(session: Session, wave_id: int) -> list[tuple[str, str]]:
    """(external_userid, userid or empty) of a wave's list."""
    query = (
        select(col(WaveCustomer.external_userid), col(WaveCustomer.userid))
        .where(col(WaveCustomer.wave_id) == wave_id)
        .order_by(col(WaveCustomer.external_userid), col(WaveCustomer.userid))
    )
    return [(external_userid, userid) for external_userid, userid in session.execute(query)]


def replace_draft(
    session: Session, campaign_id: int, version: int, draft: CampaignDraft, wave_ids: Sequence[int | None]
) -> None:
    """Put a draft in the place of what a campaign says, as its next version; `wave_ids`: which wave each was, if any.

    Raises NotFoundError, and ConflictError when it was started or is not at `version` any more.
    """
    campaign = lock_unstarted(session, campaign_id)
    refuse_stale(campaign, version)
    campaign.name, campaign.owner, campaign.version = draft.name, draft.owner or "", version + 1
    campaign.test_first = draft.test_first
    campaign.go_version, campaign.go_by = None, ""
    waves = {wave.id or 0: wave for wave in list_waves(session, [campaign_id])}
    _forget_lists(session, list(waves))
    for wave_id, each in zip(wave_ids, draft.waves, strict=True):
        if wave_id is None:
            add_wave(session, campaign_id, each)
            continue
        wave = waves.pop(wave_id)
        for name, value in wave_values(each).items():
            setattr(wave, name, value)
        write_list(session, wave, each)
    for removed in waves.values():
        session.delete(removed)


def refuse_stale(campaign: Campaign, version: int) -> None:
    """Raises ConflictError when somebody has changed the campaign since `version`."""
    if campaign.version != version:
        raise ConflictError(
            f"Campaign {campaign.id} is at version {campaign.version}, not {version}: somebody has changed it.",
            "Read it again, and repeat what you wanted.",
        )


def delete_campaign(session: Session, campaign_id: int) -> None:
    """Remove a campaign. Raises NotFoundError, and ConflictError once it was started, and for
    one that a journey plans."""
    campaign = lock_unstarted(session, campaign_id)
    waves = list_waves(session, [campaign_id])
    _forget_lists(session, [wave.id or 0 for wave in waves])
    for row in (*waves, campaign):
        session.delete(row)


def _forget_lists(session: Session, wave_ids: Collection[int]) -> None:
    session.execute(delete(WaveCustomer).where(col(WaveCustomer.wave_id).in_(wave_ids)))
