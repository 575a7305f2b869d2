"""Files: three days for a media_id, for ever for an uploadimg URL."""

from __future__ import annotations

import mimetypes
from urllib.parse import quote

from aiohttp import BodyPartReader, web

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError

MIB = 1024 * 1024
MAX_BYTES = {"image": 10 * MIB, "voice": 2 * MIB, "video": 10 * MIB, "file": 20 * MIB}
MIN_BYTES = 5
#: What an image begins with: JPEG, PNG.
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_GIF = (b"GIF87a", b"GIF89a")


async def upload(call: Call) -> Answer:
    type_ = call.params.text("type")
    if type_ not in MAX_BYTES:
        raise ApiError(40004)
    filename, content_type, data = await _receive(call, MAX_BYTES[type_], "media")
    _check(type_, data)
    media = call.world.media.add(type_, filename, content_type, data, call.world.now, "temporary")
    return {"errmsg": "", "type": type_, "media_id": media.media_id, "created_at": str(media.created_at)}


async def upload_image(call: Call) -> Answer:
    filename, content_type, data = await _receive(call, 2 * MIB, "")
    if not data.startswith((*_IMAGES, *_GIF)):
        raise ApiError(40009)
    media = call.world.media.add("image", filename, content_type, data, call.world.now, "image")
    return {"errmsg": "", "url": call.world.media.url_of(media)}


async def upload_attachment(call: Call) -> Answer:
    type_, purpose = call.params.text("media_type"), call.params.number("attachment_type", 0)
    if type_ not in ("image", "video", "file"):
        raise ApiError(40004)
    if purpose not in (1, 2):
        raise ApiError(41072)
    filename, content_type, data = await _receive(call, 10 * MIB, "media")
    _check(type_, data)
    name = "moments" if purpose == 1 else "album"
    media = call.world.media.add(type_, filename, content_type, data, call.world.now, name)
    return {"errmsg": "", "type": type_, "media_id": media.media_id, "created_at": media.created_at}


async def get_media(call: Call) -> Answer:
    media_id = call.params.text("media_id")
    if not media_id:
        raise ApiError(41006)
    media = call.world.media.usable(media_id, call.now)
    data = call.world.media.data(media_id) or b""
    headers = {
        "Content-Type": media.content_type,
        "Content-Disposition": f'attachment; filename="{quote(media.filename)}"',
    }
    start, stop = _range(call.request, len(data))
    if (start, stop) != (0, len(data)):
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        return web.Response(status=206, body=data[start:stop], headers=headers)
    return web.Response(body=data, headers=headers)


def _range(request: web.Request, size: int) -> tuple[int, int]:
    try:
        wanted = request.http_range
    except ValueError:
        return 0, size
    start, stop, _ = wanted.indices(size)
    return (start, stop) if start < stop else (0, size)


def _content_type(filename: str, data: bytes) -> str:
    """Told by the first bytes of a picture, else by the name: what the sender says is not to be trusted."""
    for start, content_type in ((b"\xff\xd8", "image/jpeg"), (b"\x89PNG", "image/png"), (b"GIF8", "image/gif")):
        if data.startswith(start):
            return content_type
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


def _check(type_: str, data: bytes) -> None:
    if type_ == "image" and not data.startswith(_IMAGES):
        raise ApiError(40009)
    if type_ == "voice" and not data.startswith((b"#!AMR", b"#!SILK", b"\x02#!SILK")):
        raise ApiError(40004)
    if type_ == "video" and data[4:8] != b"ftyp":
        raise ApiError(40004)


async def _receive(call: Call, most_bytes: int, field: str) -> tuple[str, str, bytes]:
    """(filename, content type, bytes) of the first file in the multipart body; `field`: its name, "" for any."""
    request = call.request
    if request.method != "POST" or not request.content_type.startswith("multipart/"):
        raise ApiError(44001)
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or (field and part.name != field):
                continue
            filename = part.filename or "file"
            data = bytearray()
            while chunk := await part.read_chunk(65_536):
                data += chunk
                if len(data) > most_bytes:
                    raise ApiError(45001)
            if len(data) <= MIN_BYTES:
                raise ApiError(44001 if not data else 40006)
            return filename, _content_type(filename, bytes(data)), bytes(data)
    except (ValueError, AssertionError):
        raise ApiError(44001) from None
    raise ApiError(44001)


ENDPOINTS = (
    Endpoint("media/upload", "POST", upload, multipart=True),
    Endpoint("media/uploadimg", "POST", upload_image, multipart=True),
    Endpoint("media/upload_attachment", "POST", upload_attachment, multipart=True),
    Endpoint("media/get", "GET", get_media),
)
