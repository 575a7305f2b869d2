"""Calls of batches that WeCom made nothing of: the run rests, or waits for a person, or goes on without this one."""

from __future__ import annotations

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import CredentialsError, GoneError, InvalidMediaError, InvalidRequestError, WeComError
from data.models import PauseRule
from data.queries import batches as rows
from data.rules.markings import ends_all

log = get_logger("campaigns")

#: What may be a person's to mend is tried again so often before one is called.
DOUBTFUL_TRIES = 3


def is_refusal(error: WeComError) -> bool:
    """Whether WeCom will make nothing of this very call, however long one waits."""
    return isinstance(error, GoneError | InvalidRequestError) and not ends_all(error.errcode)


async def rest(ctx: Context, run_id: int, rests: int, batch_id: int, error: WeComError) -> None:
    """Let a run that has rested so often rest for a while, or until a person has mended what keeps it from going on."""
    # A token that ended twice in a row, or files that WeCom had dropped: that mends itself, or it does not.
    again = isinstance(error, CredentialsError | InvalidMediaError) and rests < DOUBTFUL_TRIES
    if not (error.retryable or again):
        await pause(ctx, run_id, batch_id, str(error), PauseRule.WECOM)
        return
    log.info("run_rests", run=run_id, cause=str(error))
    await ctx.db.write(rows.note_again, batch_id, str(error), ctx.clock.now(), error.after_seconds or 0)


async def pause(ctx: Context, run_id: int, batch_id: int, why: str, rule: PauseRule) -> None:
    """Let a run wait for a person."""
    log.error("run_paused", run=run_id, rule=rule.value, cause=why)
    await ctx.db.write(rows.pause_run, batch_id, why, rule, ctx.clock.now())
