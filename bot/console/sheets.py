"""Tables as files for a spreadsheet, CSV or XLSX as who asks has chosen, sent as they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from aiohttp import web

from bot.console.asks import Ask
from bot.console.pages import FRESH, HEADERS
from bot.logs import get_logger
from bot.spreadsheets import WRITERS, Cells, CsvWriter, SheetWriter

log = get_logger("console")


async def send_pieces(ask: Ask, name: str, head: Cells, pieces: AsyncIterator[Iterable[Cells]]) -> web.StreamResponse:
    """Rows as they come. The form, or the address, says with `as` whether it is to be `csv` or `xlsx`."""
    wanted = ask.text("as", 10) or ask.request.query.get("as", "")
    writer: SheetWriter = WRITERS.get(wanted, CsvWriter)(head)
    answer = web.StreamResponse(
        headers={
            **HEADERS, **FRESH, "Content-Type": writer.content_type,
            "Content-Disposition": f'attachment; filename="{name}.{writer.ending}"',
        }
    )  # fmt: skip
    await answer.prepare(ask.request)
    try:
        async for piece in pieces:
            await answer.write(await asyncio.to_thread(writer.write, piece))
        await answer.write(await asyncio.to_thread(writer.end))
        await answer.write_eof()
    except ConnectionError:
        pass  # Whoever asked has gone.
    except Exception:
        # It has begun already: a file that breaks off must not look like a whole one.
        log.exception("failed", path=ask.request.path)
        if ask.request.transport is not None:
            ask.request.transport.abort()
    return answer


async def send_rows(ask: Ask, name: str, head: Cells, rows: Sequence[Cells]) -> web.StreamResponse:
    """A table that is in memory."""

    async def pieces() -> AsyncIterator[Iterable[Cells]]:
        yield rows

    return await send_pieces(ask, name, head, pieces())
