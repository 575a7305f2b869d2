"""The bell: APScheduler rings jobs in real time and stores nothing. What is due is decided by rows and the clock."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot.context import Context
from bot.errors import SiyuError
from bot.logs import get_logger
from data.errors import StorageError
from data.queries import access as access_rows
from data.queries import jobs as job_rows
from scheduler.jobs import Job

log = get_logger("scheduler")

#: A job's lease is renewed while it runs; a replica that dies is replaced after this.
LEASE_SECONDS = 30.0
#: A job that rings every second need not write down each time that nothing has changed.
NOTED_EVERY = timedelta(seconds=30)
#: Longest that a stop waits for jobs that run; each is safe to begin again.
DRAIN_SECONDS = 20.0
#: Work that failed at the start is tried again soon: the first company data should not wait for an hour.
RETRY_SECONDS = 30.0


class Runner:
    """Runs the jobs of one process."""

    def __init__(
        self,
        jobs: Sequence[Job],
        context: Context,
        *,
        lease_seconds: float = LEASE_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self.jobs = jobs
        self.context = context
        self.lease_seconds = lease_seconds
        self.drain_seconds = drain_seconds
        self.holder = secrets.token_hex(8)
        self.first_run: dict[str, asyncio.Event] = {job.name: asyncio.Event() for job in jobs}
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._running: set[asyncio.Task[None]] = set()
        self._long: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._noted: dict[str, tuple[datetime, str]] = {}
        #: What is to be run at the start and could not be yet, for somebody held its lease.
        self._refused: set[str] = set()

    def start(self) -> None:
        """Ring every job at its pace; those marked so also now.

        Each has a phase of its own: jobs of one pace that ring at one instant keep callbacks waiting for all of them.
        """
        now = datetime.now(UTC)
        for number, job in enumerate(self.jobs):
            pace = timedelta(seconds=job.every_seconds)
            common: dict[str, Any] = {"args": [job], "coalesce": True, "max_instances": 1, "misfire_grace_time": None}
            self._scheduler.add_job(
                self._ring,
                IntervalTrigger(seconds=job.every_seconds, timezone=UTC),
                id=job.name,
                next_run_time=now + pace * (1 + number / len(self.jobs)),
                **common,
            )
            if job.at_start:
                self._scheduler.add_job(self._ring, DateTrigger(now, timezone=UTC), id=f"{job.name} at start", **common)
        self._scheduler.start()

    async def _ring(self, job: Job) -> None:
        # The scheduler cancels its coroutines when it stops; ours end by themselves and are waited for.
        task = asyncio.create_task(self._run(job), name=f"job {job.name}")
        tasks = self._long if job.long else self._running
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def _run(self, job: Job) -> None:
        started_at, restore = self.context.clock.now(), self.context.restore
        if job.sends and restore is not None and restore.waits:
            return
        try:
            if not job.alone:
                await job.run(self.context)
            elif await self._lease(job):
                await self._run_alone(job)
            else:
                self._refuse(job)
                return
        except SiyuError as error:
            await self._failed(job, started_at, str(error))
        except Exception as error:
            log.exception("job_failed", job=job.name)
            await self._failed(job, started_at, type(error).__name__)
        else:
            self.context.metrics.jobs.labels(job.name, "done").inc()
            await self._note(job, started_at, "")
            self.first_run[job.name].set()

    def _refuse(self, job: Job) -> None:
        """Another holds the lease, perhaps one that died: what is to be run at the start need not wait for an hour,
        it is rung once more when the lease has run out."""
        if job.at_start and job.name not in self._refused and not self.first_run[job.name].is_set():
            self._refused.add(job.name)
            self._ring_soon(job, self.lease_seconds + 1)

    def _ring_soon(self, job: Job, seconds: float) -> None:
        if self._scheduler.running and job.every_seconds > seconds:
            self._scheduler.modify_job(job.name, next_run_time=datetime.now(UTC) + timedelta(seconds=seconds))

    async def _failed(self, job: Job, started_at: datetime, cause: str) -> None:
        log.warning("job_failed", job=job.name, cause=cause)
        self.context.metrics.jobs.labels(job.name, "failed").inc()
        await self._note(job, started_at, cause)
        self._ring_soon(job, RETRY_SECONDS)

    async def _note(self, job: Job, started_at: datetime, error: str) -> None:
        """Write down how it went, for `siyu jobs`."""
        now = self.context.clock.now()
        noted_at, noted = self._noted.get(job.name, (now - NOTED_EVERY, error))
        if noted == error and now - noted_at < NOTED_EVERY:
            return
        self._noted[job.name] = (now, error)
        # Without the database this is the least that is missing; the job itself says so in the log.
        with contextlib.suppress(StorageError):
            await self.context.db.write(job_rows.note_run, job.name, self.holder, started_at, now, error)

    async def _run_alone(self, job: Job) -> None:
        keeper = asyncio.create_task(self._keep_lease(job), name=f"lease of {job.name}")
        try:
            await job.run(self.context)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep_lease(self, job: Job) -> None:
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            # Away for a moment: the next try is well inside the lease.
            with contextlib.suppress(SiyuError):
                await self._lease(job)

    async def _lease(self, job: Job) -> bool:
        fence = await self.context.db.write(
            access_rows.take_lease, f"job:{job.name}", self.holder, self.lease_seconds, self.context.clock.now()
        )
        return fence is not None

    async def run_now(self, name: str) -> None:
        """Run one job at once, besides its pace. Raises KeyError for an unknown name."""
        job = {job.name: job for job in self.jobs}[name]
        await self._ring(job)

    async def stop(self) -> None:
        """Ring no more; what runs has a while to end, then it is cancelled. Leases are given back."""
        self._stopping = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for task in self._long:
            task.cancel()
        await asyncio.gather(*self._long, return_exceptions=True)
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=self.drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with contextlib.suppress(StorageError):
            # Without the database the leases run out by themselves.
            await self.context.db.write(access_rows.release_leases, self.holder, self.context.clock.now())
