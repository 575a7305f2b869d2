"""Pages of a sync on their way into our rows: what waits is compared and written together.

A page of a hundred rows costs a dozen statements, and so do ten pages at once. While one unit of work runs the next
pages gather behind it, so that the units grow with the load and stay short.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlmodel import Session

from bot.context import Context
from data.models import SyncStage
from data.queries import follow_tags as mark_rows
from data.queries import sync_pages as page_rows
from data.queries import sync_runs as run_rows
from data.queries.sync_pages import Listed

#: A unit of this size takes some tens of milliseconds: nothing that waits for the database's writer waits for longer.
ROWS_PER_UNIT = 600
#: In a process that also answers callbacks: on PostgreSQL what makes a unit ready runs on its event loop.
ROWS_PER_GENTLE_UNIT = 120
#: Units at the same time: while the database works on one, the next is made ready.
WORKERS = 3
GENTLE_WORKERS = 2


@dataclass(slots=True)
class _Page:
    userid: str
    listed: Sequence[Listed]
    problems: Sequence[str]
    differs: bool
    done: asyncio.Future[bool]


class Pages:
    """Compares and writes pages for one run. `async with`: at its end nothing is under way."""

    def __init__(self, ctx: Context, run_id: int, *, gentle: bool) -> None:
        self._ctx = ctx
        self._rows_per_unit = ROWS_PER_GENTLE_UNIT if gentle else ROWS_PER_UNIT
        self._most_workers = GENTLE_WORKERS if gentle else WORKERS
        self._run_id = run_id
        self._waiting: deque[_Page] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        #: Numbers of tags that are committed; a number never changes.
        self._tag_nos: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def apply(self, userid: str, listed: Sequence[Listed], problems: Sequence[str], *, differs: bool) -> bool:
        """Write what a member's page changes; whether it changed anything.

        `differs`: the page before it did, so that this one probably does; else it is only read first.
        """
        page = _Page(userid, listed, problems, differs or bool(problems), asyncio.get_running_loop().create_future())
        self._waiting.append(page)
        if len(self._workers) < self._most_workers:
            worker = asyncio.create_task(self._work(), name="pages of sync")
            self._workers.add(worker)
        return await page.done

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._do_next()
        finally:
            # At once, not when the loop comes to it: a page that came in between would be left to nobody.
            self._workers.discard(asyncio.current_task())

    async def _do_next(self) -> None:
        pages: list[_Page] = []
        rows = 0
        while self._waiting and (not pages or rows + len(self._waiting[0].listed) <= self._rows_per_unit):
            pages.append(self._waiting.popleft())
            rows += len(pages[-1].listed)
        try:
            changed = await self._apply(pages)
        except asyncio.CancelledError:
            for page in pages:
                page.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is of those who wait for these pages
            for page in pages:
                if not page.done.done():
                    page.done.set_exception(error)
        else:
            for page in pages:
                if not page.done.done():
                    page.done.set_result(page.userid in changed)

    async def _apply(self, pages: Sequence[_Page]) -> set[str]:
        """The members for whom something was changed: each has one page here, for the next one waits for it."""
        db, now = self._ctx.db, self._ctx.clock.now()
        unknown = {tag_id for page in pages for each in page.listed for tag_id in each.tag_ids} - self._tag_nos.keys()
        if unknown:
            self._tag_nos |= await db.write(mark_rows.ensure_tags, unknown, now)
        unsure = [each for page in pages if not page.differs for each in page.listed]
        differing = await db.read(page_rows.list_differing, unsure, self._tag_nos, now) if unsure else set()
        pages = [page for page in pages if page.differs or page.userid in differing]
        if not pages:
            return set()
        return await db.write(self._write, pages)

    def _write(self, session: Session, pages: Sequence[_Page]) -> set[str]:
        listed = [each for page in pages for each in page.listed]
        changes = page_rows.apply_listed(session, listed, self._tag_nos, self._ctx.clock.now())
        counts = {userid: counted for userid, change in changes.items() if (counted := change.counts())}
        problems = {page.userid: page.problems for page in pages if page.problems}
        run_rows.note_changes(session, self._run_id, SyncStage.CUSTOMERS, counts, problems)
        return set(counts)
