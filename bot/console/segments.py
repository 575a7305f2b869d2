"""Segments: their fields, and how many they have while these are edited."""

from __future__ import annotations

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.segment_forms import PREFIX, Fields, read_fields
from data.queries import segments as rows
from data.queries.accounts import list_visible


async def show_fields(ask: Ask) -> web.Response:
    """The fields again, after one of the editor's buttons was pressed."""
    fields = await read_fields(ask, ask.text("prefix") or PREFIX)
    answer = ask.show("segment_part", fields=fields)
    answer.headers["HX-Trigger-After-Settle"] = "segment-changed"
    return answer


async def show_count(ask: Ask) -> web.Response:
    """How many customers and follows the segment has that stands in the form, as far as who asks may see them."""
    fields = await read_fields(ask, ask.text("prefix") or PREFIX)
    tree = fields.tree
    if tree is None:
        return ask.show("segment_count", fault=first_fault(fields), count=None)

    def count(session: Session) -> rows.Counted:
        return rows.count_both(session, tree, ask.now, ask.zone, list_visible(session, ask.account))

    async with ask.parts.turns.take(ask.reader.digest) as is_mine:
        if not is_mine:
            return web.Response(status=204)
        found = await ask.db.read(count)
    return ask.show("segment_count", fault="", count=found)


def first_fault(fields: Fields) -> str:
    """One of the things that are wrong with a segment, in words."""
    waiting = list(fields.rows)
    for row in waiting:
        waiting += row.rows
        for words in row.faults.values():
            return words
    return (fields.faults or [""])[0]
