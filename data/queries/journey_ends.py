"""Whom a broadcast of a journey was for, and for whom that journey is over before it is sent."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, or_, select
from sqlmodel import Session, col

from data.models import Campaign, EndReason, Enrolment, Follow, JourneyWave, Run, StepRecord

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
S: Any = StepRecord.__table__  # type: ignore[attr-defined]

#: Nothing that a journey has asked for is wanted any more once it ends so. Whoever is lost or has opted out is found
#: otherwise.
_STOPPED = (EndReason.GOAL.value, EndReason.STOP.value, EndReason.WITHDRAWN.value)
_STANDS = ("", EndReason.FINISHED.value)


def is_over_now(session: Session, run: Run) -> ColumnElement[bool]:
    """Whether the journey that has put a follow's customer on a run's list is over for them since, because its goal was
    reached or something has stopped it, as SQL; of several that have, whether all are."""
    query = select(col(Campaign.journey_id)).where(col(Campaign.id) == run.campaign_id)
    if session.execute(query).scalar() is None:
        return false()
    sent = or_(col(JourneyWave.wave_id) == run.wave_id, col(JourneyWave.sent_with) == run.wave_id)
    rows = session.execute(select(col(JourneyWave.wave_id), col(JourneyWave.journey_id)).where(sent)).all()
    waves, journeys = ({row[place] for row in rows} for place in (0, 1))

    def asked(*reasons: str) -> ColumnElement[bool]:
        return exists().where(
            E.c.external_userid == F.c.external_userid, E.c.journey_id.in_(journeys), E.c.end_reason.in_(reasons),
            S.c.enrolment_id == E.c.id, S.c.wave_id.in_(waves),
        )  # fmt: skip

    return and_(asked(*_STOPPED), ~asked(*_STANDS))
