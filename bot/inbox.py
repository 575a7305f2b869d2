"""The durable inbox: nothing is acknowledged before it is stored, nothing stored is forgotten.

Storing is a group commit: all callbacks that wait share one transaction. Storing and handling are separate loops on
the same rows, so a crash between them loses nothing; a claim whose process died comes back when its lease ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from bot.clock import Clock
from bot.config import InboxSettings
from bot.logs import get_logger
from bot.metrics import Metrics
from bot.wecom.event_base import Event
from data.db import Database
from data.errors import StorageError
from data.models.inbox import Lane, TaskStatus
from data.queries import events as event_rows
from data.queries import inbox as rows
from data.queries import inbox_claims as claim_rows
from data.queries.inbox import ClaimedTask, NewEvent, NewTask, StoredEvent, TaskResult

log = get_logger("inbox")

#: Without news from this process, other replicas' and overdue tasks are looked for this often.
POLL_SECONDS = 1.0
#: A welcome's claim must come back well inside the code's 20 seconds.
WELCOME_LEASE_SECONDS = 8.0
#: So long the rest of an add waits, which needs the same threads and connections.
WELCOME_HEAD_START_SECONDS = 0.05
#: Longest that a stop waits for handlers that run.
DRAIN_SECONDS = 20.0
#: Of the events handled at the same time, at most one in so many is of a storm: the rest of the room, and a loop that
#: answers quickly, are for welcomes and all else. 16 fetches at a time are WeCom's 10,000 a minute at 100 ms each.
STORM_SHARE = 4
#: Columns have widths on PostgreSQL; an id longer than any of WeCom's is kept by its hash.
SUBJECT_MAX = 160


class EventPlan(Protocol):
    """What the dispatcher says about an event when it is stored."""

    @property
    def disposition(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def tasks(self) -> tuple[NewTask, ...]: ...


@dataclass(slots=True)
class _Arrived:
    event: NewEvent
    stored: asyncio.Future[StoredEvent]
    deadline: float


class Inbox:
    """Stores events, hands tasks to the dispatcher, records what came of them."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: InboxSettings,
        metrics: Metrics,
        plan: Callable[[Event], EventPlan],
        run: Callable[[ClaimedTask], Awaitable[TaskResult]],
        *,
        store_deadline_seconds: float = 4.0,
    ) -> None:
        self.db = db
        self.clock = clock
        self.settings = settings
        self.metrics = metrics
        self._plan = plan
        self._run = run
        self.holder = secrets.token_hex(8)
        self.store_deadline_seconds = store_deadline_seconds
        self._arrived: list[_Arrived] = []
        self._unanswered: deque[_Arrived] = deque()
        self._watching: asyncio.TimerHandle | None = None
        self._ended: list[TaskResult] = []
        self._storing: asyncio.Task[None] | None = None
        self._recording: asyncio.Task[None] | None = None
        self._dispatching: asyncio.Task[None] | None = None
        self._running: dict[int, asyncio.Task[None]] = {}
        self._held: dict[int, tuple[ClaimedTask, datetime]] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._swept_at = clock.now() - timedelta(days=1)

    # -- storing -------------------------------------------------------------------------------------------------

    def store(self, callback: str, body: str, event: Event, stored: asyncio.Future[StoredEvent]) -> None:
        """Store an event durably; `stored` is told after the commit and not before.

        It is told a StorageError when the event cannot be stored, or not within `store_deadline_seconds`: then it may
        still be stored later.
        """
        plan = self._plan(event)
        new = NewEvent(
            digest=rows.digest_of(body, event.created_seconds),
            callback=callback,
            kind=event.kind[:100],
            subject=_bounded(event.subject),
            body=body,
            disposition=plan.disposition,
            reason=plan.reason,
            tasks=tuple(
                [NewTask(task.lane, _bounded(task.subject), _bounded(task.collapse_key)) for task in plan.tasks]
            ),
            refresh=event.SAYS_ONLY_CHANGED,
            awaited=event.TAKES_REPLY,
        )
        loop = asyncio.get_running_loop()
        arrived = _Arrived(new, stored, loop.time() + self.store_deadline_seconds)
        self._arrived.append(arrived)
        self._unanswered.append(arrived)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_arrived(), name="inbox store")
        if self._watching is None:
            self._watching = loop.call_later(self.store_deadline_seconds, self._give_up)

    def _give_up(self) -> None:
        """Tell the callbacks that have waited too long. One timer for all: one each would cost as much as its event."""
        loop, waiting = asyncio.get_running_loop(), self._unanswered
        while waiting and (waiting[0].stored.done() or waiting[0].deadline <= loop.time()):
            arrived = waiting.popleft()
            if not arrived.stored.done():
                arrived.stored.set_exception(StorageError("Storing took too long."))
        self._watching = loop.call_at(waiting[0].deadline, self._give_up) if waiting else None

    def _forget_answered(self) -> None:
        while self._unanswered and self._unanswered[0].stored.done():
            self._unanswered.popleft()

    async def _store_arrived(self) -> None:
        try:
            while self._arrived:
                # One turn of the loop lets the callbacks that came together share the commit.
                await asyncio.sleep(0)
                group, self._arrived = self._arrived, []
                await self._store_group(group)
                self._forget_answered()
        finally:
            self._storing = None

    async def _store_group(self, group: list[_Arrived]) -> None:
        now = self.clock.now()
        free = 0 if self._stopping else self.settings.concurrency - len(self._running)
        claim = self._new_claim()
        try:
            stored = await self.db.write_here(
                rows.store_events,
                [arrived.event for arrived in group],
                now,
                claim,
                rows.lease_end(now, WELCOME_LEASE_SECONDS),
                max(free, 0),
            )
        except Exception as error:  # noqa: BLE001 - every waiting callback is told; none may be acknowledged
            failure = error if isinstance(error, StorageError) else StorageError(f"Storing failed: {error!r}"[:300])
            log.error("not_stored", events=len(group), cause=str(failure))
            for arrived in group:
                if not arrived.stored.done():
                    arrived.stored.set_exception(failure)
            return
        seen: set[bytes] = set()
        for arrived in group:
            result = stored[arrived.event.digest]
            claimed = () if arrived.event.digest in seen else result.claimed
            if arrived.event.digest in seen:
                result = StoredEvent(result.event_id, is_new=False)
            seen.add(arrived.event.digest)
            # The request goes on first: it may wait for what is handled, which may end without a pause.
            if not arrived.stored.done():
                arrived.stored.set_result(result)
            for task in claimed:
                self._start(task, rows.lease_end(now, WELCOME_LEASE_SECONDS))
        if any(result.claimed for result in stored.values()):
            # The welcome is the first thing that happens: what else its event asks for would only be in its way.
            asyncio.get_running_loop().call_later(WELCOME_HEAD_START_SECONDS, self._wake.set)
        elif any(arrived.event.tasks for arrived in group):
            self._wake.set()

    # -- handling ------------------------------------------------------------------------------------------------

    async def start(self, *, alone: bool) -> None:
        """Begin to handle what waits. `alone`: no other process uses this inbox, so every claim left is an orphan."""
        if alone:
            returned = await self.db.write(claim_rows.release_all_claims, self.clock.now())
            if returned:
                log.info("reclaimed", tasks=returned)
        self._dispatching = asyncio.create_task(self._dispatch(), name="inbox dispatch")

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                claimed = await self._claim()
            except Exception as error:
                # The loop outlives whatever happens to the database: nobody else would handle what waits.
                log.error("claim_failed", cause=_cause(error), exc_info=_trace(error))
                claimed = 0
            if claimed == 0 or len(self._running) >= self.settings.concurrency:
                await self._wait()

    async def _claim(self) -> int:
        now = self.clock.now()
        if abs((now - self._swept_at).total_seconds()) >= POLL_SECONDS:
            # Also when every place is taken: handlers that run keep their claims.
            self._swept_at = now
            await self._renew(now)
            await self.db.write(claim_rows.release_tasks, now)
        free = self.settings.concurrency - len(self._running)
        if free <= 0:
            return 0
        until = rows.lease_end(now, self.settings.lease_seconds)
        tasks = await self.db.write(
            claim_rows.claim_tasks, now, self._new_claim(), until, free, self._room_for_storms()
        )
        for task in tasks:
            self._start(task, until)
        return len(tasks)

    def _room_for_storms(self) -> int:
        running = sum(task.lane == Lane.STORM for task, _ in self._held.values())
        return max(self.settings.concurrency // STORM_SHARE, 1) - running

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()

    async def _renew(self, now: datetime) -> None:
        """Keep the claims of handlers that still run when a lease is half over."""
        for task, until in list(self._held.values()):
            # A welcome's claim stays short: were this process to die, another could still greet in time.
            seconds = WELCOME_LEASE_SECONDS if task.lane == Lane.WELCOME else self.settings.lease_seconds
            if task.id in self._running and until - now < timedelta(seconds=seconds / 2):
                later = rows.lease_end(now, seconds)
                await self.db.write(claim_rows.renew_claims, [task.id], task.claim, later)
                self._held[task.id] = (task, later)

    def _start(self, task: ClaimedTask, until: datetime) -> None:
        self._idle.clear()
        self._held[task.id] = (task, until)
        self._running[task.id] = asyncio.create_task(self._handle(task), name=f"event {task.event_id}")

    async def _handle(self, task: ClaimedTask) -> None:
        try:
            # Not in one line: `self._ended` is another list after the await.
            result = await self._run(task)
            self._ended.append(result)
            if self._recording is None:
                self._recording = asyncio.create_task(self._record(), name="inbox record")
        except Exception:
            # The dispatcher never raises; if it did, the lease brings the task back.
            log.exception("dispatch_failed", event_id=task.event_id)
        finally:
            self._running.pop(task.id, None)
            self._held.pop(task.id, None)
            if not self._running and not self._ended:
                self._idle.set()
            self._wake.set()

    async def _record(self) -> None:
        try:
            while self._ended:
                await asyncio.sleep(0)
                group, self._ended = self._ended, []
                await self._record_group(group)
        finally:
            self._recording = None
            if not self._running:
                self._idle.set()
            self._wake.set()

    async def _record_group(self, group: list[TaskResult]) -> None:
        while True:
            try:
                await self.db.write(claim_rows.finish_tasks, group, self.clock.now())
            except Exception as error:
                # What was done must not be done again: hold on to it until it can be written or the process ends.
                log.error("record_failed", tasks=len(group), cause=_cause(error), exc_info=_trace(error))
                if self._stopping:
                    return
                if not isinstance(error, StorageError) and any(each.outcomes for each in group):
                    # Not the database, but something in what the handlers said: that the tasks ended comes first.
                    group = [replace(each, outcomes=()) for each in group]
                    continue
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    def _new_claim(self) -> str:
        return f"{self.holder}-{secrets.token_hex(4)}"

    # -- watching and stopping -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look for due tasks now: the clock was moved, or another process wrote some."""
        self._wake.set()

    async def wait_until_idle(self) -> None:
        """Wait until nothing is due and nothing runs (tasks that wait for a later retry do not count)."""
        while True:
            await self._idle.wait()
            await self.db.write(claim_rows.release_tasks, self.clock.now())
            due = await self.db.read(claim_rows.find_next_due)
            if self._idle.is_set() and (due is None or due > self.clock.now()):
                return
            self._wake.set()
            await asyncio.sleep(0.005)

    async def measure(self) -> None:
        """Set the gauges: open and dead tasks, age of the oldest."""
        counts = await self.db.read(event_rows.count_tasks)
        for status in (TaskStatus.WAITING, TaskStatus.CLAIMED, TaskStatus.DEAD):
            self.metrics.inbox_tasks.labels(status.value).set(counts.get(status.value, 0))
        oldest = await self.db.read(event_rows.find_oldest_waiting)
        lag = (self.clock.now() - oldest).total_seconds() if oldest else 0.0
        self.metrics.inbox_lag_seconds.set(max(lag, 0.0))

    async def stop(self) -> None:
        """Stop claiming, let running handlers end, record what they did, give back the rest."""
        self._stopping = True
        self._wake.set()
        if self._dispatching is not None:
            await self._dispatching
        if self._storing is not None:
            await asyncio.wait([self._storing])  # it may start a welcome that it stored as claimed
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=DRAIN_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._recording is not None:
            await asyncio.wait([self._recording])
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        with contextlib.suppress(StorageError):
            await self.db.write(claim_rows.release_held, self.holder, self.clock.now())


def _cause(error: BaseException) -> str:
    return str(error)[:300] if isinstance(error, StorageError) else type(error).__name__


def _trace(error: BaseException) -> BaseException | None:
    """A database that is away explains itself; anything else is looked for in the code."""
    return None if isinstance(error, StorageError) else error


def _bounded(text: str) -> str:
    if len(text) <= SUBJECT_MAX:
        return text
    return text[:80] + "#" + hashlib.sha256(text.encode()).hexdigest()
