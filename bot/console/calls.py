"""How much of WeCom's call budgets is used, by all processes, and which APIs rest."""

from __future__ import annotations

from collections import defaultdict

from aiohttp import web

from bot.console.asks import Ask
from bot.wecom.codes import CODES
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
    refused = [(path, code, count, _meaning(ask, code)) for path, code, count in ask.ctx.metrics.list_refused_calls()]
    return ask.show(
        "calls",
        calls=found,
        refused=refused,
        pauses=used.pauses,
        minute=limits.calls_per_minute,
        hour=limits.calls_per_hour,
    )


def _meaning(ask: Ask, code: str) -> str:
    """What a code means, in English: WeCom's own page says it in Chinese."""
    known = CODES.get(int(code)) if code.removeprefix("-").isdecimal() else None
    return f"{known.meaning}. {known.remedy}" if known and ask.language == "en" else ""
