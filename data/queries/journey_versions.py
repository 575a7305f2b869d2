"""What the journeys say that are not over, in the versions that customers are on."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sqlalchemy import select, tuple_
from sqlmodel import Session, col

from data.models import JourneyRow, JourneyStatus, JourneyVersion
from data.rules.journeys import Journey
from data.rules.problems import InvalidRuleError, parse

#: Those that were started and not stopped: what happens may begin them for somebody, or end them.
NOT_OVER = (JourneyStatus.RUNNING, JourneyStatus.PAUSED, JourneyStatus.CLOSED)
#: Those whose customers go on.
GOING_ON = (JourneyStatus.RUNNING, JourneyStatus.CLOSED)


def list_not_over(session: Session) -> list[JourneyRow]:
    """Journeys that were started and not stopped."""
    query = select(JourneyRow).where(col(JourneyRow.status).in_(NOT_OVER)).order_by(col(JourneyRow.id))
    return list(session.execute(query).scalars())


def read_versions(session: Session, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], Journey]:
    """What journeys say in some versions, by (journey, version), without those that this program does not understand
    (any more)."""
    if not wanted:
        return {}
    versions: Any = tuple_(col(JourneyVersion.journey_id), col(JourneyVersion.version))
    rows = session.execute(select(JourneyVersion).where(versions.in_(sorted(wanted)))).scalars()
    found: dict[tuple[int, int], Journey] = {}
    for row in rows:
        with suppress(InvalidRuleError):
            found[row.journey_id, row.version] = _parsed(json.dumps(row.definition))
    return found


def read_kept(session: Session, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    """The same as it is kept, whether this program understands it or not."""
    versions: Any = tuple_(col(JourneyVersion.journey_id), col(JourneyVersion.version))
    rows = session.execute(select(JourneyVersion).where(versions.in_(sorted(wanted)))).scalars() if wanted else ()
    return {(row.journey_id, row.version): row.definition for row in rows}


@lru_cache(maxsize=500)
def _parsed(definition: str) -> Journey:
    """To read a journey takes a millisecond, and the same ones are asked every second or two."""
    return parse(Journey, json.loads(definition))
