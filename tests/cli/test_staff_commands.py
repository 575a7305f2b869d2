"""`siyu staff`: leaves from a terminal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from data.db import Database
from data.models import Staff
from tests.cli.conftest import Siyu


async def test_leaves_are_written_down_and_removed(siyu: Siyu, config: Path, db: Database) -> None:
    for userid in ("ann", "bo"):
        staff = Staff(userid=userid, follows_customers=True, seen_at=datetime(2026, 3, 4, tzinfo=UTC))
        await db.write(lambda session, staff=staff: session.merge(staff))
    await asyncio.to_thread(_act, siyu, config)


def _act(siyu: Siyu, config: Path) -> None:
    assert siyu("staff", "leave", "list", config=config).out == "Nobody is on leave.\n"
    add = ("staff", "leave", "add", "ann", "--from", "2098-10-01", "--until", "2098-10-07", "--substitute")
    assert siyu(*add, "bo", config=config).out == "Leave 1: ann, 2098-10-01 to 2098-10-07.\n"
    overlaps = siyu("staff", "leave", "add", "ann", "--from", "2098-10-07", "--until", "2098-10-08", config=config)
    assert (overlaps.code, "leave 1" in overlaps.err) == (2, True)
    assert siyu(*add, "cy", config=config).code == 2
    assert siyu("staff", "leave", "add", "ann", "--from", "soon", "--until", "later", config=config).code == 2
    told = siyu("staff", "leave", "list", config=config).out
    assert all(each in told for each in ("ann", "2098-10-07", "bo"))
    assert siyu("staff", "leave", "list", "--json", config=config).json[0]["first_day"] == "2098-10-01"
    assert siyu("staff", "leave", "remove", 1, config=config).out == "Leave 1 of ann is removed.\n"
    assert siyu("staff", "leave", "remove", 1, config=config).code == 2
