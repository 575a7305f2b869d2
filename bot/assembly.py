"""The Context put together: for the running bot, and for commands that do a job of it."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bot import kept
from bot.clock import Clock
from bot.config import Settings
from bot.context import Context
from bot.metrics import Metrics
from bot.published import refresh
from bot.render import Renderer
from bot.shared_budgets import SharedBudgets, limits_of
from bot.shared_tokens import DatabaseTokenStore
from bot.wecom.client import WeComClient
from data.db import Database


async def open_context(
    stack: AsyncExitStack,
    settings: Settings,
    clock: Clock,
    db: Database,
    metrics: Metrics,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Context:
    """What handlers and jobs receive; `stack` closes its connections. `sleep` is kept between tries of a call."""
    limits = limits_of(settings, clock)
    wecom = WeComClient(
        settings.company.corpid,
        settings.app.secret.get_secret_value(),
        base_url=settings.wecom.api_base_url,
        clock=clock,
        token_store=DatabaseTokenStore(db),
        limits=limits,
        timeout_seconds=settings.wecom.timeout_seconds,
        max_connections=settings.wecom.max_connections,
        on_call=metrics.count_call,
        sleep=sleep,
    )
    await stack.enter_async_context(wecom)
    await stack.enter_async_context(SharedBudgets(db, limits, clock))
    renderer = Renderer()
    await refresh(db, renderer)
    context = Context(settings, clock, db, wecom, renderer, metrics, random.Random(secrets.randbits(64)))
    await kept.refresh(context)
    return context
