"""The last lines of the log of the process that answers, without anybody's data."""

from __future__ import annotations

from aiohttp import web

from bot.console.asks import Ask
from bot.console.painting import N_
from bot.logs import KEPT_LINES, RECENT, process_name

LEVELS = {"info": N_("全部"), "warning": N_("警告和错误"), "error": N_("只看错误")}
#: Lines on a page.
SHOWN = 200


async def show(ask: Ask) -> web.Response:
    """The newest first."""
    level = ask.request.query.get("level", "")
    level = level if level in LEVELS else "info"
    lines = RECENT.list_lines("debug" if level == "info" else level)
    return ask.show(
        "log", lines=lines[:SHOWN], level=level, levels=LEVELS, process=process_name(), kept=KEPT_LINES,
        least=RECENT.least or ask.settings.logs.level,
    )  # fmt: skip
