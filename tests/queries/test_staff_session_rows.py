"""Sessions of the staff on real rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, select

from data.db import Database
from data.models import Staff, StaffSession
from data.queries import staff_sessions as rows
from tests.staff_tasks import add_staff

HOUR = timedelta(hours=1)


async def test_a_session_is_a_members_until_it_ends(db: Database, now: datetime) -> None:
    await db.write(add_staff, now, "ann", "bo")
    assert await db.write(rows.add_session, "t1", "ann", now, now + HOUR)
    assert await db.write(rows.add_session, "t2", "bo", now, now + 3 * HOUR)
    assert not await db.write(rows.add_session, "t3", "nobody", now, now + HOUR)
    assert await db.read(rows.find_member, "t1", now) == "ann"
    assert await db.read(rows.find_member, "t1", now + HOUR) is None
    assert await db.read(rows.find_member, "", now) is None
    kept = await db.read(lambda session: session.scalars(select(StaffSession)).all())
    assert {each.digest for each in kept} == {rows.digest_of("t1"), rows.digest_of("t2")}

    def disable(session: Session) -> None:
        session.get_one(Staff, "bo").status = 2

    await db.write(disable)
    assert await db.read(rows.find_member, "t2", now) is None
    assert not await db.write(rows.add_session, "t4", "bo", now, now + HOUR)
    await db.write(rows.add_session, "t5", "ann", now + 2 * HOUR, now + 3 * HOUR)
    assert len(await db.read(lambda session: session.scalars(select(StaffSession)).all())) == 2, "what is over goes"
    await db.write(rows.end_session, "t5")
    assert await db.read(rows.find_member, "t5", now + 2 * HOUR) is None
