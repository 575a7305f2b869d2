"""`siyu customers`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.db import Database
from data.models import Customer
from data.queries import preferences as rows
from data.queries import touches as touch_rows
from data.rules.preferences import TouchKind
from tests.cli.conftest import Ended, Siyu


async def add_customer(db: Database) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    await db.write(lambda session: session.add(Customer(external_userid="wm1", first_seen_at=now)))
    await db.write(
        touch_rows.record,
        origin="task:1",
        kind=TouchKind.TASK,
        external_userid="wm1",
        userid="zhangsan",
        touched_at=now,
    )


async def test_wishes_are_written_down_one_after_the_other(siyu: Siyu, config: Path, db: Database) -> None:
    await add_customer(db)

    async def run(*words: str) -> Ended:
        return await asyncio.to_thread(siyu, "customers", *words, config=config)

    soon = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    assert (await run("optout", "wm1", "--reason", "at the counter")).out == "The customer wants no message.\n"
    row = await db.read(rows.find_preference, "wm1")
    assert row is not None
    assert row.reason == "at the counter"
    assert row.changed_by.startswith("siyu")
    await run("allow", "wm1")
    paused = await run("pause", "wm1", "--until", soon)
    assert f"wants none before {soon} 00:00:00" in paused.out
    less = await run("less", "wm1", "--count", "2", "--days", "30")
    assert "wants none before" in less.out
    assert "wants at most 2 within 30 days" in less.out
    assert (await run("allow", "wm1")).out == "The customer may be written to without limits.\n"
    for wrong in ("2020-01-01", "tomorrow"):
        assert (await run("pause", "wm1", "--until", wrong)).code == 2
    unknown = await run("optout", "wm2")
    assert (unknown.code, "no such customer" in unknown.err) == (2, True)


async def test_touches_are_listed(siyu: Siyu, config: Path, db: Database) -> None:
    await add_customer(db)
    told = await asyncio.to_thread(siyu, "customers", "touches", "wm1", config=config)
    assert "zhangsan" in told.out
    told = await asyncio.to_thread(siyu, "customers", "touches", "wm1", "--json", config=config)
    assert [each["origin"] for each in told.json] == ["task:1"]
    told = await asyncio.to_thread(siyu, "customers", "touches", "wm2", config=config)
    assert told.out == "Nothing has reached this customer.\n"


async def test_a_customer_is_exported_and_erased(siyu: Siyu, config: Path, db: Database) -> None:
    await add_customer(db)

    async def run(*words: str) -> Ended:
        return await asyncio.to_thread(siyu, "customers", *words, config=config)

    told = (await run("export", "wm1")).json
    assert [row["origin"] for row in told["tables"]["touches"]] == ["task:1"]
    refused = await run("erase", "wm1")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert await db.read(touch_rows.last_of, "wm1") is not None
    erased = await run("erase", "wm1", "--yes")
    assert erased.out.startswith("Erased: touches 1, customers 1; 0 events")
    assert await db.read(touch_rows.last_of, "wm1") is None
    nothing = await run("export", "wm1")
    assert (nothing.code, "Nothing is kept" in nothing.err) == (2, True)
