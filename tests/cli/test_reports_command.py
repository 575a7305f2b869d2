"""`siyu report`: a week from a terminal, and as a workbook."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlmodel import Session

from data.db import Database
from data.models import Department, Follow, Staff
from tests.cli.conftest import Siyu

HOSTILE = "=1+1\x1b[31m\u202e"


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_report_is_said_and_written(siyu: Siyu, config: Path, db: Database) -> None:
    def fill(session: Session) -> None:
        now = datetime.now(UTC)
        session.add(Department(id=2, name="一店"))
        session.add(Staff(userid="ann", name=HOSTILE, main_department_id=2, follows_customers=True, seen_at=now))
        for number, days in enumerate((0, 0, 7)):
            added_at = datetime(2026, 3, 4, tzinfo=UTC) - timedelta(days=days)
            session.add(
                Follow(userid="ann", external_userid=f"wm{number}", status="present", added_at=added_at, changed_at=now)
            )

    await db.write(fill)
    await asyncio.to_thread(_act, siyu, config)


def _act(siyu: Siyu, config: Path) -> None:
    told = siyu("report", "--day", "2026-03-04", "--members", config=config)
    assert told.code == 0
    assert "2026-03-02 to 2026-03-08; before: 2026-02-23 to 2026-03-01" in told.out
    lines = [line.split() for line in told.out.splitlines()]
    assert [line[1] for line in lines if line and line[0] in ("一店", "all", "before")] == ["2", "2", "1"]
    assert "\x1b" not in told.out
    figures = siyu("report", "--day", "2026-03-31", "--month", "--json", config=config).json
    assert (figures["first"], figures["total"]["now"]["added"], figures["total"]["before"]["added"]) == (
        "2026-03-01",
        2,
        1,
    )
    assert siyu("report", config=config).code == 0
    wrong = siyu("report", "--day", "yesterday", config=config)
    assert (wrong.code, wrong.err) == (2, "'yesterday' is no day: write 2026-03-04.\n")
    file = config.parent / "report.xlsx"
    assert siyu("report", "--day", "2026-03-04", "--xlsx", file, config=config).code == 0
    book = load_workbook(file)
    cells = book.worksheets[0].iter_rows(values_only=True)
    rows = [line[:4] for line in cells]
    assert rows[1:] == [("合计", "合计", None, 2), ("一店", "合计", None, 2), ("一店", "=1+1[31m\u202e", "ann", 2)]
    assert book.worksheets[0]["B4"].data_type != "f"
