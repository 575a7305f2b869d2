"""The codes and posters of many channels as one file, for whoever prints them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from sqlmodel import Session

from bot.channel_calls import fetch_images
from bot.channel_files import ROWS_MAX
from bot.channel_posters import Printed, read_backgrounds, read_codes, read_printed, write_zip
from bot.context import Context
from data.queries.channel_plans import PlanFilter

#: Pictures that are read at once.
CODES_AT_ONCE = 100
#: Bytes of the file that are sent in one go.
SENT_AT_ONCE = 1 << 16


@asynccontextmanager
async def zipped(ctx: Context, wanted: PlanFilter) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """How large `zip_codes`' file of some channels is, and its pieces, to be sent."""
    with tempfile.TemporaryFile(prefix="siyu-") as file:
        await zip_codes(ctx, wanted, file)
        size = file.seek(0, 2)
        file.seek(0)
        yield size, _pieces(file)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, SENT_AT_ONCE):
        yield piece


async def zip_codes(ctx: Context, wanted: PlanFilter, file: IO[bytes]) -> int:
    """Write the codes and posters of some channels; of how many. Pictures that are missing are fetched first."""

    def read(session: Session) -> tuple[list[Printed], dict[str, bytes]]:
        found = read_printed(session, wanted, ROWS_MAX)
        return found, read_backgrounds(session, found)

    found, backgrounds = await ctx.db.read(read)
    while await fetch_images(ctx):
        pass
    codes: dict[int, bytes] = {}
    for begin in range(0, len(found), CODES_AT_ONCE):
        codes |= await ctx.db.read(read_codes, [each.id for each in found[begin : begin + CODES_AT_ONCE]])
    return await asyncio.to_thread(write_zip, file, found, codes, backgrounds)
