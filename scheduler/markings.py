"""Markings worked off: one call per follow, many under way, within WeCom's budgets, resumable at any instant.

What is done is in rows a moment later, many at a time. A call whose outcome was not written is made again after a
crash, which changes nothing. One lease keeps two processes from working on markings together.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from bot.context import Context
from bot.logs import get_logger
from bot.markings import plan_marking
from bot.refresh import refresh_tags
from bot.wecom.errors import CredentialsError, GoneError, WeComError
from data.models import FollowStatus, MarkingStatus
from data.queries import marking_items as item_rows
from data.queries import markings as rows
from data.queries import tags as tag_rows
from data.queries.marking_items import Marked, Waiting
from data.rules.markings import Change, ends_all, without
from scheduler.leases import LeaseHeldError, alone

log = get_logger("markings")

LEASE = "markings"
#: Calls under way at the same time: at WeCom's usual 0.1 to 0.3 s an answer, enough to use a minute's budget.
IN_FLIGHT = 48
#: Follows that are read ahead.
CHUNK = 500
#: Results are written so often, or as soon as there are so many.
NOTE_SECONDS = 0.5
NOTE_RESULTS = 250
#: A call waits for its budget as long as WeCom's longest usual pause, an hour, and then some.
CALL_SECONDS = 2 * 3600.0
#: WeCom away or busy: all calls rest for these times, the last one again and again.
PAUSES_SECONDS = (1.0, 5.0, 15.0, 30.0, 60.0)
#: So many failures without one success between them are no bad luck: a person has to look.
FAILURES_IN_A_ROW = 100
#: A follow that changes each time while it is marked is believed after so many calls.
CALLS_PER_FOLLOW = 3
#: Calls under way when a marking is paused have as long as a request may take to end.
DRAIN_SECONDS = 10.0
#: How far back the pace is measured.
PACE_SECONDS = 60.0
TAG_GONE = 40068
NOT_A_FOLLOWER = 84061

#: Told after each batch: how many are done or failed, and how many there are.
OnProgress = Callable[[int, int], None]


async def mark_when_due(ctx: Context) -> bool:
    """Work on markings until none is open. False: there was none, or another process works on them."""
    while await ctx.db.write(item_rows.sweep_cancelled):
        pass
    if ctx.observes or await ctx.db.read(rows.find_open_marking) is None:
        return False
    with contextlib.suppress(LeaseHeldError):
        await alone(ctx, LEASE, lambda: _work_off(ctx))
    return True


async def _work_off(ctx: Context) -> None:
    while (marking := await ctx.db.read(rows.find_open_marking)) is not None:
        assert marking.id is not None
        await Marker(ctx, marking.id).run()


async def run_marking(ctx: Context, marking_id: int, on_progress: OnProgress | None = None) -> MarkingStatus:
    """Work on one marking now; how it stands then. Raises LeaseHeldError while another process works on markings."""
    return await alone(ctx, LEASE, Marker(ctx, marking_id, on_progress=on_progress).run)


class Marker:
    """The work on one marking."""

    def __init__(
        self, ctx: Context, marking_id: int, *, in_flight: int = IN_FLIGHT, on_progress: OnProgress | None = None
    ) -> None:
        self.ctx = ctx
        self.marking_id = marking_id
        self.wecom = ctx.wecom.within(CALL_SECONDS).external_contact
        self._in_flight = in_flight
        self._on_progress = on_progress
        self._changes: dict[int, Change] = {}
        self._queue: deque[Waiting] = deque()
        self._after = -1
        self._all_read = False
        self._reading = asyncio.Lock()
        self._learning = asyncio.Lock()
        #: Customers with a call under way: WeCom refuses two at once for one customer (45035).
        self._busy: set[str] = set()
        self._freed = asyncio.Event()
        self._open: dict[int, Waiting] = {}
        self._marked: list[Marked] = []
        self._failed: dict[int, int] = {}
        self._calls: dict[int, int] = {}
        self._full = asyncio.Event()
        self._calling: set[asyncio.Task[Any]] = set()
        self._ending = False
        self._in_a_row = 0
        self._stopped = ""
        self._why_waiting = ""
        self._rests = 0
        self._rest_until = 0.0
        self._next_at = 0.0
        self._items = 0
        self._settled = 0
        self._pace: deque[tuple[float, int]] = deque()

    async def run(self) -> MarkingStatus:
        """Plan and mark what is left, until all is done, or somebody pauses or cancels it."""
        db = self.ctx.db
        marking = await db.write(rows.begin_marking, self.marking_id, self.ctx.clock.now())
        log.info("marking_started", marking=self.marking_id, resumed=marking.done + marking.failed > 0)
        if marking.planned_at is None and await plan_marking(self.ctx, marking) != MarkingStatus.RUNNING:
            return await db.read(rows.get_status, self.marking_id)
        marking = await db.read(rows.get_marking, self.marking_id)
        self._items, self._settled = marking.items, marking.done + marking.failed
        self._changes = await db.read(rows.list_changes, self.marking_id)
        if marking.status == MarkingStatus.RUNNING:
            await self._mark_all()
        status = await db.read(rows.get_status, self.marking_id)
        if self._stopped:
            await db.write(rows.pause_marking, self.marking_id, self._stopped)
            status = await db.read(rows.get_status, self.marking_id)
        elif status == MarkingStatus.RUNNING:
            status = await db.write(rows.end_marking, self.marking_id, self.ctx.clock.now())
        log.info("marking_rests", marking=self.marking_id, status=status.value, settled=self._settled)
        return status

    async def _mark_all(self) -> None:
        chains = [asyncio.create_task(self._chain(), name="marking") for _ in range(self._in_flight)]
        working: asyncio.Future[Any] = asyncio.gather(*chains)
        noting = asyncio.create_task(self._note_results(), name="marking results")
        try:
            both: list[asyncio.Future[Any]] = [working, noting]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            await self._drain(chains)
        finally:
            for task in chains:
                task.cancel()
            await asyncio.gather(working, *chains, return_exceptions=True)
            noting.cancel()
            await asyncio.gather(noting, return_exceptions=True)
            await self._note()
        if noting.done() and not noting.cancelled():
            noting.result()

    async def _drain(self, chains: list[asyncio.Task[None]]) -> None:
        """Begin nothing more, and wait for what WeCom was asked for: our rows are to know what it did."""
        self._ending = True
        for task in chains:
            if task not in self._calling:
                task.cancel()
        if self._calling:
            await asyncio.wait(list(self._calling), timeout=DRAIN_SECONDS)

    # -- calls

    async def _chain(self) -> None:
        while (item := await self._take()) is not None:
            try:
                await self._mark(item)
            finally:
                self._busy.discard(item.external_userid or "")
                self._freed.set()

    async def _take(self) -> Waiting | None:
        """The next follow whose customer has no call under way; None when nothing is left to begin."""
        while not self._stopped and not self._ending:
            async with self._reading:
                if not self._queue and not self._all_read:
                    read = await self.ctx.db.read(item_rows.list_waiting, self.marking_id, self._after, CHUNK)
                    self._all_read = len(read) < CHUNK
                    self._after = read[-1].follow_id if read else self._after
                    self._queue.extend(read)
            for _ in range(len(self._queue)):
                item = self._queue.popleft()
                if item.external_userid not in self._busy:
                    self._busy.add(item.external_userid or "")
                    self._open[item.follow_id] = item
                    return item
                self._queue.append(item)
            if not self._queue and self._all_read and not self._open:
                self._freed.set()
                return None
            # What is under way or not yet written may have to be done again.
            self._freed.clear()
            await self._freed.wait()
        return None

    async def _mark(self, item: Waiting) -> None:
        if item.userid is None or item.external_userid is None or item.status != FollowStatus.PRESENT:
            self._fail(item, NOT_A_FOLLOWER)
            return
        change = self._changes[item.change_no]
        if change.is_empty:
            self._fail(item, TAG_GONE)
            return
        await self._wait_for_turn()
        called_at = self.ctx.clock.now()
        try:
            await self._call(item.userid, item.external_userid, change)
        except WeComError as error:
            await self._refused(item, change, error)
            return
        self._in_a_row = self._rests = 0
        self._why_waiting = ""
        self._calls[item.follow_id] = self._calls.get(item.follow_id, 0) + 1
        self._marked.append(Marked(item.follow_id, item.change_no, called_at))
        if len(self._marked) >= NOTE_RESULTS:
            self._full.set()

    async def _call(self, userid: str, external_userid: str, change: Change) -> None:
        chain = asyncio.current_task()
        assert chain is not None
        self._calling.add(chain)
        try:
            await self.wecom.mark_tag(
                userid, external_userid, list(change.put_on) or None, list(change.take_off) or None
            )
        finally:
            self._calling.discard(chain)

    async def _wait_for_turn(self) -> None:
        """Spread the minute's budget over the minute, and keep the rest that WeCom needs."""
        loop = asyncio.get_running_loop()
        step = 60 / self.ctx.settings.wecom.calls_per_minute
        while True:
            now = loop.time()
            if now < self._rest_until:
                await asyncio.sleep(self._rest_until - now)
                continue
            self._next_at = max(self._next_at + step, now - 1)
            if self._next_at > now:
                await asyncio.sleep(self._next_at - now)
            return

    async def _refused(self, item: Waiting, change: Change, error: WeComError) -> None:
        if ends_all(error.errcode) or isinstance(error, CredentialsError):
            self._stop(str(error))
        elif error.retryable:
            self._rest(error)
            self._again(item)
        elif error.errcode == TAG_GONE and await self._leave_out_deleted(item.change_no, change):
            self._again(item)
        else:
            self._in_a_row += 1
            if self._in_a_row >= FAILURES_IN_A_ROW and not isinstance(error, GoneError):
                self._stop(f"{self._in_a_row} follows in a row could not be marked; the last one: {error}")
            self._fail(item, error.errcode or 0)

    def _stop(self, why: str) -> None:
        if not self._stopped:
            log.error("marking_stopped", marking=self.marking_id, cause=why)
        self._stopped = self._stopped or why
        self._full.set()
        self._freed.set()

    def _rest(self, error: WeComError) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._rest_until:
            return
        pause = max(error.after_seconds or 0, PAUSES_SECONDS[min(self._rests, len(PAUSES_SECONDS) - 1)])
        self._rests += 1
        self._rest_until = now + pause
        self._why_waiting = str(error)
        log.info("marking_waits", marking=self.marking_id, cause=str(error), pause_seconds=pause)

    async def _leave_out_deleted(self, change_no: int, tried: Change) -> bool:
        """Learn which tags exist, and leave the others out. False: the change is what it was."""
        async with self._learning:
            if self._changes[change_no] != tried:
                return True
            await refresh_tags(self.ctx)
            live = set(await self.ctx.db.read(tag_rows.list_live_ids))
            wanted = {tag_id for change in self._changes.values() for side in change for tag_id in side}
            changed = {no: without(change, wanted - live) for no, change in self._changes.items()}
            changed = {no: change for no, change in changed.items() if change != self._changes[no]}
            await self.ctx.db.write(rows.replace_changes, self.marking_id, changed)
            self._changes |= changed
            return self._changes[change_no] != tried

    def _again(self, item: Waiting) -> None:
        del self._open[item.follow_id]
        self._queue.append(item)

    def _fail(self, item: Waiting, cause: int) -> None:
        self._failed[item.follow_id] = cause

    # -- results

    async def _note_results(self) -> None:
        """Write results as they come, until the marking is not to go on."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTE_SECONDS):
                    await self._full.wait()
            self._full.clear()
            if await self._note() != MarkingStatus.RUNNING or self._stopped:
                return

    async def _note(self) -> MarkingStatus:
        marked, self._marked = self._marked, []
        failed, self._failed = self._failed, {}
        sure = {follow_id for follow_id, calls in self._calls.items() if calls >= CALLS_PER_FOLLOW}
        noted = await self.ctx.db.write(
            item_rows.note_results, self.marking_id, marked, failed, self._changes,
            per_minute=self._measure(), error=self._why_waiting, sure=sure, now=self.ctx.clock.now(),
        )  # fmt: skip
        for each in marked:
            item = self._open.pop(each.follow_id)
            if each.follow_id in noted.again:
                self._queue.append(item)
            else:
                self._calls.pop(each.follow_id, None)
        for follow_id in failed:
            self._open.pop(follow_id, None)
        settled = len(marked) - len(noted.again) + len(failed)
        self._settled += settled
        self._pace.append((asyncio.get_running_loop().time(), settled))
        self._freed.set()
        if settled and self._on_progress is not None:
            self._on_progress(self._settled, self._items)
        return noted.status

    def _measure(self) -> float:
        """Calls in a minute, from those of the last one."""
        now = asyncio.get_running_loop().time()
        while self._pace and self._pace[0][0] < now - PACE_SECONDS:
            self._pace.popleft()
        seconds = max(now - self._pace[0][0], NOTE_SECONDS) if self._pace else NOTE_SECONDS
        return sum(number for _, number in self._pace) * 60 / seconds
