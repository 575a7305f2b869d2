"""What is wrong with the set-up, and what to do about it: the same that `siyu check` says."""

from __future__ import annotations

from aiohttp import web

from bot.console.asks import Ask
from bot.doctor import Level, examine


async def show(ask: Ask) -> web.Response:
    """The page; what is found is asked for by it, for WeCom has to be asked."""
    return ask.show("check", findings=None, levels=Level)


async def show_findings(ask: Ask) -> web.Response:
    """What was found: a part of the page, or a page where there are no scripts."""
    found = [each async for each in examine(ask.settings, ask.ctx.clock)]
    order = (Level.FAIL, Level.WARN, Level.OK)
    found.sort(key=lambda each: order.index(each.level))
    return ask.show("check_findings" if ask.is_htmx else "check", findings=found, levels=Level)
