"""Webhooks are sent: several at a time, repeated until they are taken, for a day.

A call waits in its row. A process that dies leaves its calls claimed; they are due again when the lease ends, and
whoever gets one twice knows it by its id.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.context import Context
from bot.logs import get_logger
from bot.webhooks import TIMEOUT_SECONDS, UnreachableError, WebhookCaller, WebhookError
from data.queries import webhooks as rows
from data.queries.webhook_targets import map_salts
from data.queries.webhooks import DueCall
from data.rules.webhooks import call_id, host_of, next_try, secret_of

log = get_logger("webhooks")

#: Calls that are claimed together, and how many of them go to one host at a time.
CLAIMED = 40
AT_ONCE = 4
#: Longer than the slowest host takes for all of them.
LEASE_SECONDS = CLAIMED / AT_ONCE * TIMEOUT_SECONDS + 60
#: A host that did not answer is not asked again for so long.
SILENCE = timedelta(minutes=1)


@dataclass(slots=True)
class _Run:
    """What is known in one run of the job, which may take long. `silent`: hosts that did not answer, until when they
    are not asked, and what was wrong."""

    ctx: Context
    caller: WebhookCaller
    salts: dict[int, str] = field(default_factory=dict)
    silent: dict[str, tuple[datetime, str]] = field(default_factory=dict)


async def send_webhooks(ctx: Context) -> int:
    """Send what is due; how many were taken."""
    if ctx.observes:
        return 0
    run: _Run | None = None
    taken = 0
    async with AsyncExitStack() as stack:
        while calls := await ctx.db.write(rows.claim_due, ctx.clock.now(), LEASE_SECONDS, CLAIMED):
            if run is None:
                settings = ctx.settings.journeys
                caller = WebhookCaller(
                    settings.webhook_secret.get_secret_value(), ctx.clock, private=settings.webhook_private
                )
                run = _Run(ctx, await stack.enter_async_context(caller))
            # Somebody may have made a webhook meanwhile, or another secret for one.
            run.salts = await ctx.db.read(map_salts)
            taken += await _send(run, calls)
    return taken


async def _send(run: _Run, calls: Sequence[DueCall]) -> int:
    limits: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    async def one(call: DueCall) -> bool:
        host = host_of(call.url)
        async with limits[host]:
            return await _send_one(run, host, call)

    return sum(await asyncio.gather(*map(one, calls)))


async def _send_one(run: _Run, host: str, call: DueCall) -> bool:
    ctx = run.ctx
    try:
        until, words = run.silent.get(host, (None, ""))
        if until is not None and ctx.clock.now() < until:
            raise WebhookError(words)
        secret = ctx.settings.journeys.webhook_secret.get_secret_value()
        if not secret:
            raise WebhookError("There is no secret to sign it with.", "Set journeys.webhook_secret.")
        if call.webhook_id is not None:
            secret = secret_of(secret, call.webhook_id, run.salts.get(call.webhook_id, ""))
        await run.caller.tell(call.url, call_id(call.id, call.made_at), call.body, secret)
    except WebhookError as error:
        if isinstance(error, UnreachableError):
            run.silent[host] = ctx.clock.now() + SILENCE, error.message
        await _note_failure(ctx, call, error)
        return False
    await ctx.db.write(rows.mark_taken, call, ctx.clock.now())
    ctx.metrics.webhooks.labels("taken").inc()
    return True


async def _note_failure(ctx: Context, call: DueCall, error: WebhookError) -> None:
    tries = call.attempts + 1
    next_at = next_try(call.made_at, tries, ctx.clock.now(), error.after_seconds, ctx.random.random())
    await ctx.db.write(rows.mark_failed, call, str(error), next_at)
    ctx.metrics.webhooks.labels("given_up" if next_at is None else "put_off").inc()
    if next_at is None:
        log.error("given_up", call=call.id, tries=tries, cause=str(error))
    else:
        log.warning("put_off", call=call.id, tries=tries, cause=str(error))
