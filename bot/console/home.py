"""The first page."""

from __future__ import annotations

from aiohttp import web

from bot.console.asks import Ask


async def show(ask: Ask) -> web.Response:
    """What needs somebody now."""
    return ask.show("home")
