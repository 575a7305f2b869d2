"""Enrolments that move to a newer version of their journey: counted, and moved piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from data.bulk import BulkUpdate
from data.models import Enrolment
from data.queries.journeys import read_definitions
from data.rules.journey_moves import Waiting, Ways, key_of, moved
from data.rules.journey_steps import Standing
from data.rules.journeys import Journey
from data.rules.timings import Calendar

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
#: Enrolments that are moved in one transaction.
PIECE = 500

_STANDING = (E.c.step, E.c.started_at, E.c.before_at, E.c.due_at, E.c.wanted_at, E.c.held_out)
_MOVED = BulkUpdate(Enrolment, ("version", "step", "due_at", "wanted_at"))


def _older(journey_id: int, version: int) -> tuple[Any, ...]:
    return (E.c.journey_id == journey_id, E.c.ended_at.is_(None), E.c.version < version)


def list_waiting(session: Session, journey_id: int, before_version: int) -> list[Waiting]:
    """How many wait for which step of the versions before that one."""
    query = (
        select(E.c.version, E.c.step, func.count())
        .where(*_older(journey_id, before_version))
        .group_by(E.c.version, E.c.step)
        .order_by(E.c.version, E.c.step)
    )
    counted = session.execute(query).all()
    said = read_definitions(session, journey_id) if counted else {}
    return [Waiting(version, step, key_of(said[version], step), number) for version, step, number in counted]


def move_piece(
    session: Session,
    journey_id: int,
    said: Mapping[int, Journey],
    version: int,
    ways: Ways,
    after: str,
    now: datetime,
    calendar: Calendar,
) -> tuple[int, str | None]:
    """Move some enrolments of those in `ways` to `version`, of the customers behind `after`; how many were moved, and
    behind which customer the next ones are, None: there are no more. `said`: by version, that one among them."""
    query = (
        select(E.c.id, E.c.version, E.c.external_userid, *_STANDING)
        .where(*_older(journey_id, version), E.c.external_userid > after)
        .order_by(E.c.external_userid)
        .limit(PIECE)
        .with_for_update()
    )
    rows = session.execute(query).all()
    changes: list[tuple[Any, ...]] = []
    for enrolment_id, before, _, *columns in rows:
        standing = Standing(*columns)
        number = ways.get((before, standing.step))
        if number is None or before not in said:  # it has come there only now
            continue
        to = moved(said[before], said[version], standing, number, now, calendar)
        changes.append((enrolment_id, version, to.step, to.due_at, to.wanted_at))
    _MOVED.write(session, changes)
    return len(changes), rows[-1].external_userid if len(rows) == PIECE else None
