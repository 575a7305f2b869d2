"""Customers as a file for a spreadsheet, sent as it is read: memory does not grow with their number."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from bot.console.asks import Ask
from bot.console.customer_filters import Filter
from bot.console.customer_words import FOLLOW_STATUSES
from bot.console.pages import FRESH, HEADERS
from bot.console.painting import N_, moment
from data.queries import customer_pages as rows
from data.queries.segments import iterate

#: Rows that are read and written at a time.
PIECE = 500
COLUMNS = (
    N_("客户"), N_("备注"), "external_userid", N_("企业"), N_("同事"), "userid", N_("好友状态"), N_("标签"), N_("渠道"),
    N_("添加时间"), N_("最近触达"), N_("电话"),
)  # fmt: skip
#: A spreadsheet takes what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


async def send_csv(ask: Ask, found: Filter) -> web.StreamResponse:
    """All whom a filter finds."""
    answer = web.StreamResponse(
        headers={
            **HEADERS, **FRESH, "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="customers-{ask.now:%Y%m%d}.csv"',
        }
    )  # fmt: skip
    await answer.prepare(ask.request)
    # The mark by which Excel knows UTF-8.
    await answer.write("\ufeff".encode() + _lines([[ask._(each) for each in COLUMNS]]))
    async for ids in _pieces(ask, found):
        shown = await ask.db.read(rows.list_shown, ids)
        await answer.write(_lines(_row(ask, each) for each in shown))
    await answer.write_eof()
    return answer


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


def _row(ask: Ask, shown: rows.Shown) -> list[str]:
    return [
        shown.name, shown.remark, shown.external_userid, shown.corp_name, shown.staff_name, shown.userid,
        ask._(FOLLOW_STATUSES.get(shown.status, shown.status)), "、".join(shown.tags), shown.state,
        moment(shown.added_at, zone=ask.zone), moment(shown.touched_at, zone=ask.zone), "、".join(shown.remark_mobiles),
    ]  # fmt: skip


def _lines(written: Iterable[Sequence[Any]]) -> bytes:
    told = io.StringIO()
    writer = csv.writer(told)
    for row in written:
        writer.writerow([guarded(str(cell)) for cell in row])
    return told.getvalue().encode()


def guarded(cell: str) -> str:
    """What a spreadsheet shows as text and never computes."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
