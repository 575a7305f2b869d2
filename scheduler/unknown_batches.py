"""What the lookups of group-sends and of Moments posts have in common: complete lists, and what follows from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import BusyError
from data.models import Batch
from data.queries import batch_lookups as lookup_rows
from data.queries import batches as rows
from data.rules import batches as rules
from data.rules.batches import Verdict

log = get_logger("campaigns")


async def settle(
    ctx: Context, batch: Batch, verdict: Verdict, began: datetime, settle_seconds: float, *, making: bool = False
) -> None:
    """Do what a verdict says that rests on a list whose reading `began` then.

    Nothing is taken for absent before WeCom must have settled; while another call of ours is `making` something, what
    only may be this one is waited for.
    """
    assert batch.id is not None
    assert batch.called_at is not None
    now = ctx.clock.now()
    settled = (began - batch.called_at).total_seconds() >= settle_seconds
    if verdict.msgid:
        await ctx.db.write(lookup_rows.adopt, batch.id, verdict.msgid, now)
        log.info("batch_found", batch=batch.id)
    elif not settled or (verdict.candidates and making):
        await put_off(ctx, batch, batch.error)
    elif verdict.is_absent:
        await ctx.db.write(lookup_rows.ask_again, batch.id, now, absent=batch.called_at)
        log.info("batch_absent", batch=batch.id)
    else:
        why = "WeCom has made something that may be this one: a person decides."
        await ctx.db.write(lookup_rows.leave_to_person, batch.id, verdict.candidates, why)
        log.warning("batch_ambiguous", batch=batch.id, candidates=len(verdict.candidates))


async def leave_forgotten(ctx: Context, batch: Batch) -> bool:
    """Leave a batch to a person whose call WeCom's lists do not reach any more. False: they do."""
    called = batch.first_called_at
    if called is not None and ctx.clock.now() - called <= timedelta(seconds=rules.FORGOTTEN_SECONDS):
        return False
    why = "It was asked for so long ago that it cannot be looked up any more."
    await ctx.db.write(lookup_rows.leave_to_person, batch.id or 0, [], why)
    return True


async def put_off(ctx: Context, batch: Batch, error: str, after_seconds: float | None = None) -> None:
    """Look a batch up again later."""
    now = ctx.clock.now()
    pause = rules.look_pause((now - (batch.called_at or now)).total_seconds())
    await ctx.db.write(rows.put_off, batch.id or 0, now + timedelta(seconds=max(after_seconds or 0, pause)), error)


async def read_pages(ask: Callable[[str], Awaitable[Mapping[str, Any]]], name: str) -> AsyncIterator[Sequence[Any]]:
    """The rows of each page. Raises BusyError where the pages do not come to an end: the list is not complete."""
    cursor, seen = "", set[str]()
    while True:
        answer = await ask(cursor)
        yield answer.get(name) or ()
        cursor = str(answer.get("next_cursor") or "")
        if not cursor:
            return
        if cursor in seen:
            raise BusyError("WeCom's pages do not end.", "They are read again later.")
        seen.add(cursor)


async def read_all(ask: Callable[[str], Awaitable[Mapping[str, Any]]], name: str) -> list[Any]:
    """Every row over all pages. Raises BusyError as `read_pages`."""
    return [row async for page in read_pages(ask, name) for row in page]
