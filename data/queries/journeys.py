"""Journeys and their versions: made, found, changed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import JourneyRow, JourneyStatus, JourneyVersion
from data.rules.journeys import Journey


def add_journey(session: Session, journey: Journey, owner: str, made_by: str, now: datetime) -> JourneyRow:
    """A new journey, checked before. It is not started."""
    row = JourneyRow(
        name=journey.name, owner=owner, status=JourneyStatus.DRAFT, made_by=made_by[:80], made_at=now, version=1
    )
    session.add(row)
    session.flush()
    _add_version(session, row, journey, made_by, now)
    return row


def add_version(
    session: Session, journey_id: int, version: int, journey: Journey, made_by: str, now: datetime
) -> JourneyRow:
    """What a journey says from now on, for those who begin it; who is on it goes on as they began.

    Raises NotFoundError, and ConflictError when it is not at `version` any more.
    """
    row = lock_journey(session, journey_id)
    if row.version != version:
        raise ConflictError(
            f"Journey {journey_id} is at version {row.version}, not {version}: somebody has changed it.",
            "Read it again, and repeat what you wanted.",
        )
    row.name, row.version = journey.name, version + 1
    _add_version(session, row, journey, made_by, now)
    return row


def _add_version(session: Session, row: JourneyRow, journey: Journey, made_by: str, now: datetime) -> None:
    definition = journey.model_dump(mode="json")
    session.add(
        JourneyVersion(
            journey_id=row.id or 0, version=row.version, definition=definition, made_by=made_by[:80], made_at=now
        )
    )
    session.flush()


def get_journey(session: Session, journey_id: int) -> JourneyRow:
    """One journey. Raises NotFoundError."""
    row = session.get(JourneyRow, journey_id)
    if row is None:
        raise NotFoundError(f"There is no journey {journey_id}.", "siyu journeys list, or GET /journeys.")
    return row


def lock_journey(session: Session, journey_id: int) -> JourneyRow:
    """The same, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(JourneyRow, journey_id, with_for_update=True, populate_existing=True)
    return row if row is not None else get_journey(session, journey_id)


def get_version(session: Session, journey_id: int, version: int) -> JourneyVersion:
    """What a journey says in a version. Raises NotFoundError."""
    row = session.get(JourneyVersion, (journey_id, version))
    if row is None:
        raise NotFoundError(f"Journey {journey_id} has no version {version}.", "Its newest is told with it.")
    return row


def list_journeys(session: Session, limit: int = 50, before_id: int | None = None) -> list[JourneyRow]:
    """Journeys, newest first."""
    query = select(JourneyRow).order_by(col(JourneyRow.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(JourneyRow.id) < before_id)
    return list(session.execute(query).scalars())


#: Those whose customers go on.
GOING_ON = (JourneyStatus.RUNNING, JourneyStatus.CLOSED)


def list_going_on(session: Session) -> list[JourneyRow]:
    """Journeys whose customers go on, running or closed."""
    query = select(JourneyRow).where(col(JourneyRow.status).in_(GOING_ON)).order_by(col(JourneyRow.id))
    return list(session.execute(query).scalars())


def pause_journey(session: Session, journey_id: int, why: str) -> None:
    """Something is wrong with a journey: it stands still until a person has mended that."""
    row = lock_journey(session, journey_id)
    if row.status in GOING_ON:
        row.status, row.error = JourneyStatus.PAUSED, why
