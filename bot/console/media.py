"""The library of files that messages carry."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.pages import HEADERS
from bot.console.painting import N_
from bot.delivery import MEDIA_FRESH
from bot.media_files import (
    LARGEST_BYTES,
    MAX_BYTES,
    MEGABYTE,
    MIN_BYTES,
    InvalidMediaFileError,
    add_media,
    get_media,
    remove_media,
    sniffed,
)
from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.queries import media as rows
from data.queries.media_uses import list_uses
from data.rules.messages import MediaType

PATH = "/console/media"
ROWS = 48
#: What is sent besides the file.
UPLOAD_MAX_BYTES = LARGEST_BYTES + 100_000
KINDS: dict[MediaType, str] = {"image": N_("图片"), "video": N_("视频"), "file": N_("文件")}
FORMATS: dict[MediaType, str] = {
    "image": N_("JPG 或 PNG，最大 10 MB"), "video": N_("MP4，最大 10 MB"), "file": N_("任何格式，最大 20 MB")
}  # fmt: skip
#: Who uses a file: in words, and where that is shown.
USERS = {
    "welcome_rule": (N_("欢迎语"), "/console/welcome-rules/"),
    "group_welcome": (N_("入群欢迎语"), ""),
    "script": (N_("话术"), "/console/scripts/"),
    "campaign": (N_("群发计划"), "/console/campaigns/"),
    "journey": (N_("旅程"), "/console/journeys/"),
    "channel": (N_("渠道海报"), "/console/channels/"),
    "knowledge": (N_("知识库"), "/console/knowledge/"),
    "kf_rule": (N_("客服回复规则"), "/console/kf/rules/"),
}
ENDPOINTS = {"upload": N_("消息"), "upload_attachment/1": N_("朋友圈")}

_JPG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


async def show_list(ask: Ask) -> web.Response:
    """The newest files, a page at a time."""
    return await _list(ask)


async def upload(ask: Ask) -> web.Response:
    """A file was chosen."""
    field, kind = ask.form.get("file"), ask.text("kind", 10)
    if not isinstance(field, web.FileField) or not field.filename:
        return await _list(ask, 400, fault=ask._("请先选择一个文件。"))
    wanted = next((each for each in KINDS if each == kind), None)
    content = await asyncio.to_thread(field.file.read)
    if words := _fault(ask, content, wanted):
        return await _list(ask, 400, fault=f"{field.filename[:60]}{ask._('：')}{words}")
    name, made = field.filename, list[str]()

    def do(session: Session) -> None:
        made.append(add_media(session, name, content, wanted, ask.now)["media"])

    def look(session: Session) -> dict[str, Any] | None:
        return _look(made[0], session) if made else None

    try:
        await ask.change("media.add", f"media {name[:64]}", do, look)
    except ConflictError:
        return await _list(ask, 409, fault=ask._("素材库里已经有这个文件，是另一种类型。请直接用它。"))
    except InvalidMediaFileError as error:
        return await _list(ask, 400, fault=ask.told(error))
    return ask.go(PATH, "uploaded")


async def remove(ask: Ask) -> web.Response:
    """A file that nobody uses is no more."""
    sha256 = _key(ask)
    try:
        await ask.change(
            "media.remove", f"media {sha256[:12]}", partial(remove_media, sha256=sha256), partial(_look, sha256)
        )
    except ConflictError:
        return await _list(ask, 409, fault=ask._("这个文件正在被使用，不能删除。请先在使用它的地方换掉。"))
    return ask.go(PATH, "removed")


async def show_file(ask: Ask) -> web.Response:
    """A file itself: a picture or video to look at, anything else to keep. It never runs as a page of ours."""
    found = await ask.db.read(rows.find_media, _key(ask))
    if found is None:
        raise NotFoundError(Phrase("素材库里没有这个文件。"), Phrase("它可能已被删除。"))
    shown = type_of(found.kind, found.content)
    headers = {
        **HEADERS,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        # What has this address never changes; who may not see it any more has to ask again.
        "Cache-Control": "private, max-age=86400",
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(found.filename)}",
    }
    return web.Response(body=found.content, content_type=shown or "application/octet-stream", headers=headers)


def _key(ask: Ask) -> str:
    return ask.request.match_info["sha256"][:64]


def type_of(kind: str, content: bytes) -> str:
    """What a browser may show the file as; empty: nothing."""
    if kind == "image" and content.startswith(_JPG):
        return "image/jpeg"
    if kind == "image" and content.startswith(_PNG):
        return "image/png"
    return "video/mp4" if kind == "video" and content[4:8] == b"ftyp" else ""


def _fault(ask: Ask, content: bytes, wanted: MediaType | None) -> str:
    """Why WeCom would not take a file, in the reader's words; empty: it would."""
    is_a = sniffed(content)
    kind = wanted or is_a
    if len(content) <= MIN_BYTES:
        return ask._("这个文件是空的。")
    if kind not in ("file", is_a):
        return ask._(
            "不是%(kind)s（%(formats)s）。请转换格式，或者作为文件上传。",
            kind=ask._(KINDS[kind]),
            formats=ask._(FORMATS[kind]),
        )
    if len(content) > MAX_BYTES[kind]:
        size, most = f"{len(content) / MEGABYTE:.1f}", MAX_BYTES[kind] // MEGABYTE
        return ask._(
            "有 %(size)s MB，企业微信的%(kind)s最大 %(most)s MB。请压缩后再上传。",
            size=size,
            kind=ask._(KINDS[kind]),
            most=most,
        )
    return ""


def _look(sha256: str, session: Session) -> dict[str, Any] | None:
    try:
        found = get_media(session, sha256)
    except NotFoundError:
        return None
    return {name: found[name] for name in ("media", "kind", "filename", "size_bytes")}


async def _list(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    before = ask.request.query.get("before", "")[:64]

    def read(session: Session) -> Any:
        found = rows.list_page(session, ROWS + 1, before)
        return found, list_uses(session), rows.map_uploads(session, [each.sha256 for each in found])

    found, uses, uploads = await ask.db.read(read)
    older = found[ROWS - 1].sha256 if len(found) > ROWS else None
    return ask.show(
        "media", status, files=found[:ROWS], older=older, uses=uses, uploads=uploads, users=USERS, kinds=KINDS,
        formats=FORMATS, endpoints=ENDPOINTS, fresh=MEDIA_FRESH, fault=fault, size=_size,
    )  # fmt: skip


def _size(file: rows.MediaRow) -> str:
    size = file.size_bytes
    return f"{size / MEGABYTE:.1f} MB" if size >= MEGABYTE else f"{max(1, round(size / 1024))} KB"
