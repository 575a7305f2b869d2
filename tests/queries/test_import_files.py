"""Files of imports: kept as they come, read in the background, again where somebody died over one."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime

import pytest
from sqlmodel import Session, col, select

from bot import imports
from data.db import Database
from data.models import ImportPiece, ImportRow, ImportStatus
from data.queries import imports as rows
from data.rules.imports import Options

ROWS = 90
TABLE = "external_userid,备注名\n" + "".join(f"wm{number},王{number}\n" for number in range(ROWS))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "CHUNK", 2)
    monkeypatch.setattr(imports, "PIECE_BYTES", 300)


async def keep(db: Database, now: datetime) -> int:
    made = await imports.take_file(db, io.BytesIO(TABLE.encode()), "x.csv", "me", Options(), lambda: now)
    assert (made.status, made.rows, made.headings) == (ImportStatus.READING, 0, ["external_userid", "备注名"])
    return made.id or 0


async def begin(db: Database, number: int) -> asyncio.Task[None]:
    """Somebody who reads a file, and has read some of it."""
    reading = asyncio.create_task(imports.read_file(db, number))
    while (await db.read(rows.get_import, number)).rows < 40:
        assert not reading.done()
        await asyncio.sleep(0)
    return reading


def left(session: Session) -> tuple[int, list[int]]:
    lines = session.exec(select(ImportRow.line).order_by(col(ImportRow.line)))
    return len(session.exec(select(ImportPiece.number)).all()), list(lines)


@pytest.mark.usefixtures("small")
async def test_a_file_is_read_once_whoever_dies_over_it(db: Database, now: datetime) -> None:
    number = await keep(db, now)
    assert (await db.read(left))[0] > 3
    reading = await begin(db, number)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    before = await db.read(rows.get_import, number)
    assert before.status == ImportStatus.READING
    reading, counts = asyncio.create_task(imports.read_file(db, number)), [before.rows]
    while not reading.done():
        counts.append((await db.read(rows.get_import, number)).rows)
    await reading
    assert counts == sorted(counts), "it goes on behind the last row"
    found = await db.read(rows.get_import, number)
    assert (found.status, found.rows) == (ImportStatus.CHECKING, ROWS)
    assert await db.read(left) == (0, [*range(2, ROWS + 2)])


@pytest.mark.usefixtures("small")
async def test_one_that_is_cancelled_is_not_read_on(db: Database, now: datetime) -> None:
    number = await keep(db, now)
    reading = await begin(db, number)
    await db.write(imports.cancel, number, now)
    await reading
    assert (await db.read(rows.get_import, number)).status == ImportStatus.CANCELLED
    pieces, lines = await db.read(left)
    assert (pieces, len(lines) < ROWS) == (0, True)
