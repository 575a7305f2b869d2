"""Days come, and begin journeys: birthdays, dates, silence, segments that customers have come to be in, the calendar.

All follows are gone through for each day in its turn, in pieces: read, then written with how far the scan is. What a
stop has interrupted goes on where it was; days that passed meanwhile are made up for in their order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Iterator, Sequence

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.errors import SiyuError
from bot.logs import get_logger
from data.errors import StorageError
from data.models import JourneyScan
from data.models.journey_scans import ScanKind
from data.queries import journey_scans as rows
from data.queries import journey_versions as version_rows
from data.queries.beginners import Version
from data.queries.journey_scans import DueLook, Piece
from data.queries.segments import Recipient
from data.rules.journey_days import CAUGHT_UP, Look, cause_of
from data.rules.journey_triggers import Entered
from data.rules.schedule import local_datetime
from data.rules.timings import Calendar
from scheduler.journey_pauses import NOT_UNDERSTOOD, pause, why_of
from scheduler.leases import SHORT_LEASE_SECONDS, LeaseHeldError, alone

log = get_logger("journeys")

LEASE = "journey_days"
#: Customers who begin a journey in one transaction, which takes some tens of milliseconds.
PIECE = 1000
#: Customers of a segment of whom it is asked in one go whether they still are.
SEEN_PIECE = 2000


async def follow_days(ctx: Context) -> int:
    """Look for whom days have begun journeys, until all is done; how many begin. 0 too where another process does."""
    if not await _has_work(ctx):
        return 0
    with contextlib.suppress(LeaseHeldError):
        return await alone(ctx, LEASE, lambda: _work_off(ctx), SHORT_LEASE_SECONDS)
    return 0


async def enrol_existing(ctx: Context, journey_id: int) -> int:
    """Begin a journey for everybody in its audience, now; how many begin.

    Raises NotFoundError, ConflictError where it does not run, and LeaseHeldError while another process is at it.
    """
    await ctx.db.write(rows.ask_existing, journey_id, ctx.clock.now())
    await alone(ctx, LEASE, lambda: _work_off(ctx), SHORT_LEASE_SECONDS)
    scan = await ctx.db.read(rows.find_scan, journey_id, ScanKind.EXISTING)
    return 0 if scan is None else scan.begun


async def _has_work(ctx: Context) -> bool:
    return bool(await ctx.db.read(rows.list_open)) or bool(await _list_due(ctx))


async def _list_due(ctx: Context) -> list[DueLook]:
    return await ctx.db.read(rows.list_due_looks, ctx.clock.now(), calendar_of(ctx.settings))


async def _work_off(ctx: Context) -> int:
    calendar, begun = calendar_of(ctx.settings), 0
    for journey_id in await ctx.db.write(rows.skip_old, ctx.clock.now() - CAUGHT_UP):
        log.warning("days_skipped", journey=journey_id)
    stuck: set[tuple[int, str]] = set()
    while True:
        scans = [each for each in await ctx.db.read(rows.list_open) if (each.journey_id, each.kind) not in stuck]
        due = [each for each in await _list_due(ctx) if (each.version.journey_id, ScanKind.DAY.value) not in stuck]
        if scans:
            work, key = _go_through(ctx, scans[0], calendar), (scans[0].journey_id, scans[0].kind)
        elif due:
            work, key = _begin_look(ctx, due[0], calendar), (due[0].version.journey_id, ScanKind.DAY.value)
        else:
            return begun
        found = await _unless_broken(ctx, key[0], work)
        if found is None:
            stuck.add(key)
        begun += found or 0


async def _unless_broken(ctx: Context, journey_id: int, work: Awaitable[int | None]) -> int | None:
    """Do some work for a journey; with which something is wrong that stands still, and keeps no other waiting."""
    try:
        return await work
    except StorageError:
        raise
    except (SiyuError, ValueError) as error:
        # No day is left for its first step (a year of holidays), or what it says cannot be asked.
        log.warning("journey_failed", journey=journey_id)
        await ctx.db.write(pause, ctx, journey_id, why_of(error))
        return None


async def _begin_look(ctx: Context, due: DueLook, calendar: Calendar) -> int:
    journey_id, version, journey = due.version
    if isinstance(journey.trigger, Entered):
        await _forget_gone(ctx, journey_id, journey.trigger, calendar)
    await ctx.db.write(rows.begin_look, journey_id, version, due.look, only_seen=due.only_seen)
    return 0


async def _forget_gone(ctx: Context, journey_id: int, trigger: Entered, calendar: Calendar) -> None:
    """Who has left the segment may come to be in it once more."""
    after, now = "", ctx.clock.now()
    while some := await ctx.db.read(rows.list_seen, journey_id, after, SEEN_PIECE):
        gone = await ctx.db.read(rows.list_gone, some, trigger.segment, now, calendar)
        await ctx.db.write(rows.forget_seen, journey_id, gone)
        after = some[-1]


async def _go_through(ctx: Context, scan: JourneyScan, calendar: Calendar) -> int | None:
    """Go through the follows that a scan has not looked at; how many begin. None: it cannot go on."""
    now, key = ctx.clock.now(), (scan.journey_id, scan.version)
    journey = (await ctx.db.read(version_rows.read_versions, {key})).get(key)
    if journey is None:
        await ctx.db.write(pause, ctx, scan.journey_id, NOT_UNDERSTOOD)
        return None
    version = Version(*key, journey)
    look = Look(scan.at, local_datetime(scan.at, calendar.zone).date())
    is_day = scan.kind == ScanKind.DAY
    cause = cause_of(version.journey.trigger, look, calendar) if is_day else ScanKind.EXISTING.value
    search = await ctx.db.read(rows.prepare_search, scan, version.journey, look, now, calendar)
    after, total = scan.after_id, 0
    while True:
        found, upto = await ctx.db.read(rows.read_scan_part, search, after, scan.until_id)
        for piece in _pieces(found, after, upto):
            begun = await ctx.db.write_many(rows.begin_piece, scan, version, piece, cause, ctx.clock.now(), calendar)
            if begun is None:
                return None
            total += begun
        after = upto
        if after >= scan.until_id:
            break
    log.info("scanned", journey=scan.journey_id, kind=scan.kind, begun=total)
    return total


def _pieces(found: Sequence[Recipient], after: int, upto: int) -> Iterator[Piece]:
    """The same in pieces of a bounded number of customers; the last one reaches as far as was looked."""
    for start in range(0, max(len(found), 1), PIECE):
        some = found[start : start + PIECE]
        is_last = start + PIECE >= len(found)
        end = upto if is_last else some[-1].follow_id
        yield Piece(after, end, some)
        after = end
