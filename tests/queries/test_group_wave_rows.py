"""Sendings of a wave to groups: when it went to some before, and what became of each for one group."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from data.db import Database
from data.models import Batch, Campaign, GroupRecipient, RecipientState, Run
from data.queries import group_waves as rows

DAY = timedelta(days=1)


def fill(session: Session, now: datetime) -> None:
    """Four days of a wave, of which the second was never planned, and a day of another."""
    session.add(Campaign(id=3, name="新群第一周", made_by="test", made_at=now))
    for number in range(1, 6):
        at = now + number * DAY
        run = Run(
            id=number, wave_id=7 if number < 5 else 8, campaign_id=3, status="finished", due_at=at, valid_until=at
        )
        if number != 2:
            run.planned_as_of = run.planned_at = at + timedelta(minutes=1)
        session.add(run)
    for number, state in ((1, RecipientState.SENT), (3, RecipientState.SENDER_ON_LEAVE), (5, RecipientState.WAITING)):
        batch_no = None if number == 3 else 1
        session.add(GroupRecipient(run_id=number, chat_id="wr1", batch_no=batch_no, state=int(state)))
        session.add(GroupRecipient(run_id=number, chat_id="wr2", batch_no=1, state=int(state)))
        session.add(Batch(run_id=number, batch_no=1, kind="groups", userid="ann", recipients=2, status="created"))
    session.flush()


async def test_when_a_wave_went_to_groups_before(db: Database, now: datetime) -> None:
    await db.write(fill, now)

    def last(session: Session) -> list[datetime | None]:
        return [rows.find_last_planned(session, session.get_one(Run, number)) for number in range(1, 6)]

    first, third = (now + number * DAY + timedelta(minutes=1) for number in (1, 3))
    assert await db.read(last) == [None, first, first, third, None]
    told = await db.read(rows.list_sendings, "wr1", 2)
    assert [(each["id"], each["campaign"], each["state"], each["owner"]) for each in told] == [
        (5, "新群第一周", "waiting", "ann"), (3, "新群第一周", "sender_on_leave", None),
    ]  # fmt: skip
    assert [each["id"] for each in await db.read(rows.list_sendings, "wr1", 2, 3)] == [1]
    assert await db.read(rows.list_sendings, "wrNone", 9) == []
