"""Every table that holds anything about one customer is exported and erased; no table is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Float, Integer, LargeBinary, Table, insert, select
from sqlmodel import Session, SQLModel, col

from bot.erasing import SETTLE, erase_customer, export_customer, finish_erasures
from data.db import Database
from data.models import Customer, Follow, Run, SyncPart, Tag, inbox_metadata
from data.queries import erasures as erasure_rows
from data.queries import inbox_privacy
from data.queries.privacy import HELD, MENTIONS, NOT_ABOUT_ONE
from data.types import UtcDateTime
from tests.privacy import ID, MOBILE, NAME, OTHER, UNIONID, rows_with

#: A column of such a name says that the row is about one customer.
TELLING = {"external_userid", "told_external_userid", "follow_id", "unionid", "mobile", "openid"}
MAIN = SQLModel.metadata.tables
COVERED = {held.table.name for held in HELD} | {model.__table__.name for model in MENTIONS}  # type: ignore[attr-defined]


def test_every_table_is_covered_or_has_a_reason() -> None:
    missing = MAIN.keys() - COVERED - NOT_ABOUT_ONE.keys()
    assert missing == set(), "add each to HELD in data/queries/privacy.py, or to NOT_ABOUT_ONE with the reason"
    assert NOT_ABOUT_ONE.keys() & COVERED == set()
    assert NOT_ABOUT_ONE.keys() <= MAIN.keys()
    assert [name for name, reason in NOT_ABOUT_ONE.items() if len(reason) < 12] == []
    assert set(inbox_metadata.tables) == inbox_privacy.HELD.keys()


def test_no_table_with_a_customers_column_is_excepted() -> None:
    assert [name for name in NOT_ABOUT_ONE if TELLING & set(MAIN[name].columns.keys())] == []


def values_for(table: Table, follow_id: int, now: datetime) -> dict[str, Any]:
    """A row about the customer: by every column that may say so, and with their name in every text."""
    values: dict[str, Any] = {}
    telling: dict[str, Any] = {"external_userid": ID, "told_external_userid": ID, "unionid": UNIONID, "mobile": MOBILE}
    telling |= {"follow_id": follow_id}
    for column in table.columns:
        if column.name in telling:
            values[column.name] = telling[column.name]
        elif column.autoincrement is True or (column.nullable and not isinstance(column.type, UtcDateTime)):
            continue
        elif isinstance(column.type, Boolean):
            values[column.name] = True
        elif isinstance(column.type, Integer | Float):
            values[column.name] = 7
        elif isinstance(column.type, UtcDateTime):
            values[column.name] = now
        elif isinstance(column.type, JSON):
            values[column.name] = []
        elif isinstance(column.type, LargeBinary):
            values[column.name] = b"x"
        else:
            width = getattr(column.type, "length", None)
            values[column.name] = NAME[:width] if width else f"{NAME} {ID}"
    return values


def fill(session: Session, now: datetime) -> int:
    """A row about the customer in every covered table, and a neighbour with an id that begins alike."""
    session.add(Run(id=7, wave_id=7, campaign_id=7, status="due", due_at=now, valid_until=now))
    session.add(Tag(tag_no=7, tag_id="et7", group_id="g", name="t"))
    for whom in (ID, OTHER):
        session.add(Customer(external_userid=whom, unionid=f"{UNIONID}{whom}"[:64], first_seen_at=now))
        session.add(Follow(userid="zhangsan", external_userid=whom, status="present", changed_at=now))
    session.flush()
    session.get_one(Customer, ID).unionid = UNIONID
    session.flush()
    (follow_id,) = session.execute(select(col(Follow.id)).where(col(Follow.external_userid) == ID)).scalars()
    for table in tables():
        values = values_for(table, follow_id, now)
        if table.name == "group_members":
            session.execute(insert(table), [{**values, "chat_id": "a", "userid": ID}])
            session.execute(insert(table), [{**values, "chat_id": "b", "userid": "other", "invitor": ID, "state": ""}])
        elif table.name == "sync_parts":
            problems = [f"{ID}: ValueError", f"{OTHER}: ValueError"]
            session.add(SyncPart(run_id=1, stage="customers", key="zhangsan", report={}, problems=problems))
        elif table.name == "orders":
            told = {"external_userid": None, "told_external_userid": "", "unionid": "", "mobile": ""}
            for number, clue in enumerate(told):
                session.execute(insert(table), [{**values, **told, clue: values[clue], "number": str(number)}])
        elif table.name not in ("customers", "follows"):
            known_by = {"enrolments": {"id": 7}, "step_records": {"enrolment_id": 7}}
            session.execute(insert(table), [{**values, **known_by.get(table.name, {})}])
    return int(follow_id or 0)


def tables() -> Iterator[Table]:
    seen: set[str] = set()
    for each in (*(held.table for held in HELD), *(model.__table__ for model in MENTIONS)):  # type: ignore[attr-defined]
        if each.name not in seen:
            seen.add(each.name)
            yield each


async def test_what_is_written_is_exported_and_what_is_exported_is_erased(
    db: Database, inbox_db: Database, now: datetime
) -> None:
    await db.write(fill, now)
    told = await export_customer(db, inbox_db, ID, now)
    assert {name for name, rows in told["tables"].items() if rows} == COVERED
    assert len(told["tables"]["orders"]) == 4
    assert told["tables"]["sync_parts"][0]["problems"] == [f"{ID}: ValueError"]
    assert told["tables"]["follow_tags"][0]["tag_id"] == "et7"
    neighbours = await db.read(rows_with, OTHER, SQLModel.metadata)
    done = await erase_customer(db, inbox_db, ID, "test", now)
    assert done.rows["orders"] == 4
    assert await finish_erasures(db, inbox_db, now + SETTLE) == 1
    for trace in (ID, NAME, UNIONID, MOBILE):
        found = [row for row in await db.read(rows_with, trace, SQLModel.metadata) if OTHER not in row]
        assert found == [], trace
    kept = await db.read(rows_with, OTHER, SQLModel.metadata)
    assert [row for row in kept if "ValueError" not in row] == [row for row in neighbours if "ValueError" not in row]
    assert await db.read(erasure_rows.list_erased, [ID, OTHER]) == {ID}
