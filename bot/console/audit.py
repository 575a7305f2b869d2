"""The audit log: who changed what, with what it was before and after."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from bot.console.asks import Ask
from data.queries import audit as rows

ROWS = 50


async def show_list(ask: Ask) -> web.Response:
    """The latest changes, a page at a time."""
    what = ask.request.query.get("what", "")[:120]
    read = partial(rows.list_entries, limit=ROWS + 1, before_id=ask.asked_number("before"), what=what)
    entries = await ask.db.read(read)
    older = entries[ROWS - 1].id if len(entries) > ROWS else None
    return ask.show("audit", entries=entries[:ROWS], older=older, what=what)
