"""Syncs that several processes want to begin at the same moment: one row decides."""

from __future__ import annotations

import asyncio
from datetime import datetime

from data.db import Database
from data.models import SyncStatus
from data.queries import sync_runs as rows


async def test_two_that_find_the_first_sync_due_begin_one(db: Database, now: datetime) -> None:
    asked = await asyncio.gather(*(db.write(rows.ask_after, None, "first", now) for _ in range(4)))
    assert len({run.id for run in asked if run is not None}) == 1
    [only] = await db.read(rows.list_runs)
    assert only.cause == "first"
    assert only.id is not None

    # One that decided long ago, and comes when the sync is over, neither begins another nor this one again.
    await db.write(rows.begin_run, only.id, now)
    await db.write(rows.end_run, only.id, SyncStatus.DONE, "", now)
    assert await db.write(rows.ask_after, None, "first", now) is None
    assert (await db.write(rows.begin_run, only.id, now)).status == SyncStatus.DONE
    nightly = await db.write(rows.ask_after, only.id, "nightly", now)
    assert nightly is not None
    again = await asyncio.gather(*(db.write(rows.ask_for_run, "command", now) for _ in range(4)))
    assert {run.id for run in again} == {nightly.id}
