"""`/media`: the library of files that messages carry. A file is the body itself; its name is in the query."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pydantic import Field

from bot.api.answers import ApiError, answer, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Items, MediaTold
from bot.media_files import LARGEST_BYTES, add_media, get_media, list_media, remove_media
from data.rules.messages import MediaType
from data.rules.problems import RuleModel

#: Twenty megabytes over a slow line; a body that takes longer holds memory for nothing.
UPLOAD_SECONDS = 120.0


class Upload(RuleModel):
    """`filename` is what customers see; without `kind` the bytes decide."""

    filename: str = Field(min_length=1, max_length=255)
    kind: MediaType | None = None


@described(Items[MediaTold])
async def list_files(api: Api, _request: web.Request) -> web.Response:
    return answer({"items": await api.db.read(list_media)})


@described(MediaTold)
async def get_file(api: Api, request: web.Request) -> web.Response:
    return answer(await api.db.read(get_media, request.match_info["sha256"]))


@described(dict[str, Any])
async def remove_file(api: Api, request: web.Request) -> web.Response:
    await api.db.write(remove_media, request.match_info["sha256"])
    return answer({})


@described(MediaTold, status=201, query=Upload, content="application/octet-stream")
async def add_file(api: Api, request: web.Request) -> web.Response:
    upload = read_query(Upload, request)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            content = await _read_body(request)
    except TimeoutError:
        raise ApiError(408, "too_slow", f"The file did not arrive within {UPLOAD_SECONDS:.0f} seconds.") from None
    return answer(await api.db.write(add_media, upload.filename, content, upload.kind, api.clock.now()), 201)


async def _read_body(request: web.Request) -> bytes:
    # Not request.read(): its limit is that of callbacks, which are small.
    content = bytearray()
    async for chunk in request.content.iter_any():
        content += chunk
        if len(content) > LARGEST_BYTES:
            raise ApiError(413, "too_large", f"WeCom takes no file of more than {LARGEST_BYTES:,} bytes.")
    return bytes(content)
