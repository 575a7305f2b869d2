"""Calls of batches that WeCom made nothing of: the run rests, or waits for a person, or goes on without this one."""

from __future__ import annotations

from datetime import datetime

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import CredentialsError, GoneError, InvalidMediaError, InvalidRequestError, WeComError
from data.models import PauseRule
from data.queries import batches as rows
from data.rules.batches import CALL_SECONDS, is_of_sender
from data.rules.markings import ends_all

log = get_logger("campaigns")

#: What may be a person's to mend is tried again so often before one is called.
DOUBTFUL_TRIES = 3


def is_refusal(error: WeComError) -> bool:
    """Whether WeCom will make nothing of this very call, however long one waits. What answers without a number of
    WeCom's stands between us and WeCom: that says nothing of the call."""
    if error.errcode is None or ends_all(error.errcode):
        return False
    return isinstance(error, GoneError | InvalidRequestError)


def is_refused_sender(error: WeComError) -> bool:
    """Whether it is for its one sender that WeCom makes nothing of a call: those of the others do not wait for that."""
    return is_of_sender(error.errcode)


def seconds_left(ctx: Context, called_at: datetime) -> float:
    """How long a call may take that was claimed then; 0: it is too late to begin it.

    A process that stood still since has lost its lease: others have taken its call for one that came to nothing.
    """
    return max(0.0, CALL_SECONDS - max(0.0, (ctx.clock.now() - called_at).total_seconds()))


STOOD_STILL = "The program stood still before it could be asked for."


async def put_back(ctx: Context, run_id: int, batch_id: int, called_at: datetime) -> None:
    """Let a batch wait again that was claimed and not asked for, if nobody else has taken it up meanwhile."""
    log.warning("batch_not_called", run=run_id, batch=batch_id)
    await ctx.db.write(rows.note_again, batch_id, called_at, STOOD_STILL, ctx.clock.now(), 0)


async def rest(
    ctx: Context, run_id: int, rests: int, batch_id: int, error: WeComError, called_at: datetime | None = None
) -> None:
    """Let a run that has rested so often rest for a while, or until a person has mended what keeps it from going on.

    `called_at`: WeCom was asked for the batch then.
    """
    # A token that ended twice in a row, or files that WeCom had dropped: that mends itself, or it does not.
    again = isinstance(error, CredentialsError | InvalidMediaError) and rests < DOUBTFUL_TRIES
    if not (error.retryable or again):
        await pause(ctx, run_id, batch_id, str(error), PauseRule.WECOM, called_at)
        return
    log.info("run_rests", run=run_id, cause=str(error))
    await ctx.db.write(rows.note_again, batch_id, called_at, str(error), ctx.clock.now(), error.after_seconds or 0)


async def pause(
    ctx: Context, run_id: int, batch_id: int, why: str, rule: PauseRule, called_at: datetime | None = None
) -> None:
    """Let a run wait for a person."""
    log.error("run_paused", run=run_id, rule=rule.value, cause=why)
    await ctx.db.write(rows.pause_run, batch_id, called_at, why, rule, ctx.clock.now())
