"""The directory as it is read, however large."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from data.db import Database
from data.models import Department, Staff
from data.queries import staff as rows
from data.queries.upsert import insert_into

#: More than either database takes as values of one statement.
MANY = 33_000


async def test_a_company_that_left_the_visible_range_is_marked_as_gone(db: Database, now: datetime) -> None:
    def furnish(session: Session) -> None:
        people = [
            {"userid": f"u{number}", "name": "", "alias": "", "position": "", "department_ids": [], "status": 1,
             "leader_userids": [], "follows_customers": True, "seen_at": now}
            for number in range(MANY)
        ]  # fmt: skip
        session.execute(insert_into(session, Staff), people)
        session.add(Department(id=7, name="旧部门"))

    await db.write(furnish)
    change = await db.write(rows.replace_directory, [{"id": 1, "name": "公司"}], [{"userid": "u1"}], ["u1"], now)
    assert len(change.left) == MANY - 1
    assert await db.read(rows.list_followers) == ["u1"]

    def find(session: Session) -> bool:
        return session.get_one(Department, 7).gone_at is not None

    assert await db.read(find)
