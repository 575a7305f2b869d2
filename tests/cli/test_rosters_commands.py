"""`siyu rosters` from a terminal."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from data.db import Database
from data.models import Customer
from tests.cli.conftest import Siyu

NOW = datetime(2026, 3, 4, tzinfo=UTC)


async def test_a_roster_is_made_listed_and_removed(siyu: Siyu, config: Path, db: Database, tmp_path: Path) -> None:
    await db.write(lambda session: session.add(Customer(external_userid="wm1", first_seen_at=NOW)))
    await asyncio.to_thread(_act, siyu, config, tmp_path / "regulars.csv")


def _act(siyu: Siyu, config: Path, file: Path) -> None:
    assert siyu("rosters", "list", config=config).out == "There is no roster: siyu rosters add customers.csv\n"
    file.write_text("external_userid\nwmNobody\n", "utf-8")
    refused = siyu("rosters", "add", file, config=config)
    assert (refused.code, "file[2].external_userid" in refused.err) == (2, True)
    assert siyu("rosters", "add", file.with_name("nothing.csv"), config=config).code == 2
    file.write_text("external_userid\nwm1\nwmNobody\n", "utf-8")
    told = siyu("rosters", "add", file, "--skip-faulty", config=config).out
    assert "regulars: 1 customers of 2 rows, 1 faulty ones left out" in told
    (kept,) = siyu("rosters", "list", "--json", config=config).json
    assert siyu("rosters", "list", config=config).out.count("regulars") == 1
    definition = json.dumps({"roster": {"roster_id": kept["id"]}})
    segment = file.with_name("segment.json")
    segment.write_text(definition, "utf-8")
    assert siyu("segments", "add", segment, "--name", "regulars", config=config).code == 0
    refused = siyu("rosters", "remove", kept["id"], "--yes", config=config)
    assert (refused.code, "is used by segment 1 regulars" in refused.err) == (2, True)
    assert siyu("rosters", "remove", kept["id"], "--yes", "--force", config=config).code == 0
    assert siyu("rosters", "remove", kept["id"], "--yes", config=config).code == 2
