"""Broadcasts of journeys: what is due for the same step within a while is one wave, sent as those of campaigns are, and
with others that say the same as one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, or_, select
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
from data.models.campaigns import BRAKES, SEVERAL
from data.queries.campaigns import add_wave, new_run, pause
from data.queries.journey_versions import GOING_ON
from data.queries.locks import lock_names
from data.queries.upsert import insert_into
from data.rules.campaigns import Audience, CustomerWave
from data.rules.journeys import Journey, SendBroadcast
from data.rules.timings import LATE_MINUTES_MAX, Late, Timing

L: Any = WaveCustomer.__table__  # type: ignore[attr-defined]

MADE_BY = "journey"
NAME_MAX = 64


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


def close_waves(session: Session, opened_before: datetime, now: datetime, above: int = 0) -> int:
    """Broadcasts opened before an instant are sent now, unless their journey was stopped, and wait for a person where
    brakes have stopped those before; how many. What is open and says the same goes with them, as one: staff confirm
    one thing. `above` so many customers broadcasts have to be approved, each journey's for itself."""
    alike: dict[str, list[JourneyWave]] = {}
    for row in session.execute(to_close(now).with_for_update(of=JourneyWave)).scalars().all():
        alike.setdefault(_said_by(session.get_one(Wave, row.wave_id)), []).append(row)
    closed = 0
    for rows in alike.values():
        if any(row.opened_at <= opened_before for row in rows):
            closed += _close(session, rows, now, above)
    return closed


def _said_by(wave: Wave) -> str:
    """What is the same of broadcasts that can be sent as one. Where the name of its campaign is part of the words, it
    is sent alone."""
    said = json.dumps([wave.content, wave.valid_hours, wave.timing], sort_keys=True, ensure_ascii=False)
    return f"{wave.id}" if "campaign_name" in said else said


def _close(session: Session, rows: Sequence[JourneyWave], now: datetime, above: int) -> int:
    """Send what says the same, as one as far as it may be; how many."""
    alone: list[tuple[Wave, Run | None]] = []
    together: list[tuple[JourneyWave, Wave]] = []
    for row in rows:
        wave = session.get_one(Wave, row.wave_id)
        listed: Any = select(func.count()).where(col(WaveCustomer.wave_id) == row.wave_id)
        wave.audience = {"pairs": int(session.execute(listed).scalar_one())}
        row.closed_at = now
        if session.get_one(JourneyRow, row.journey_id).status not in GOING_ON:
            continue
        if (braked := _find_braked(session, row, wave.campaign_id)) is not None:
            alone.append((wave, braked))
        else:
            together.append((row, wave))
    waves = [wave for _, wave in together]
    journeys = {row.journey_id for row, _ in together}
    if len(waves) < 2 or (len(journeys) > 1 and above and sum(each.audience["pairs"] for each in waves) > above):
        alone += [(each, None) for each in waves]
    else:
        alone.append((_put_together(session, together, now), None))
    for wave, braked in alone:
        run = new_run(wave, now)
        if braked is not None:
            # Too much was refused, or too many left: a person says whether there is more of it.
            pause(run, braked.paused_at or now, braked.error, rule=PauseRule(braked.pause_rule))
        session.add(run)
    session.flush()
    return len(alone)


def _put_together(session: Session, together: Sequence[tuple[JourneyWave, Wave]], now: datetime) -> Wave:
    """One wave with the lists of several, which keep theirs: these tell which journey has put whom there."""
    first, ids = together[0][1], [wave.id or 0 for _, wave in together]
    numbers = list(dict.fromkeys(row.journey_id for row, _ in together))
    number, campaign_id = numbers[0], first.campaign_id
    if len(numbers) > 1:
        names = "、".join(dict.fromkeys(session.get_one(JourneyRow, each).name for each in numbers))
        owner = session.get_one(JourneyRow, number).owner
        campaign = Campaign(
            name=names if len(names) <= NAME_MAX else f"{names[: NAME_MAX - 1]}…", owner=owner, made_by=MADE_BY,
            made_at=now, journey_id=SEVERAL,
        )  # fmt: skip
        session.add(campaign)
        session.flush()
        number, campaign_id = SEVERAL, campaign.id or 0
    wave = Wave(**{**first.model_dump(exclude={"id"}), "campaign_id": campaign_id})
    session.add(wave)
    session.flush()
    columns = (L.c.external_userid, L.c.userid)
    theirs = select(literal(wave.id), *columns).where(L.c.wave_id.in_(ids)).distinct()
    moved = insert_into(session, WaveCustomer).from_select(["wave_id", "external_userid", "userid"], theirs)
    session.execute(moved.on_conflict_do_nothing())
    listed = select(func.count()).where(col(WaveCustomer.wave_id) == wave.id)
    wave.audience = {"pairs": int(session.execute(listed).scalar_one())}
    opened_at = min(row.opened_at for row, _ in together)
    session.add(
        JourneyWave(wave_id=wave.id or 0, journey_id=number, version=0, step=0, opened_at=opened_at, closed_at=now)
    )
    for row, _ in together:
        row.sent_with = wave.id
    return wave


def _find_braked(session: Session, row: JourneyWave, campaign_id: int) -> Run | None:
    """A sending of a journey, alone or with others, that a brake has stopped, and that nobody has resumed."""
    shared = select(col(JourneyWave.sent_with)).where(
        col(JourneyWave.journey_id) == row.journey_id, col(JourneyWave.sent_with).is_not(None)
    )
    query = select(Run).where(
        or_(col(Run.campaign_id) == campaign_id, col(Run.wave_id).in_(shared)),
        col(Run.status) == RunStatus.PAUSED, col(Run.pause_rule).in_(BRAKES), col(Run.ended_at).is_(None),
    )  # fmt: skip
    return session.execute(query.order_by(col(Run.id).desc()).limit(1)).scalar()


def list_together(session: Session, journey_id: int) -> list[tuple[int, set[JourneyStatus]]]:
    """The campaigns that a journey sends together with others and that are not over, and how all these journeys
    stand."""
    mine = select(col(JourneyWave.sent_with)).where(
        col(JourneyWave.journey_id) == journey_id, col(JourneyWave.sent_with).is_not(None)
    )
    query = (
        select(col(Run.campaign_id), col(JourneyRow.status))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .join(JourneyWave, col(JourneyWave.sent_with) == col(Run.wave_id))
        .join(JourneyRow, col(JourneyRow.id) == col(JourneyWave.journey_id))
        .where(col(Run.wave_id).in_(mine), col(Run.ended_at).is_(None), col(Campaign.journey_id) == SEVERAL)
    )
    found: dict[int, set[JourneyStatus]] = {}
    for campaign_id, status in session.execute(query):
        found.setdefault(campaign_id, set()).add(JourneyStatus(status))
    return sorted(found.items())
