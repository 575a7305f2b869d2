"""Call budgets in the database: what each process used, the pauses of all, and what is removed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.clock import FrozenClock
from bot.shared_budgets import SharedBudgets
from bot.wecom.limits import Limits
from data.db import Database
from data.errors import StorageError
from data.models import CallCount, CallPause
from data.queries import budgets as rows
from tests.wecom_client.test_budgets_of_many import use

PATH = "externalcontact/get"


@pytest.fixture
def clock(now: datetime) -> FrozenClock:
    return FrozenClock(now)


def count(now: datetime, calls: int, path: str = PATH, seconds: int = 60) -> CallCount:
    ends_at = now + timedelta(seconds=seconds)
    return CallCount(process="", path=path, seconds=seconds, buckets=[[1, calls]], ends_at=ends_at)


async def test_each_reads_what_the_others_wrote_last(db: Database, now: datetime) -> None:
    await db.write(rows.exchange_used, "a", [count(now, 1), count(now, 4, seconds=3600)], [], now)
    await db.write(rows.exchange_used, "a", [count(now, 2)], [], now)
    used = await db.write(rows.exchange_used, "b", [count(now, 3)], [], now)
    assert sorted(used.counts) == [(PATH, 60, [[1, 2]]), (PATH, 3600, [[1, 4]])]
    assert (await db.read(rows.find_used, "a", now)).counts == [(PATH, 60, [[1, 3]])]


async def test_processes_write_side_by_side(db: Database, now: datetime) -> None:
    pauses = [CallPause(path=each, paused_until=now + timedelta(seconds=60)) for each in ("b", "a")]
    await asyncio.gather(
        *(db.write(rows.exchange_used, f"p{number}", [count(now, number)], pauses[:: 1 - number % 2 * 2], now)
          for number in range(6))
    )  # fmt: skip
    used = await db.read(rows.find_used, "another", now)
    assert sorted(buckets[0][1] for _, _, buckets in used.counts) == [0, 1, 2, 3, 4, 5]
    assert len(used.pauses) == 2


async def test_only_a_longer_pause_takes_the_place_of_one(db: Database, now: datetime) -> None:
    for seconds, refusals in ((60, 1), (3600, 2), (30, 3)):
        pause = CallPause(path=PATH, paused_until=now + timedelta(seconds=seconds), refusals=refusals)
        await db.write(rows.exchange_used, "a", [], [pause], now)
    (pause,) = (await db.read(rows.find_used, "a", now)).pauses
    assert (pause.paused_until, pause.refusals) == (now + timedelta(hours=1), 2)


async def test_what_is_older_than_its_window_counts_no_more_and_is_removed(db: Database, now: datetime) -> None:
    pause = CallPause(path=PATH, paused_until=now + timedelta(seconds=60))
    await db.write(rows.exchange_used, "a", [count(now, 1), count(now, 2, seconds=3600)], [pause], now)
    later = now + timedelta(seconds=60)
    used = await db.read(rows.find_used, "b", later)
    assert used == rows.Used([(PATH, 3600, [[1, 2]])], [])
    assert await db.write(rows.remove_ended, later) == 2
    assert await db.write(rows.remove_ended, later) == 0


async def test_what_one_process_used_the_next_one_knows(db: Database, clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=100, calls_per_hour=150)
    async with SharedBudgets(db, limits, clock):
        assert await use(limits, 70) == 70
    limits = Limits(clock, calls_per_minute=100, calls_per_hour=150)
    async with SharedBudgets(db, limits, clock):
        assert await use(limits, 100) == 30
        clock.advance(timedelta(minutes=2))
        assert await use(limits, 100) == 50, "the hour is remembered too"


async def test_rows_of_ended_processes_are_removed(db: Database, clock: FrozenClock) -> None:
    for _ in range(3):
        limits = Limits(clock)
        async with SharedBudgets(db, limits, clock):
            await use(limits, 1)
        clock.advance(timedelta(hours=2))
    assert len((await db.read(rows.find_used, "", clock.now() - timedelta(days=1))).counts) == 2, "the last one's"


class Away:
    """A database that can be out of reach."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.away = True

    async def read(self, *args: Any) -> Any:
        return await self._run(self.db.read, *args)

    async def write(self, *args: Any) -> Any:
        return await self._run(self.db.write, *args)

    async def _run(self, work: Any, *args: Any) -> Any:
        if self.away:
            raise StorageError("The database is away.")
        return await work(*args)


async def test_without_the_database_each_counts_its_own(db: Database, clock: FrozenClock) -> None:
    reached: Any = Away(db)
    one, two = Limits(clock, calls_per_minute=100), Limits(clock, calls_per_minute=100)
    with capture_logs() as logs:
        async with SharedBudgets(reached, one, clock) as shared, SharedBudgets(db, two, clock) as other:
            assert await use(one, 30) == 30
            await shared.exchange()
            await shared.exchange()
            await use(two, 20)
            await other.exchange()
            assert await use(one, 1) == 1
            reached.away = False
            await shared.exchange()
            await other.exchange()
            assert await use(one, 100) == 49, "31 of its own, 20 of the other"
            assert await use(two, 100) == 49, "what could not be told was told later"
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["budgets_not_shared"], "once"


async def test_calls_are_told_without_being_asked(db: Database, clock: FrozenClock) -> None:
    limits = Limits(clock)
    async with SharedBudgets(db, limits, clock), asyncio.timeout(60):
        await use(limits, 5)
        while not (used := await db.read(rows.find_used, "", clock.now())).counts:
            await asyncio.sleep(0.01)
    assert {seconds: sum(calls for _, calls in buckets) for _, seconds, buckets in used.counts} == {60: 5, 3600: 5}


async def test_nothing_is_written_without_calls(db: Database, clock: FrozenClock) -> None:
    reached: Any = Away(db)
    reached.away = False
    with capture_logs() as logs:
        async with SharedBudgets(reached, Limits(clock), clock):
            reached.away = True
            await asyncio.sleep(0)
    assert logs == []
