"""What may be sent to customers of WeChat customer service, checked as WeCom checks it (WeCom doc 94677)."""

from __future__ import annotations

import re
from typing import Any

from bot.sandbox.api_messages import cut
from bot.sandbox.attachments import limit_bytes, require
from bot.sandbox.calls import Call, Params
from bot.sandbox.errors import ApiError

MAX_MENU_ITEMS, MAX_MENU_CHOICES = 50, 10
_MSGID = re.compile(r"[0-9a-zA-Z_-]{1,32}")


def read_msgid(params: Params) -> str:
    """The msgid that the caller chose; "" for none. Raises ApiError 40058."""
    msgid = params.text("msgid")
    if msgid and not _MSGID.fullmatch(msgid):
        raise ApiError(40058, "msgid invalid: at most 32 of [0-9a-zA-Z_-]. invalid Request Parameter")
    return msgid


def read_message(call: Call, msgtypes: tuple[str, ...] = (), most_items: int = MAX_MENU_ITEMS) -> tuple[str, Any]:
    """(msgtype, content) of a call. Raises ApiError 40008 (unknown here), 40058, 40007, 95008, 95009, 95022."""
    msgtype = call.params.text("msgtype")
    reader = _READERS.get(msgtype)
    if reader is None or (msgtypes and msgtype not in msgtypes):
        raise ApiError(40008)
    body = call.params.object(msgtype)
    if not body:
        raise ApiError(40058, f"missing field {msgtype}. invalid Request Parameter")
    content = reader(call, body)
    if msgtype == "msgmenu" and len(content["list"]) > most_items:
        raise ApiError(95008)
    return msgtype, content


def _text(call: Call, body: Params) -> dict[str, Any]:
    content = body.text("content")
    require("text.content", content)
    limit_bytes("text.content", content, 2048)
    return {"content": content}


def _media(type_: str) -> Any:
    def read(call: Call, body: Params) -> dict[str, Any]:
        media_id = body.text("media_id")
        require(f"{type_}.media_id", media_id)
        call.world.media.usable(media_id, call.now, types=(type_,))
        return {"media_id": media_id}

    return read


def _thumb(call: Call, body: Params, where: str) -> str:
    media_id = body.text("thumb_media_id")
    require(f"{where}.thumb_media_id", media_id)
    call.world.media.usable(media_id, call.now, types=("image",))
    return media_id


def _link(call: Call, body: Params) -> dict[str, Any]:
    title, url = body.text("title"), body.text("url")
    require("link.title", title)
    require("link.url", url)
    limit_bytes("link.url", url, 2048)
    thumb = _thumb(call, body, "link")
    return {"title": cut(title, 128), "desc": cut(body.text("desc"), 512), "url": url, "thumb_media_id": thumb}


def _miniprogram(call: Call, body: Params) -> dict[str, Any]:
    made = {name: body.text(name) for name in ("appid", "title", "pagepath")}
    require("miniprogram.appid", made["appid"])
    require("miniprogram.pagepath", made["pagepath"])
    limit_bytes("miniprogram.title", made["title"], 64)
    if not made["pagepath"].partition("?")[0].endswith(".html"):
        raise ApiError(40058, "miniprogram.pagepath invalid: it ends in .html. invalid Request Parameter")
    return {**made, "thumb_media_id": _thumb(call, body, "miniprogram")}


def _location(call: Call, body: Params) -> dict[str, Any]:
    made: dict[str, Any] = {"name": body.text("name"), "address": body.text("address")}
    for name, most in (("latitude", 90), ("longitude", 180)):
        value = body.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
            raise ApiError(95022)
        made[name] = value
    return made


def _ca_link(call: Call, body: Params) -> dict[str, Any]:
    require("ca_link.link_url", body.text("link_url"))
    return {"link_url": body.text("link_url")}


def _menu(call: Call, body: Params) -> dict[str, Any]:
    head, tail = body.text("head_content"), body.text("tail_content")
    limit_bytes("msgmenu.head_content", head, 1024)
    limit_bytes("msgmenu.tail_content", tail, 1024)
    items = [_menu_item(item) for item in body.objects("list")]
    if len(items) > MAX_MENU_ITEMS or sum(item["type"] != "text" for item in items) > MAX_MENU_CHOICES:
        raise ApiError(95008)
    if not (head or tail or items):
        raise ApiError(40058, "msgmenu is empty. invalid Request Parameter")
    return {"head_content": head, "list": items, "tail_content": tail}


def _menu_item(item: Params) -> dict[str, Any]:
    type_ = item.text("type")
    fields = _MENU_FIELDS.get(type_)
    if fields is None:
        raise ApiError(95009)
    body = item.object(type_)
    made: dict[str, Any] = {}
    for name, most_bytes, needed in fields:
        value = body.text(name)
        if needed:
            require(f"msgmenu.list.{type_}.{name}", value)
        limit_bytes(f"msgmenu.list.{type_}.{name}", value, most_bytes)
        made[name] = value
    if type_ == "text":
        made["no_newline"] = body.number("no_newline", 0)
    return {"type": type_, type_: made}


#: Of each kind of menu item: (field, most bytes, needed).
_MENU_FIELDS: dict[str, tuple[tuple[str, int, bool], ...]] = {
    "click": (("id", 128, False), ("content", 128, True)),
    "view": (("url", 2048, True), ("content", 1024, True)),
    "miniprogram": (("appid", 32, True), ("pagepath", 1024, True), ("content", 1024, True)),
    "text": (("content", 256, True),),
}

_READERS: dict[str, Any] = {
    "text": _text,
    "image": _media("image"),
    "voice": _media("voice"),
    "video": _media("video"),
    "file": _media("file"),
    "link": _link,
    "miniprogram": _miniprogram,
    "msgmenu": _menu,
    "location": _location,
    "ca_link": _ca_link,
}
