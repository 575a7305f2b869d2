"""What brakes count, on real rows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from data.db import Database
from data.models import Batch, Campaign, Customer, Follow, Publisher, Run, Touch
from data.queries import brakes as rows
from data.queries import follow_facts
from data.rules.brakes import Reached, Refused


def fill(session: Session, now: datetime) -> None:
    """Two campaigns; ten customers, of whom the first five left, one an hour, the last ones in spring."""
    for number, accepted_at in ((1, None), (2, now - timedelta(hours=3))):
        session.add(Campaign(id=number, name="x", made_by="test", made_at=now, accepted_at=accepted_at))
        for status, ended_at in (("awaiting", None), ("finished", now - timedelta(days=9)), ("due", None)):
            due_at = now + timedelta(hours={"awaiting": 0, "finished": 1, "due": 2}[status])
            session.add(
                Run(
                    wave_id=number, campaign_id=number, status=status, due_at=due_at, valid_until=due_at,
                    ended_at=ended_at, left_out={},
                )
            )  # fmt: skip
    session.add(Campaign(id=3, name="not begun", made_by="test", made_at=now))
    session.flush()
    batches = [
        # (run, status, recipients, refused, sent, hours ago)
        (1, "created", 100, 30, 50, 10), (1, "refused", 20, 20, 0, 8), (1, "reconciled", 10, 0, 10, 1),
        (1, "planned", 99, 0, 0, None), (2, "refused", 7, 7, 0, 5), (4, "refused", 20, 20, 0, 8),
        (4, "created", 5, 1, 0, 1),
    ]  # fmt: skip
    for number, (run_id, status, recipients, refused, sent, hours) in enumerate(batches, 1):
        at = None if hours is None else now - timedelta(hours=hours)
        session.add(
            Batch(
                run_id=run_id, batch_no=number, userid="ann", recipients=recipients, status=status, refused=refused,
                sent=sent, made_at=None if status == "refused" else at, final_at=at if status == "refused" else None,
                error=f"cause {number}",
            )
        )  # fmt: skip
    session.add(Publisher(run_id=1, userid="ann", state="published", seen_at=now - timedelta(hours=2), audience=40))
    session.add(Publisher(run_id=1, userid="bo", state="waiting", audience=0))
    ids = [f"wm{number}" for number in range(10)]
    for number, whom in enumerate(ids):
        session.add(Customer(external_userid=whom, first_seen_at=now))
        left = now - timedelta(hours=number + 1) if number < 5 else now - timedelta(days=20 + number)
        lost = number != 9
        for userid in ("ann", "bo"):
            session.add(
                Follow(
                    userid=userid, external_userid=whom, changed_at=now,
                    status="deleted_by_customer" if lost and userid == "ann" else "present",
                    ended_at=left if lost and userid == "ann" else None,
                )
            )  # fmt: skip
        for campaign_id, hours in ((1, 4), (2, 40)):
            session.add(
                Touch(
                    origin=f"broadcast:{campaign_id}:{number}", kind="broadcast", external_userid=whom, userid="ann",
                    campaign_id=campaign_id, touched_at=now - timedelta(hours=hours),
                )
            )  # fmt: skip
            session.add(
                Touch(
                    origin=f"moment:{campaign_id}:{number}", kind="moment", external_userid=whom, userid="bo",
                    campaign_id=campaign_id, touched_at=now - timedelta(hours=hours),
                )
            )  # fmt: skip
    session.flush()
    follow_facts.note_facts(session, ids)


@pytest.fixture
async def filled(db: Database, now: datetime) -> Database:
    await db.write(fill, now)
    return db


async def test_what_goes_on_is_counted_since_somebody_accepted_it(filled: Database, now: datetime) -> None:
    assert [each.campaign_id for each in await filled.read(rows.list_running)] == [1, 2]
    assert await filled.read(rows.list_running, 3) == []
    assert await filled.read(rows.count_refused, [1, 2, 3]) == {
        1: Refused(calls=3, refused_calls=1, troubled_calls=2, recipients=130, refused=50),
        2: Refused(calls=1, refused_calls=0, troubled_calls=1, recipients=5, refused=1),
    }
    assert await filled.read(rows.find_last_cause, 1) == "cause 5"
    assert await filled.read(rows.find_last_cause, 3) == ""
    assert await filled.read(rows.count_unconfirmed, 1) == 2


async def test_who_left_after_they_received_it_is_counted_once(filled: Database, now: datetime) -> None:
    window = now - timedelta(hours=48)
    # Of the first: received four hours ago, so the four who left since; of the other: accepted three hours ago.
    assert await filled.read(rows.count_left, [1, 2, 3], window) == {1: 4, 2: 2}
    assert await filled.read(rows.count_left, [1, 2, 3], now - timedelta(hours=3, minutes=30)) == {}
    assert await filled.read(rows.count_left, [], window) == {}


async def test_whom_it_reached_and_what_is_usual(filled: Database, now: datetime) -> None:
    reached = await filled.read(rows.list_reached, 1, now - timedelta(hours=48))
    assert sorted(reached) == [
        Reached(10, now - timedelta(hours=1)), Reached(40, now - timedelta(hours=2)),
        Reached(50, now - timedelta(hours=10)),
    ]  # fmt: skip
    before = now - timedelta(hours=48)
    usual = await filled.read(rows.count_usual, before)
    assert usual == (4, 11, 26.0)
    assert await filled.read(rows.count_usual, now - timedelta(days=29)) == (0, 0, 0.0)
