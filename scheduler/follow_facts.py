"""What follows and orders repeat of other tables, and by what they are found, is compared with those, and mended."""

from __future__ import annotations

from datetime import timedelta

from bot.context import Context
from bot.logs import get_logger
from data.queries import erasures
from data.queries import follow_facts as fact_rows
from data.queries import follow_words as word_rows
from data.queries import order_credits as credit_rows

log = get_logger("scheduler")

#: Follows compared in one unit of work.
COMPARED_ROWS = 1_000
#: Longer than from one night to the next.
ERASED_LATELY = timedelta(days=2)


async def mend_facts(ctx: Context) -> int:
    """Go through all follows and orders; how many were wrong.

    None should be: two who write at the same instant about a customer who is just being made can miss each other.
    """
    mended = await _mend_facts(ctx) + await _mend_words(ctx)
    if mended:
        log.warning("facts_mended", follows=mended)
    if miscredited := await _mend_credits(ctx):
        log.warning("facts_mended", orders=miscredited)
    erased_at = (await ctx.db.read(erasures.read_mark)).last_at
    if erased_at is not None and erased_at > ctx.clock.now() - ERASED_LATELY:
        more = await ctx.db.write(word_rows.forget_gone, first=True)
        while more:
            more = await ctx.db.write(word_rows.forget_gone, first=False)
    return mended + miscredited


async def _mend_facts(ctx: Context) -> int:
    mended = 0
    after_id: int | None = 0
    while after_id is not None:
        wrong, after_id = await ctx.db.read(fact_rows.list_wrong, after_id, COMPARED_ROWS)
        if wrong:
            await ctx.db.write(fact_rows.mend, wrong)
            mended += len(wrong)
    return mended


async def _mend_words(ctx: Context) -> int:
    mended = 0
    after_id: int | None = 0
    while after_id is not None:
        wrong, after_id = await ctx.db.read(word_rows.list_wrong, after_id, COMPARED_ROWS)
        if wrong:
            await ctx.db.write(word_rows.note_words, {each.external_userid for each in wrong})
            mended += len(wrong)
    return mended


async def _mend_credits(ctx: Context) -> int:
    mended = 0
    after_id: int | None = 0
    while after_id is not None:
        wrong, after_id = await ctx.db.read(credit_rows.list_wrong, after_id, COMPARED_ROWS)
        if wrong:
            await ctx.db.write(credit_rows.note_orders, wrong)
            mended += len(wrong)
    return mended
