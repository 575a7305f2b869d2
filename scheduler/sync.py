"""The sync: WeCom read whole, so that what missed callbacks broke is right again.

It goes stage by stage, and within a stage part by part (a staff member's customers, a group). What is finished is in
rows, so a sync that was killed goes on at the part it stopped at. One lease keeps two syncs from running together.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime, time
from typing import Any, TypeVar

from bot.context import Context
from bot.errors import SiyuError
from bot.logs import get_logger
from bot.refresh import read_group, refresh_customer, refresh_directory, refresh_tags
from bot.wecom.errors import CredentialsError, GoneError, InvalidRequestError, NotPermittedError, WeComError
from data.errors import ErasedError, StorageError
from data.models import SyncRun, SyncStage, SyncStatus
from data.queries import groups as group_rows
from data.queries import staff as staff_rows
from data.queries import sync_ends as end_rows
from data.queries import sync_pages as page_rows
from data.queries import sync_runs as run_rows
from data.rules.schedule import last_daily
from scheduler.leases import LeaseHeldError, alone
from scheduler.sync_pages import Pages

log = get_logger("sync")
T = TypeVar("T")

LEASE = "sync"
#: Parts that are read at the same time: at WeCom's usual 0.1 to 0.15 s an answer, enough to use a minute's budget.
CHAINS = 24
PAGE_ROWS = 100
OWNERS_PER_CALL = 100
#: A call waits for its budget as long as WeCom's longest usual pause, an hour, and then some.
CALL_SECONDS = 2 * 3600.0
#: WeCom away or busy: tried again after these pauses, then the run rests and is taken up by the next ring.
PAUSES_SECONDS = (1.0, 5.0, 15.0, 30.0)
#: A listing whose cursor WeCom takes no more is begun again, so often.
CURSOR_REFUSED = (50100, 60268)
RESTARTS = 3
#: What stands for the whole of a stage that has no parts.
WHOLE = "*"

#: Told after each part: the stage, its parts done and all of them, rows read so far.
OnProgress = Callable[[str, int, int, int], None]


class SyncBusyError(SiyuError):
    """Another process runs a sync."""


async def sync_when_due(ctx: Context) -> bool:
    """Begin the first sync or the nightly one, or go on with one that was asked for or interrupted.

    False: nothing is due.
    """
    run = await ctx.db.read(run_rows.find_open_run)
    if run is None:
        last = await ctx.db.read(run_rows.find_last_run)
        cause = await _find_cause(ctx, last)
        if cause is None:
            return False
        run = await ctx.db.write(run_rows.ask_after, last.id if last else None, cause, ctx.clock.now())
        if run is None:
            return False
    assert run.id is not None
    with contextlib.suppress(SyncBusyError):
        await Sync(ctx, gentle=True).run(run.id)
    return True


async def _find_cause(ctx: Context, last: SyncRun | None) -> str | None:
    """Why a sync is due now, after the last one; None: it is not."""
    settings = ctx.settings.sync
    if last is None:
        # With staff who have customers WeCom has accepted the secret, the address and the app's permission.
        followers = await ctx.db.read(staff_rows.list_followers) if settings.first else []
        return "first" if followers else None
    if not settings.at or last.asked_at >= last_daily(
        time.fromisoformat(settings.at), ctx.settings.zone, ctx.clock.now()
    ):
        return None
    return "nightly"


class Sync:
    """One process's work on a run. `gentle`: the process does other work too, which must not wait for this."""

    def __init__(
        self, ctx: Context, *, chains: int = CHAINS, gentle: bool = False, on_progress: OnProgress | None = None
    ) -> None:
        self.ctx = ctx
        self.wecom = ctx.wecom.within(CALL_SECONDS)
        self._chains = chains
        self._gentle = gentle
        self._on_progress = on_progress
        self._run_id = 0
        self._rows = 0

    async def run(self, run_id: int) -> SyncStatus:
        """Do what is left of a run. Raises SyncBusyError while another process runs a sync.

        An error that only a person can mend fails the run; any other leaves it open, to be resumed. Both are raised.
        """
        try:
            return await alone(self.ctx, LEASE, lambda: self._work(run_id))
        except LeaseHeldError as error:
            raise SyncBusyError("Another process runs a sync.", "Wait for it, or look: siyu sync log") from error

    async def _work(self, run_id: int) -> SyncStatus:
        db, clock = self.ctx.db, self.ctx.clock
        self._run_id = run_id
        run = await db.write(run_rows.begin_run, run_id, clock.now())
        if run.status != SyncStatus.RUNNING:
            return SyncStatus(run.status)
        stages: dict[SyncStage, Callable[[], Awaitable[None]]] = {
            SyncStage.DIRECTORY: self._read_directory,
            SyncStage.TAGS: self._read_tags,
            SyncStage.CUSTOMERS: self._read_customers,
            SyncStage.GROUPS: self._read_groups,
        }
        log.info("sync_started", run=run_id, resumed=bool(run.stages))
        try:
            for stage, read in stages.items():
                if stage.value not in run.stages:
                    await read()
                    await db.write(run_rows.end_stage, run_id, stage)
        except (CredentialsError, NotPermittedError) as error:
            await db.write(run_rows.end_run, run_id, SyncStatus.FAILED, str(error), clock.now())
            log.error("sync_failed", run=run_id, cause=str(error))
            raise
        except Exception as error:
            cause = str(error) if isinstance(error, SiyuError) else type(error).__name__
            log.warning("sync_interrupted", run=run_id, cause=cause)
            with contextlib.suppress(StorageError):
                await db.write(run_rows.note_error, run_id, cause)
            raise
        await db.write(run_rows.end_run, run_id, SyncStatus.DONE, "", clock.now())
        counts, problems = await db.read(run_rows.sum_report, run_id)
        log.info("sync_done", run=run_id, problems=len(problems), changes=sum(counts.values()))
        return SyncStatus.DONE

    # -- the small stages

    async def _read_directory(self) -> None:
        await self._begin(SyncStage.DIRECTORY, [WHOLE])
        change = await self._patiently(refresh_directory, self.ctx)
        counts = {f"staff_{name}": len(userids) for name, userids in asdict(change).items() if userids}
        await self._end_part(SyncStage.DIRECTORY, WHOLE, counts)

    async def _read_tags(self) -> None:
        await self._begin(SyncStage.TAGS, [WHOLE])
        read = await self._patiently(refresh_tags, self.ctx)
        counts = {f"tags_{name}": number for name, number in asdict(read.changes).items() if number}
        await self._end_part(SyncStage.TAGS, WHOLE, counts, rows=read.tags)

    # -- customers, one chain of pages per staff member

    async def _read_customers(self) -> None:
        followers = await self.ctx.db.read(staff_rows.list_followers)
        gone = await self.ctx.db.read(end_rows.list_members_out_of_sight)
        await self._begin(SyncStage.CUSTOMERS, [*followers, *gone])
        async with Pages(self.ctx, self._run_id, gentle=self._gentle) as self._pages:
            await self._each_part(SyncStage.CUSTOMERS, self._read_member, set(followers))

    async def _read_member(self, userid: str, followers: set[str]) -> None:
        """All customers of one member: its pages, then what they do not list any more."""
        asked_at = self.ctx.clock.now()
        seen: set[str] = set()
        if userid in followers:
            for restart in range(RESTARTS + 1):
                try:
                    await self._read_pages(userid, seen)
                    break
                except InvalidRequestError as error:
                    if error.errcode not in CURSOR_REFUSED or restart == RESTARTS:
                        raise
        ended = await self._end_unlisted(userid, seen, asked_at, listed=userid in followers)
        await self._end_part(SyncStage.CUSTOMERS, userid, {"follows_ended": ended} if ended else {}, rows=len(seen))

    async def _read_pages(self, userid: str, seen: set[str]) -> None:
        cursor, differs = "", False
        while True:
            asked_at = self.ctx.clock.now()
            try:
                answer = await self._patiently(self.wecom.external_contact.batch_get_by_user, userid, cursor, PAGE_ROWS)
            except GoneError:  # 84061: nobody, or no customer-contact feature
                return
            rows = answer.get("external_contact_list") or []
            page, problems = page_rows.read_page(userid, rows, asked_at)
            # A record that cannot be used is listed all the same.
            seen.update(row["external_contact"]["external_userid"] for row in rows if _has_id(row))
            differs = await self._pages.apply(userid, page, problems, differs=differs)
            self._rows += len(rows)
            following = str(answer.get("next_cursor") or "")
            if not following or following == cursor:
                return
            cursor = following

    async def _end_unlisted(self, userid: str, seen: set[str], asked_at: datetime, *, listed: bool) -> int:
        missing = set(await self.ctx.db.read(end_rows.list_present, userid, asked_at)) - seen
        if not missing:
            return 0
        if listed:
            # Pages may shift while they are read: the one list without pages decides.
            asked_at = self.ctx.clock.now()
            try:
                answer = await self._patiently(self.wecom.external_contact.list, userid)
            except GoneError:
                answer = {}
            there = missing & {str(each) for each in answer.get("external_userid") or ()}
            for external_userid in sorted(there):
                with contextlib.suppress(GoneError, ErasedError):
                    await self._patiently(refresh_customer, self.ctx, external_userid)
            missing -= there
        return await self.ctx.db.write(
            end_rows.end_unlisted, userid, sorted(missing), asked_at=asked_at, now=self.ctx.clock.now()
        )

    # -- groups

    async def _read_groups(self) -> None:
        followers = await self.ctx.db.read(staff_rows.list_followers)
        owners = sorted({*followers, *await self.ctx.db.read(group_rows.list_owners)})
        chat_ids = set(await self.ctx.db.read(group_rows.list_known))
        for start in range(0, len(owners), OWNERS_PER_CALL):
            some = owners[start : start + OWNERS_PER_CALL]
            rows = await self._patiently(self.wecom.external_contact_group_chat.list_all, 0, some)
            chat_ids |= {str(row["chat_id"]) for row in rows}
        await self._begin(SyncStage.GROUPS, chat_ids)
        await self._each_part(SyncStage.GROUPS, self._read_one_group, set())

    async def _read_one_group(self, chat_id: str, _: set[str]) -> None:
        changes = await self._patiently(read_group, self.ctx, chat_id)
        if changes is None:
            counts = {"groups_dismissed": 1}
        else:
            counts = {
                "groups_new": int(changes.new),
                "groups_changed": int(changes.changed and not changes.new),
                "group_members_changed": changes.joined,
                "group_members_left": changes.left,
                "kept": int(changes.kept),
            }
        self._rows += 1
        await self._end_part(SyncStage.GROUPS, chat_id, {name: count for name, count in counts.items() if count})

    # -- parts

    async def _begin(self, stage: SyncStage, keys: Sequence[str] | set[str]) -> None:
        await self.ctx.db.write(run_rows.add_parts, self._run_id, stage, list(keys))

    async def _each_part(
        self, stage: SyncStage, read: Callable[[str, set[str]], Awaitable[None]], given: set[str]
    ) -> None:
        """Read every open part, some at a time. The first error that is not of one part alone ends them all."""
        waiting = iter(await self.ctx.db.read(run_rows.list_open_parts, self._run_id, stage))
        progress = await self.ctx.db.read(run_rows.find_progress, self._run_id)
        done, self._rows = progress.parts_done, progress.rows

        async def chain() -> None:
            nonlocal done
            for key in waiting:
                try:
                    await read(key, given)
                except (CredentialsError, NotPermittedError):
                    raise
                except WeComError as error:
                    if error.retryable:
                        raise
                    await self._problem(stage, key, str(error))
                done += 1
                if self._on_progress is not None:
                    self._on_progress(stage.value, done, progress.parts, self._rows)

        chains = [asyncio.create_task(chain(), name=f"sync {stage.value}") for _ in range(self._chains)]
        try:
            await asyncio.gather(*chains)
        finally:
            for each in chains:
                each.cancel()
            await asyncio.gather(*chains, return_exceptions=True)

    async def _end_part(self, stage: SyncStage, key: str, changes: dict[str, int], rows: int | None = None) -> None:
        await self.ctx.db.write(
            run_rows.note_part, self._run_id, stage, key, changes=changes, rows=rows, done_at=self.ctx.clock.now()
        )

    async def _problem(self, stage: SyncStage, key: str, what: str) -> None:
        log.warning("sync_problem", stage=stage.value, cause=what)
        await self.ctx.db.write(
            run_rows.note_part, self._run_id, stage, key, problems=[what], done_at=self.ctx.clock.now()
        )

    async def _patiently(self, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """The result of `call(*args)`, tried again while WeCom is away or busy."""
        for pause in PAUSES_SECONDS:
            try:
                return await call(*args)
            except WeComError as error:
                if not error.retryable or isinstance(error, CredentialsError):
                    raise
                log.info("sync_waits", cause=str(error), pause_seconds=error.after_seconds or pause)
                await asyncio.sleep(error.after_seconds or pause)
        return await call(*args)


def _has_id(row: object) -> bool:
    try:
        return isinstance(row["external_contact"]["external_userid"], str)  # type: ignore[index]
    except (TypeError, LookupError):
        return False
