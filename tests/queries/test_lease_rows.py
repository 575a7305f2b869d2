"""Leases: one holder at a time, who is replaced when it dies, also if the clock was put back meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta

from data.db import Database
from data.queries import access as rows

SECONDS = 30.0


async def test_a_lease_is_taken_over_when_it_ends_or_ends_too_late_to_be_true(db: Database, now: datetime) -> None:
    async def take(holder: str, after: timedelta) -> int | None:
        return await db.write(rows.take_lease, "journeys", holder, SECONDS, now + after)

    second = timedelta(seconds=1)
    assert await take("a", 0 * second) == 1
    assert await take("a", 29 * second) == 1, "it is kept"
    assert await take("b", 58 * second) is None
    # Another's clock is some minutes behind.
    assert await take("b", -8 * 60 * second) is None
    assert await take("b", 59 * second) == 2
    # The clock was a day ahead when it was taken.
    assert await take("b", timedelta(days=1)) == 2
    assert await take("a", 60 * second) == 3
    await db.write(rows.release_leases, "a", now + 61 * second)
    assert await take("b", 61 * second) == 4
