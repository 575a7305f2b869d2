"""What follows repeat of other tables is compared with those, and mended."""

from __future__ import annotations

from bot.context import Context
from bot.logs import get_logger
from data.queries import follow_facts as fact_rows

log = get_logger("scheduler")

#: Follows compared in one unit of work.
COMPARED_ROWS = 1_000


async def mend_facts(ctx: Context) -> int:
    """Go through all follows; how many were wrong.

    None should be: two who write at the same instant about a customer who is just being made can miss each other.
    """
    mended = 0
    after_id: int | None = 0
    while after_id is not None:
        wrong, after_id = await ctx.db.read(fact_rows.list_wrong, after_id, COMPARED_ROWS)
        if wrong:
            await ctx.db.write(fact_rows.mend, wrong)
            mended += len(wrong)
    if mended:
        log.warning("facts_mended", follows=mended)
    return mended
