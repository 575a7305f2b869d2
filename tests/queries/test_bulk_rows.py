"""Many rows at a time: as many as were given, and of a unit that fails none."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from data.bulk import BulkUpsert
from data.db import Database
from data.models import Customer

COLUMNS = (
    "external_userid", "name", "avatar", "type", "gender", "unionid", "corp_name", "position", "first_seen_at",
)  # fmt: skip
WRITE = BulkUpsert(Customer, COLUMNS, keep=("first_seen_at",))
WRITE_RETURNING = BulkUpsert(Customer, COLUMNS, keep=("first_seen_at",), returning=("external_userid",))


def count(session: Session) -> int:
    return int(session.execute(select(func.count()).select_from(Customer)).scalar_one())


async def test_all_rows_are_written_and_of_a_unit_that_fails_none(db: Database, now: Any) -> None:
    def row(number: int, name: str | None = "名") -> tuple[Any, ...]:
        return (f"wm{number:04}", name, "", 1, 0, "", "", "", now)

    known = 0
    for many in (0, 1, 63, 64, 65, 255, 256, 257, 320, 321, 600):
        rows = [row(number) for number in range(many)]
        written = await db.write(WRITE_RETURNING.write_returning, rows)
        assert sorted(written) == [(each[0],) for each in rows]
        assert await db.write(WRITE.write, rows) == many
        known = max(known, many)
        assert await db.read(count) == known
    for wrong in (0, 299, 700):
        faulty = [row(number, None if number == 1000 + wrong else "名") for number in range(1000, 1701)]
        with pytest.raises((sqlite3.IntegrityError, IntegrityError)):
            await db.write(WRITE.write, faulty)
        assert await db.read(count) == known
