"""Work that one process at a time may do, on any number of replicas: a lease that is kept while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.context import Context
from bot.errors import SiyuError
from bot.logs import get_logger
from data.errors import StorageError
from data.queries import access as access_rows

log = get_logger("scheduler")
T = TypeVar("T")

#: Longer than a call of WeCom's may take: who lost the lease has none under way when another begins.
LEASE_SECONDS = 60.0
#: For work that asks WeCom nothing: two who are at it at once do nothing twice, so another may take over soon.
SHORT_LEASE_SECONDS = 12.0


class LeaseHeldError(SiyuError):
    """Another process does this work."""


async def alone(ctx: Context, name: str, work: Callable[[], Awaitable[T]], lease_seconds: float = LEASE_SECONDS) -> T:
    """Do `work` under the lease `name`. Raises LeaseHeldError while another holds it, and when it is lost to one.

    Who dies is replaced after `lease_seconds`.
    """
    holder = secrets.token_hex(8)

    async def take() -> bool:
        now = ctx.clock.now()
        return await ctx.db.write(access_rows.take_lease, name, holder, lease_seconds, now) is not None

    async def keep() -> None:
        while True:
            await asyncio.sleep(lease_seconds / 4)
            # Away for a moment: the next try is well inside the lease.
            with contextlib.suppress(StorageError):
                if not await take():
                    log.error("lease_lost", lease=name)
                    working.cancel()

    async def do() -> T:
        return await work()

    if not await take():
        raise LeaseHeldError(f"Another process is at work on this ({name}).", "Wait for it.")
    working = asyncio.create_task(do(), name=name)
    keeper = asyncio.create_task(keep(), name=f"lease of {name}")
    try:
        await asyncio.wait([working])
    finally:
        for task in (keeper, working):
            task.cancel()
        await asyncio.gather(keeper, working, return_exceptions=True)
        with contextlib.suppress(StorageError):
            await ctx.db.write(access_rows.release_leases, holder, ctx.clock.now())
    if working.cancelled():
        raise LeaseHeldError(f"The lease {name} was lost to another process.", "It goes on there.")
    return working.result()
