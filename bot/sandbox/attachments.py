"""What may be sent to customers: text and attachments, checked as WeCom checks them (WeCom doc 92137)."""

from __future__ import annotations

from typing import Any

from bot.sandbox.calls import Call, Params
from bot.sandbox.errors import ApiError

MAX_ATTACHMENTS = 9
MAX_TEXT_BYTES = 4000


def read_messages(call: Call, empty: int = 40058) -> list[tuple[str, dict[str, Any]]]:
    """The messages that text and attachments of a call become: (msgtype, content) each, in the order of arrival.

    Raises ApiError 40058 (shape, byte limits), 40007 (media), 41064 (too many), 41065 (unknown msgtype), and `empty`
    when there is neither text nor attachment.
    """
    params = call.params
    messages: list[tuple[str, dict[str, Any]]] = []
    content = params.object("text").text("content")
    if content:
        limit_bytes("text.content", content, MAX_TEXT_BYTES)
        messages.append(("text", {"content": content}))
    attachments = params.objects("attachments")
    if len(attachments) > MAX_ATTACHMENTS:
        raise ApiError(41064)
    for attachment in attachments:
        msgtype = attachment.text("msgtype")
        if not msgtype:
            raise ApiError(40058, "missing field msgtype")
        reader = _READERS.get(msgtype)
        if reader is None:
            raise ApiError(41065)
        if not attachment.object(msgtype):
            raise ApiError(40058, f"missing field {msgtype}")
        messages.append((msgtype, reader(call, attachment.object(msgtype))))
    if not messages:
        raise ApiError(empty, "text and attachments are both empty. invalid Request Parameter")
    return messages


def read_attachment(call: Call, msgtype: str, body: Params) -> dict[str, Any]:
    """One attachment of a known msgtype. Raises ApiError 40058, 40007."""
    return _READERS[msgtype](call, body)


def _image(call: Call, body: Params) -> dict[str, Any]:
    media_id, url = body.text("media_id"), body.text("pic_url")
    if media_id:
        call.world.media.usable(media_id, call.now, types=("image",))
        return {"media_id": media_id}
    if not url:
        raise ApiError(40058, "image.media_id and image.pic_url are both empty. invalid Request Parameter")
    if not call.world.media.is_permanent(url):
        raise ApiError(40058, "image.pic_url invalid: it is not a url of media/uploadimg")
    return {"pic_url": url}


def _link(call: Call, body: Params) -> dict[str, Any]:
    made = {name: body.text(name) for name in ("title", "picurl", "desc", "url")}
    for name in ("title", "url"):
        require(f"link.{name}", made[name])
    limit_bytes("link.title", made["title"], 128)
    limit_bytes("link.desc", made["desc"], 512)
    limit_bytes("link.url", made["url"], 2048)
    limit_bytes("link.picurl", made["picurl"], 2048)
    return made


def _miniprogram(call: Call, body: Params) -> dict[str, Any]:
    made = {name: body.text(name) for name in ("title", "pic_media_id", "appid", "page")}
    for name, value in made.items():
        require(f"miniprogram.{name}", value)
    limit_bytes("miniprogram.title", made["title"], 64)
    call.world.media.usable(made["pic_media_id"], call.now, types=("image",))
    return made


def _video(call: Call, body: Params) -> dict[str, Any]:
    return _media(call, body, "video")


def _file(call: Call, body: Params) -> dict[str, Any]:
    return _media(call, body, "file")


def _media(call: Call, body: Params, type_: str) -> dict[str, Any]:
    media_id = body.text("media_id")
    require(f"{type_}.media_id", media_id)
    call.world.media.usable(media_id, call.now, types=(type_,))
    return {"media_id": media_id}


def require(name: str, value: str) -> None:
    """Refuse an empty value. Raises ApiError 40058."""
    if not value:
        raise ApiError(40058, f"field {name} unexpected empty string. invalid Request Parameter")


def limit_bytes(name: str, value: str, most_bytes: int) -> None:
    """Refuse a value that is too long. Raises ApiError 40058."""
    if len(value.encode("utf-8", "replace")) > most_bytes:
        raise ApiError(40058, f"{name} exceed max length {most_bytes}. invalid Request Parameter")


_READERS = {"image": _image, "link": _link, "miniprogram": _miniprogram, "video": _video, "file": _file}
