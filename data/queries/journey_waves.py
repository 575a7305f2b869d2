"""Broadcasts of journeys: what is due for the same words within a while is one wave, sent as those of campaigns are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from data.models import (
    Campaign,
    JourneyRow,
    JourneyStatus,
    JourneyWave,
    PauseRule,
    Run,
    RunStatus,
    Wave,
    WaveCustomer,
)
from data.models.campaigns import BRAKES
from data.queries.campaigns import add_wave, new_run, pause
from data.queries.journeys import GOING_ON
from data.queries.locks import lock_names
from data.rules.campaigns import Audience, CustomerWave
from data.rules.journeys import Journey, SendBroadcast
from data.rules.timings import LATE_MINUTES_MAX, Late, Timing

MADE_BY = "journey"


def find_open_wave(session: Session, journey_id: int, version: int, step: int, journey: Journey, now: datetime) -> int:
    """The wave on whose list customers of a step are put; a new one if none is open."""
    lock_names(session, "journey_waves", [str(journey_id)])
    query = select(col(JourneyWave.wave_id)).where(
        col(JourneyWave.journey_id) == journey_id,
        col(JourneyWave.version) == version,
        col(JourneyWave.step) == step,
        col(JourneyWave.closed_at).is_(None),
    )
    found = session.execute(query).scalar()
    if found is not None:
        return int(found)
    wave = add_wave(session, _campaign_of(session, journey_id, now), _draft_of(journey, step))
    row = JourneyWave(wave_id=wave.id or 0, journey_id=journey_id, version=version, step=step, opened_at=now)
    session.add(row)
    session.flush()
    return row.wave_id


def _campaign_of(session: Session, journey_id: int, now: datetime) -> int:
    """The journey's own campaign, under which its broadcasts are kept."""
    found = session.execute(select(col(Campaign.id)).where(col(Campaign.journey_id) == journey_id)).scalar()
    if found is not None:
        return int(found)
    journey = session.get_one(JourneyRow, journey_id)
    campaign = Campaign(name=journey.name, owner=journey.owner, made_by=MADE_BY, made_at=now, journey_id=journey_id)
    session.add(campaign)
    session.flush()
    return campaign.id or 0


def _draft_of(journey: Journey, step: int) -> CustomerWave:
    action = journey.steps[step].action
    assert isinstance(action, SendBroadcast)
    # Who is on the list comes later. What could not begin in its hours is over with them.
    late = Late(within_minutes=min(action.valid_hours * 60, LATE_MINUTES_MAX), then="skip")
    return CustomerWave(
        content=action.content,
        audience=Audience(pairs=()),
        valid_hours=action.valid_hours,
        timing=Timing(late=late),
    )


def to_close(opened_before: datetime) -> Any:
    """SELECT of broadcasts opened before an instant, of journeys that are not paused."""
    return (
        select(JourneyWave)
        .join(JourneyRow, col(JourneyRow.id) == col(JourneyWave.journey_id))
        .where(
            col(JourneyWave.closed_at).is_(None), col(JourneyWave.opened_at) <= opened_before,
            col(JourneyRow.status) != JourneyStatus.PAUSED,
        )
        .order_by(col(JourneyWave.wave_id))
    )  # fmt: skip


def close_waves(session: Session, opened_before: datetime, now: datetime) -> int:
    """Broadcasts opened before an instant are sent now, unless their journey was stopped, and wait for a person where
    brakes have stopped those before; how many."""
    closed = 0
    for row in session.execute(to_close(opened_before).with_for_update(of=JourneyWave)).scalars().all():
        wave = session.get_one(Wave, row.wave_id)
        listed: Any = select(func.count()).where(col(WaveCustomer.wave_id) == row.wave_id)
        wave.audience = {"pairs": int(session.execute(listed).scalar_one())}
        row.closed_at = now
        if session.get_one(JourneyRow, row.journey_id).status in GOING_ON:
            run = new_run(wave, now)
            if (braked := _find_braked(session, wave.campaign_id)) is not None:
                # Too much was refused, or too many left: a person says whether there is more of it.
                pause(run, braked.paused_at or now, braked.error, rule=PauseRule(braked.pause_rule))
            session.add(run)
            closed += 1
    return closed


def _find_braked(session: Session, campaign_id: int) -> Run | None:
    """A sending of a campaign that a brake has stopped, and that nobody has resumed."""
    query = select(Run).where(
        col(Run.campaign_id) == campaign_id, col(Run.status) == RunStatus.PAUSED, col(Run.pause_rule).in_(BRAKES),
        col(Run.ended_at).is_(None),
    )  # fmt: skip
    return session.execute(query.order_by(col(Run.id).desc()).limit(1)).scalar()
