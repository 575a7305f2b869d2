"""Customers as a file for a spreadsheet, sent as it is read: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import tzinfo
from functools import partial

from aiohttp import web

from bot.console.asks import Ask
from bot.console.customer_filters import Filter
from bot.console.customer_words import FOLLOW_STATUSES
from bot.console.painting import N_, moment
from bot.console.sheets import send_pieces
from data.queries import customer_pages as rows
from data.queries.segments import iterate

#: Rows that are read and written at a time.
PIECE = 500
COLUMNS = (
    N_("客户"), N_("备注"), "external_userid", N_("企业"), N_("同事"), "userid", N_("好友状态"), N_("标签"), N_("渠道"),
    N_("添加时间"), N_("最近触达"), N_("电话"),
)  # fmt: skip


async def send_customers(ask: Ask, found: Filter) -> web.StreamResponse:
    """All whom a filter finds."""
    head = [ask._(each) for each in COLUMNS]
    return await send_pieces(ask, f"customers-{ask.now:%Y%m%d}", head, _rows(ask, found))


async def _rows(ask: Ask, found: Filter) -> AsyncIterator[Iterable[list[str]]]:
    row = partial(_row, ask.zone, ask._("、"), {key: ask._(text) for key, text in FOLLOW_STATUSES.items()})
    async for ids in _pieces(ask, found):
        # Made where they are written, which is not on the event loop.
        yield map(row, await ask.db.read(rows.list_shown, ids))


async def _pieces(ask: Ask, found: Filter) -> AsyncIterator[Sequence[int]]:
    if found.found is not None:
        read = partial(rows.list_page, limit=len(found.found) + 1, **found.asked)
        ids = [each.follow_id for each in await ask.db.read(read, found.tree, ask.now, ask.zone)]
        for start in range(0, len(ids), PIECE):
            yield ids[start : start + PIECE]
        return
    async for part in iterate(ask.db, found.narrowed, ask.now, ask.zone):
        for start in range(0, len(part), PIECE):
            yield [each.follow_id for each in part[start : start + PIECE]]


def _row(zone: tzinfo, between: str, statuses: Mapping[str, str], shown: rows.Shown) -> list[str]:
    return [
        shown.name, shown.remark, shown.external_userid, shown.corp_name, shown.staff_name, shown.userid,
        statuses.get(shown.status, shown.status), between.join(shown.tags), shown.state,
        moment(shown.added_at, zone=zone), moment(shown.touched_at, zone=zone), between.join(shown.remark_mobiles),
    ]  # fmt: skip
