"""Tasks of the staff as the tick of journeys writes them, for tests of what staff see and answer."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session

from data.models import Customer, Enrolment, Follow, JourneyRow, JourneyVersion, Leave, Staff, StaffTask
from data.queries.follow_facts import ALL, note_facts

JOURNEY = 3


def add_journey(session: Session, now: datetime) -> None:
    """A journey with two steps."""
    steps = [{"key": key, "action": {"do": "task", "content": {"text": "x"}}} for key in ("hello", "ask")]
    definition = {"name": "新客 7 天", "trigger": {"on": "added"}, "steps": steps}
    session.add(JourneyRow(id=JOURNEY, name="新客 7 天", status="running", made_by="test", made_at=now))
    session.add(JourneyVersion(journey_id=JOURNEY, version=1, definition=definition, made_by="test", made_at=now))
    session.flush()


def add_staff(session: Session, now: datetime, *userids: str) -> None:
    """Members who follow customers."""
    for userid in userids:
        session.add(Staff(userid=userid, name=userid, seen_at=now, follows_customers=True))
    session.flush()


def add_leave(session: Session, day: date, userid: str, substitute: str = "") -> None:
    """Somebody is on leave for a day."""
    session.add(
        Leave(
            userid=userid, first_day=day, last_day=day, substitute=substitute, made_by="test",
            made_at=datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
        )
    )  # fmt: skip
    session.flush()


def add_contact(
    session: Session, now: datetime, external_userid: str, *userids: str, name: str = "", **follow: Any
) -> None:
    """A customer whom these members follow."""
    session.add(Customer(external_userid=external_userid, name=name or external_userid, first_seen_at=now))
    for userid in userids:
        fields = {"status": "present", "changed_at": now, "added_at": now, **follow}
        session.add(Follow(userid=userid, external_userid=external_userid, **fields))
    session.flush()
    note_facts(session, [external_userid], *ALL)


def add_task(session: Session, now: datetime, userid: str, external_userid: str, **fields: Any) -> int:
    """A task that is due, for a customer on the journey."""
    enrolment = Enrolment(
        journey_id=JOURNEY, version=1, external_userid=external_userid, userid=userid, cause="added", started_at=now,
        before_at=now, due_at=now, ended_at=now, end_reason="finished",
    )  # fmt: skip
    session.add(enrolment)
    session.flush()
    values: dict[str, Any] = {
        "step": 0, "content": {"text": f"您好，{external_userid}"}, "worth": 50, "due_at": now, "status": "open",
        "valid_until": now + timedelta(hours=72), **fields,
    }  # fmt: skip
    task = StaffTask(
        enrolment_id=enrolment.id or 0, journey_id=JOURNEY, userid=userid, external_userid=external_userid, **values
    )
    session.add(task)
    session.flush()
    return task.id or 0
