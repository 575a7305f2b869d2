"""Figures of customer groups: flows are summed up, levels are those of the last day, of owners whom one sees."""

from __future__ import annotations

from datetime import date, timedelta

from sqlmodel import Session

from data.db import Database
from data.models import OwnerDay
from data.queries import group_figures as rows

LAST = date(2026, 3, 10)


async def test_figures_by_day_and_owner(db: Database) -> None:
    def fill(session: Session) -> None:
        for back in range(3):
            for number, userid in enumerate(("an", "bo"), 1):
                session.add(OwnerDay(
                    day=LAST - timedelta(days=back), userid=userid, chats_new=number, chats_total=10 * number - back,
                    members_total=100 * number, messages=5,
                ))  # fmt: skip

    await db.write(fill)
    since = LAST - timedelta(days=1)
    days = await db.read(rows.list_days, since, LAST, None)
    assert [(each.key, each.chats_total, each.chats_new, each.messages) for each in days] == [
        (since, 28, 3, 10), (LAST, 30, 3, 10),
    ]  # fmt: skip
    owners = await db.read(rows.list_by_owner, since, LAST, None)
    assert [(each.key, each.chats_total, each.chats_new, each.messages) for each in owners] == [
        ("bo", 20, 4, 10), ("an", 10, 2, 10),
    ]  # fmt: skip
    assert await db.read(rows.list_owners, since, LAST, ["an", "chen"]) == ["an"]
    assert [each.chats_total for each in await db.read(rows.list_days, LAST, LAST, ["an"])] == [10]
    assert await db.read(rows.list_by_owner, since, LAST, []) == []
