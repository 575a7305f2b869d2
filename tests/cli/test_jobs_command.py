"""`siyu jobs`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.db import open_database
from data.queries import jobs as rows
from tests.cli.conftest import Siyu, write_config
from tests.conftest import Urls


async def test_jobs_are_told_with_when_they_ran_last_and_run_next(siyu: Siyu, urls: Urls, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.toml", urls)
    began = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)
    db = open_database(urls.main, pool_size=1)
    await db.write(rows.note_run, "poll_tags", "a", began, began + timedelta(seconds=1.5), "WeCom is away.")
    await db.close()
    told = await asyncio.to_thread(siyu, "jobs", config=config)
    (line,) = [line for line in told.out.splitlines() if line.startswith("poll_tags")]
    assert "6:00:00" in line
    assert "2026-03-04 09:00" in line
    assert "failed" in line
    assert "WeCom is away." in line
    assert "never" in told.out
    listed = {
        each["name"]: each["last"] for each in (await asyncio.to_thread(siyu, "jobs", "--json", config=config)).json
    }
    assert listed["poll_tags"]["error"] == "WeCom is away."
    assert listed["sync"] is None
