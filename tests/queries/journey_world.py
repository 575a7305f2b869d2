"""Journeys that run, and customers to begin them, for the tests of what begins and ends journeys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from data.models import Enrolment, Happening, JourneyStatus
from data.queries import customers as customer_rows
from data.queries import journeys as rows
from data.rules.journeys import Journey
from data.rules.problems import parse
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar
from tests.unit.test_rules_journey_times import SHANGHAI

CALENDAR = Calendar(SHANGHAI, TimeWindow.model_validate({"start": "09:00", "end": "21:00"}), ())
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
#: Due ten minutes after the journey began.
STEP = {"key": "hello", "when": {"minutes": 10}, "action": {"do": "tags", "put_on": ["et1"]}}


def start_journey(
    session: Session,
    trigger: dict[str, Any],
    *,
    at: datetime = NOW,
    status: JourneyStatus = JourneyStatus.RUNNING,
    **fields: Any,
) -> int:
    """A journey that was started at an instant; its number."""
    journey = parse(Journey, {"name": "旅程", "trigger": trigger, "steps": [STEP], **fields})
    row = rows.add_journey(session, journey, "", "command", at)
    row.status, row.started_at = status, at
    session.flush()
    assert row.id is not None
    return row.id


def add(
    session: Session,
    external_userid: str,
    userid: str = "lin",
    *,
    at: datetime = NOW,
    state: str = "",
    half: bool = False,
) -> None:
    """A customer adds a staff member, and their card is read."""
    customer_rows.record_add(
        session, userid, external_userid, state=state, half=half, inherited=False, event_at=at, now=at
    )
    customer_rows.lock_customer(session, external_userid, at).fetched_at = at
    session.flush()


class Noted(NamedTuple):
    """A happening in short."""

    kind: str
    external_userid: str
    userid: str
    detail: dict[str, Any]


def list_noted(session: Session) -> list[Noted]:
    """What was noted, in its order."""
    found = session.exec(select(Happening).order_by(col(Happening.id)))
    return [Noted(row.kind, row.external_userid, row.userid, row.detail) for row in found]


def list_enrolled(session: Session, journey_id: int) -> list[tuple[str, str]]:
    """Who is or was on a journey, in the order of their beginning, and why it is over for them."""
    query = select(Enrolment).where(col(Enrolment.journey_id) == journey_id).order_by(col(Enrolment.id))
    return [(row.external_userid, row.end_reason) for row in session.exec(query)]


def customers_of(enrolled: Iterable[tuple[str, str]]) -> list[str]:
    """The customers alone, sorted."""
    return sorted(whom for whom, _ in enrolled)
