"""Welcomes of customer groups (WeCom doc 92366). The API only fills the stock: owners choose from it by hand."""

from __future__ import annotations

from typing import Any

from bot.sandbox.attachments import limit_bytes, read_attachment
from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError
from bot.sandbox.group_welcomes import GroupWelcome

MAX_WELCOMES = 100
MAX_TEXT_BYTES = 3000
#: Of several attachments the first of these counts.
KINDS = ("image", "link", "miniprogram", "file", "video")


async def add(call: Call) -> Answer:
    welcomes = call.world.group_welcomes
    content, notify = _read(call), call.params.flag("notify", True)
    if len(welcomes) >= MAX_WELCOMES:
        raise ApiError(41055)
    welcome = GroupWelcome(welcomes.new_id(), call.app.agentid, notify, content)
    welcomes.put(welcome)
    call.world.changes.note("group_welcomes.changed")
    return {"template_id": welcome.template_id}


async def edit(call: Call) -> Answer:
    welcome = _own(call)
    welcome.content = _read(call)
    call.world.group_welcomes.put(welcome)
    call.world.changes.note("group_welcomes.changed")
    return {}


async def get(call: Call) -> Answer:
    return {msgtype: _shown(msgtype, content) for msgtype, content in _find(call).content}


async def delete(call: Call) -> Answer:
    call.world.group_welcomes.delete(_own(call).template_id)
    call.world.changes.note("group_welcomes.changed")
    return {}


def _read(call: Call) -> list[tuple[str, dict[str, Any]]]:
    """Text and attachment. Raises ApiError 40058, 40007."""
    found: list[tuple[str, dict[str, Any]]] = []
    text = call.params.object("text").text("content")
    if text:
        limit_bytes("text.content", text, MAX_TEXT_BYTES)
        found.append(("text", {"content": text}))
    kind = next((kind for kind in KINDS if call.params.object(kind)), None)
    if kind is not None:
        found.append((kind, read_attachment(call, kind, call.params.object(kind))))
    if not found:
        raise ApiError(40058, "text and attachment are both empty. invalid Request Parameter")
    return found


def _find(call: Call) -> GroupWelcome:
    welcome = call.world.group_welcomes.find(call.params.text("template_id"))
    if welcome is None:
        raise ApiError(40037)
    return welcome


def _own(call: Call) -> GroupWelcome:
    welcome = _find(call)
    if welcome.agentid != call.app.agentid:
        raise ApiError(41058)
    return welcome


def _shown(msgtype: str, content: dict[str, Any]) -> dict[str, Any]:
    if msgtype == "image" and "media_id" in content:
        return {"pic_url": f"https://wework.qpic.cn/wwpic/{content['media_id']}/0"}
    return content


ENDPOINTS = tuple(
    Endpoint(f"externalcontact/group_welcome_template/{name}", "POST", handler, customer_contact=True)
    for name, handler in (("add", add), ("edit", edit), ("get", get), ("del", delete))
)
