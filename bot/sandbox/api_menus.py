"""The menu of an app (WeCom doc 90231): what stands below its chat, and what a tap tells the app."""

from __future__ import annotations

from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint, Params
from bot.sandbox.errors import ApiError

BUTTONS, SUB_BUTTONS = 3, 5
NAME_BYTES, SUB_NAME_BYTES = 16, 40
KEY_BYTES, URL_BYTES = 128, 1024
#: Types that tell the app a key, and those that lead somewhere.
WITH_KEY = (
    "click", "scancode_push", "scancode_waitmsg", "pic_sysphoto", "pic_photo_or_album", "pic_weixin", "location_select",
)  # fmt: skip
TYPES = (*WITH_KEY, "view", "view_miniprogram")


async def create_menu(call: Call) -> Answer:
    _check_agent(call)
    buttons = call.params.objects("button")
    if not 1 <= len(buttons) <= BUTTONS:
        raise ApiError(40016)
    made = [_top(each) for each in buttons]
    call.app.menu = {"button": made}
    call.world.put_app(call.app)
    call.world.changes.note("app.changed", agentid=call.app.agentid)
    return {}


async def get_menu(call: Call) -> Answer:
    _check_agent(call)
    if not call.app.menu:
        raise ApiError(46003)
    return dict(call.app.menu)


async def delete_menu(call: Call) -> Answer:
    _check_agent(call)
    call.app.menu = {}
    call.world.put_app(call.app)
    call.world.changes.note("app.changed", agentid=call.app.agentid)
    return {}


def _check_agent(call: Call) -> None:
    # It stands in the address, beside the menu in the body.
    given = call.request.query.get("agentid", "")
    agentid = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
    if agentid is None:
        raise ApiError(41011)
    if agentid != call.app.agentid:
        raise ApiError(301002 if agentid in call.world.apps else 40056)


def _top(button: Params) -> dict[str, Any]:
    below = button.objects("sub_button")
    if not below:
        return _button(button, NAME_BYTES, (40017, 40018, 40019, 40020))
    if len(below) > SUB_BUTTONS:
        raise ApiError(40023)
    if any(each.objects("sub_button") for each in below):
        raise ApiError(40022)
    made = [_button(each, SUB_NAME_BYTES, (40024, 40025, 40026, 40027)) for each in below]
    return {"name": _name(button, NAME_BYTES, 40018), "sub_button": made}


def _button(button: Params, name_bytes: int, codes: tuple[int, int, int, int]) -> dict[str, Any]:
    """One that can be tapped; `codes` of what is wrong with its type, name, key and address."""
    kind = button.text("type")
    if kind not in TYPES:
        raise ApiError(codes[0])
    made: dict[str, Any] = {"type": kind, "name": _name(button, name_bytes, codes[1]), "sub_button": []}
    if kind in WITH_KEY:
        made["key"] = _bounded(button.text("key"), KEY_BYTES, codes[2])
    elif kind == "view":
        made["url"] = _bounded(button.text("url"), URL_BYTES, codes[3])
    else:
        made |= {name: _bounded(button.text(name), URL_BYTES, codes[3]) for name in ("pagepath", "appid")}
    return made


def _name(button: Params, most_bytes: int, code: int) -> str:
    return _bounded(button.text("name"), most_bytes, code)


def _bounded(text: str, most_bytes: int, code: int) -> str:
    if not text or len(text.encode()) > most_bytes:
        raise ApiError(code)
    return text


ENDPOINTS = (
    Endpoint("menu/create", "POST", create_menu),
    Endpoint("menu/get", "GET", get_menu),
    Endpoint("menu/delete", "GET", delete_menu),
)
