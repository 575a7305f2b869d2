"""The library of files that messages carry."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from bot.console.asks import Ask
from bot.console.pages import HEADERS
from data.errors import NotFoundError
from data.queries import media as rows

_JPG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


async def show_file(ask: Ask) -> web.Response:
    """A file itself: a picture or video to look at, anything else to keep. It never runs as a page of ours."""
    found = await ask.db.read(rows.find_media, ask.request.match_info["sha256"][:64])
    if found is None:
        raise NotFoundError("素材库里没有这个文件。", "它可能已被删除。")
    shown = _type_of(found.kind, found.content)
    headers = {
        **HEADERS,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        # What has this address never changes; who may not see it any more has to ask again.
        "Cache-Control": "private, max-age=86400",
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(found.filename)}",
    }
    return web.Response(body=found.content, content_type=shown or "application/octet-stream", headers=headers)


def _type_of(kind: str, content: bytes) -> str:
    """What a browser may show the file as; empty: nothing."""
    if kind == "image" and content.startswith(_JPG):
        return "image/jpeg"
    if kind == "image" and content.startswith(_PNG):
        return "image/png"
    return "video/mp4" if kind == "video" and content[4:8] == b"ftyp" else ""
