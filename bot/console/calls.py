"""How much of WeCom's call budgets is used, by all processes, and which APIs rest."""

from __future__ import annotations

from collections import defaultdict

from aiohttp import web

from bot.console.asks import Ask
from data.queries import budgets as rows

MINUTE, HOUR = 60, 3600


async def show(ask: Ask) -> web.Response:
    """Each API with its calls of the last minute and hour beside the budget."""
    used = await ask.db.read(rows.find_used, "", ask.now)
    sums: dict[str, dict[int, int]] = defaultdict(lambda: {MINUTE: 0, HOUR: 0})
    for path, seconds, buckets in used.counts:
        sums[path][seconds] = sums[path].get(seconds, 0) + sum(count for _, count in buckets)
    found = sorted(((path, by[MINUTE], by[HOUR]) for path, by in sums.items()), key=lambda each: -each[2])
    limits = ask.settings.wecom
    return ask.show(
        "calls", calls=found, pauses=used.pauses, minute=limits.calls_per_minute, hour=limits.calls_per_hour
    )
