"""WeCom's call budgets in the database: they are the company's, whichever of its processes calls."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Self

from bot.clock import Clock
from bot.config import Settings
from bot.logs import get_logger
from bot.wecom.limits import Limits, News, Pause
from bot.wecom.windows import Usage
from data.db import Database
from data.models import CallCount, CallPause
from data.queries import budgets as rows

EXCHANGE_EVERY_SECONDS = 1.0
#: A database that takes longer is away; calls are not held back for it, but the start and the end of a process are.
EXCHANGE_SECONDS = 3.0
CLEAN_EVERY = timedelta(minutes=5)

log = get_logger("wecom")


def limits_of(settings: Settings, clock: Clock) -> Limits:
    """The budgets that are configured."""
    return Limits(
        clock,
        calls_per_minute=settings.wecom.calls_per_minute,
        calls_per_hour=settings.wecom.calls_per_hour,
        max_concurrent=settings.wecom.max_connections,
    )


class SharedBudgets:
    """Carries what this process calls to the others, and what they call here, once a second while there are calls.

    A call decides by what `limits` knows and never waits for the database; while that is away each process counts its
    own. What was used stays known when a process ends.
    """

    def __init__(self, db: Database, limits: Limits, clock: Clock) -> None:
        self._db = db
        self._limits = limits
        self._clock = clock
        self._process = secrets.token_hex(8)
        self._away = False
        self._clean_at = clock.now()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.exchange()
        self._task = asyncio.create_task(self._run(), name="shared budgets")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._limits.has_news.is_set():
            await self.exchange()

    async def _run(self) -> None:
        while True:
            await self._limits.has_news.wait()
            await self.exchange()
            await asyncio.sleep(EXCHANGE_EVERY_SECONDS)

    async def exchange(self) -> None:
        """Tell what this process did since the last time, and learn what the others did."""
        news, now = self._limits.take_news(), self._clock.now()
        told = False
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS):
                used = await self._write(news, now)
            told = True
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, calls go on
            if not self._away:
                log.warning("budgets_not_shared", cause=type(error).__name__)
            self._away = True
            return
        finally:
            if not told:
                self._limits.give_back(news)
        if self._away:
            log.info("budgets_shared_again")
        self._away = False
        self._limits.learn(
            [Usage(path, seconds, buckets) for path, seconds, buckets in used.counts],
            [Pause(each.path, each.paused_until.timestamp(), each.refusals) for each in used.pauses],
        )

    async def _write(self, news: News, now: datetime) -> rows.Used:
        if not news.paths:
            return await self._db.read(rows.find_used, self._process, now)
        counts = [
            CallCount(
                process=self._process,
                path=each.path,
                seconds=each.seconds,
                buckets=[list(bucket) for bucket in each.buckets],
                ends_at=_instant(each.ends_at),
            )
            for each in news.usages
        ]
        pauses = [
            CallPause(path=each.path, paused_until=_instant(each.until), refusals=each.refusals) for each in news.pauses
        ]
        used = await self._db.write(rows.exchange_used, self._process, counts, pauses, now)
        if now >= self._clean_at:
            self._clean_at = now + CLEAN_EVERY
            await self._db.write(rows.remove_ended, now)
        return used


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
