"""The tick of journeys: steps that are due are done, in the order of their instants, until nothing is due any more.

What became of a step, what it brings and where its customer stands then are written in one transaction, and only if
the customer still stands where they stood when it was decided: a crash, or a second process, does nothing twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.context import Context
from bot.journey_actions import passes_of
from bot.journey_books import Book
from bot.journey_edits import end_for_all
from bot.journey_steps import Judged, company_of, judge_due
from bot.logs import get_logger
from data.errors import StorageError
from data.queries import journey_dues as rows
from data.queries.enrolment_lists import list_half_stopped
from data.queries.journey_dues import Due
from data.queries.journey_marks import start_markings
from data.queries.journey_passes import write_passes
from data.queries.journey_waves import close_waves
from scheduler.journey_pauses import pause, why_of
from scheduler.leases import SHORT_LEASE_SECONDS, LeaseHeldError, alone

log = get_logger("journeys")

LEASE = "journeys"
#: Steps decided and written in one go: some tens of milliseconds of the database's writer.
CHUNK = 200


async def run_due_steps(ctx: Context) -> bool:
    """Do what is due. False: nothing was, or another process does it. In observe mode journeys stand still."""
    for journey_id in await ctx.db.read(list_half_stopped):
        # Whoever stopped it did not get to the end of it.
        await end_for_all(ctx, journey_id)
    if ctx.observes or not await ctx.db.read(rows.has_work, ctx.clock.now(), _opened_before(ctx)):
        return False
    with contextlib.suppress(LeaseHeldError):
        await alone(ctx, LEASE, lambda: _work_off(ctx), SHORT_LEASE_SECONDS)
    return True


def _opened_before(ctx: Context) -> datetime:
    """Broadcasts opened before this instant are sent."""
    return ctx.clock.now() - timedelta(minutes=ctx.settings.journeys.gather_minutes)


async def _work_off(ctx: Context) -> None:
    book, broken = Book(), set[int]()
    while due := await ctx.db.read(rows.list_due, ctx.clock.now(), CHUNK, broken):
        try:
            await _work_on(ctx, book, due)
        except StorageError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is found out whose it is
            # One journey with which something is wrong does not keep the others waiting.
            broken |= await _work_one_by_one(ctx, book, due)
    await ctx.db.write(close_waves, _opened_before(ctx), ctx.clock.now(), ctx.settings.approval.above)
    await ctx.db.write(start_markings, ctx.clock.now())


async def _work_on(ctx: Context, book: Book, due: Sequence[Due]) -> None:
    now = ctx.clock.now()
    company = company_of(ctx.settings, ctx.restore.at if ctx.restore else None)
    judged: list[Judged] = await ctx.db.read(judge_due, book, due, now, company)
    passes = await passes_of(ctx, judged)
    written = await ctx.db.write_many(write_passes, passes, book.journeys, now)
    log.debug(
        "steps_done", due=len(due), written=written.passes, tasks=written.tasks, broadcasts=written.broadcasts,
        ended=len(written.ended),
    )  # fmt: skip


async def _work_one_by_one(ctx: Context, book: Book, due: Sequence[Due]) -> set[int]:
    """The same for each journey alone; those with which something is wrong are paused, and say why."""
    broken = set[int]()
    for journey_id in dict.fromkeys(each.journey_id for each in due):
        try:
            await _work_on(ctx, book, [each for each in due if each.journey_id == journey_id])
        except StorageError:
            raise
        except Exception as error:
            log.exception("journey_failed", journey=journey_id)
            await ctx.db.write(pause, ctx, journey_id, why_of(error))
            broken.add(journey_id)
    return broken
