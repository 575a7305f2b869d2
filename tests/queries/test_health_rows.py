"""Signs of life: counted side by side, and none lost while the database is away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.clock import Clock
from bot.operations import SignsOfLife
from data.db import Database
from data.errors import StorageError
from data.queries import health as rows
from data.queries.health import Signs


async def test_replicas_add_up_what_they_saw(db: Database) -> None:
    await asyncio.gather(*(db.write(rows.record_signs, {"app": Signs(adds_without_code=1)}) for _ in range(8)))
    (health,) = await db.read(rows.list_health)
    assert health.adds_without_code == 8


async def test_what_could_not_be_written_is_written_later(db: Database, clock: Clock) -> None:
    class Away:
        """The database, out of reach."""

        async def write(self, *_: Any, **__: Any) -> None:
            signs.verified("late")
            raise StorageError("The database is away.")

    away: Any = Away()
    signs = SignsOfLife(away, clock)
    signs.verified("app")
    with pytest.raises(StorageError):
        await signs.write()
    signs.db = db
    await signs.write()
    assert [health.name for health in await db.read(rows.list_health) if health.verified_at] == ["app", "late"]
