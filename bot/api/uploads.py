"""Files that are the body of a request."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from bot.api.answers import ApiError
from bot.table_files import FILE_BYTES_MAX

#: A large file over a slow line; a body that takes longer holds a connection for nothing.
UPLOAD_SECONDS = 120.0


@asynccontextmanager
async def received(request: web.Request) -> AsyncIterator[Path]:
    """The body as a file, which is gone afterwards. Raises ApiError 408 and 413."""
    # On disk: several uploads at once would hold hundreds of megabytes.
    with tempfile.TemporaryDirectory(prefix="siyu-upload-") as folder:
        file = Path(folder) / "file"
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                await _receive(request, file)
        except TimeoutError:
            raise ApiError(408, "too_slow", f"The file did not arrive within {UPLOAD_SECONDS:.0f} seconds.") from None
        yield file


async def _receive(request: web.Request, file: Path) -> None:
    count = 0
    with file.open("wb") as opened:
        async for chunk in request.content.iter_any():
            count += len(chunk)
            if count > FILE_BYTES_MAX:
                raise ApiError(413, "too_large", f"A file has at most {FILE_BYTES_MAX:,} bytes.", "Send several.")
            opened.write(chunk)
