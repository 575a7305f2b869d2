"""What WeCom's client does for a page in it (JS-SDK): checks its signature, then tells it beside whose chat it is and
puts its messages there. The stand-in script asks the phone page, and the phone page asks here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import Field

from bot.sandbox.api_apps import TICKET_SECONDS
from bot.sandbox.control import Body, Route, refuse_strangers
from bot.sandbox.errors import ApiError, WorldError
from bot.sandbox.machine import Machine
from bot.sandbox.records import App

#: From where a page was opened in WeCom.
Entry = Literal["single_chat_tools", "group_chat_tools", "contact_profile", "normal"]
BESIDE_CUSTOMER = ("single_chat_tools", "contact_profile")
#: Pages that are remembered as signed; of more the oldest have to be signed again.
SIGNED_MAX = 1_000
TEXT_MAX_BYTES = 4_000


class AskedOfClient(Body):
    """A page asks WeCom's client for something. `entry`: from where it was opened, as beside a customer's chat or a
    group's; `url`: its address; `name`: of the JSAPI."""

    userid: str
    entry: Entry
    external_userid: str = ""
    chat_id: str = ""
    url: str = Field(max_length=4096)
    name: str = Field(max_length=64)
    params: dict[str, Any] = Field(default_factory=dict)


class RefusedError(Exception):
    """What the client says instead."""


def ask_client(machine: Machine, body: AskedOfClient) -> dict[str, Any]:
    """What the client answers: `errMsg`, `errCode` (0: ok), and what was asked for."""
    machine.world.directory.get(body.userid)
    try:
        if body.name == "agentConfig":
            told = _configure(machine, body)
        else:
            allowed = machine.signed_pages.get((body.userid, body.url))
            if allowed is None or body.name not in allowed or body.name not in _APIS:
                raise RefusedError("no permission")
            told = _APIS[body.name](machine, body)
    except RefusedError as refused:
        return {"errMsg": f"{body.name}:fail {refused}", "errCode": -1}
    except (WorldError, ApiError) as error:
        words = error.message if isinstance(error, WorldError) else error.text
        return {"errMsg": f"{body.name}:fail {words}", "errCode": -1}
    return {"errMsg": f"{body.name}:ok", "errCode": 0, **told}


def _configure(machine: Machine, body: AskedOfClient) -> dict[str, Any]:
    """The page has to be signed with the ticket of the app that it says it is, for the address that it has."""
    params, app = body.params, _app(machine, body.params)
    if app.redirect_domain and urlsplit(body.url).netloc != app.redirect_domain:
        raise RefusedError("invalid url domain")
    ticket, _ = machine.logins.ticket(f"agent:{app.agentid}", machine.world.clock.timestamp(), TICKET_SECONDS)
    if params.get("signature") != signature(ticket, params, body.url.partition("#")[0]):
        raise RefusedError("invalid signature")
    if not machine.world.directory.in_range(app, machine.world.directory.get(body.userid)):
        raise RefusedError("user not in allow list")
    names = params.get("jsApiList")
    machine.signed_pages.pop((body.userid, body.url), None)
    machine.signed_pages[body.userid, body.url] = frozenset(map(str, names)) if isinstance(names, list) else frozenset()
    while len(machine.signed_pages) > SIGNED_MAX:
        del machine.signed_pages[next(iter(machine.signed_pages))]
    return {}


def _app(machine: Machine, params: Mapping[str, Any]) -> App:
    app = next((each for each in machine.world.apps.values() if str(each.agentid) == str(params.get("agentid"))), None)
    if app is None or params.get("corpid") != machine.world.company.corpid:
        raise RefusedError("invalid corpid or agentid")
    return app


def signature(ticket: str, params: Mapping[str, Any], url: str) -> str:
    """What a page is signed with (WeCom doc 90506)."""
    signed = f"jsapi_ticket={ticket}&noncestr={params.get('nonceStr')}&timestamp={params.get('timestamp')}&url={url}"
    return hashlib.sha1(signed.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def _context(_machine: Machine, body: AskedOfClient) -> dict[str, Any]:
    return {"entry": body.entry}


def _contact(_machine: Machine, body: AskedOfClient) -> dict[str, Any]:
    if body.entry not in BESIDE_CUSTOMER or not body.external_userid:
        raise RefusedError("without context of external contact")
    return {"userId": body.external_userid}


def _chat(_machine: Machine, body: AskedOfClient) -> dict[str, Any]:
    if body.entry != "group_chat_tools" or not body.chat_id:
        raise RefusedError("without context of external contact")
    return {"chatId": body.chat_id}


def _send(machine: Machine, body: AskedOfClient) -> dict[str, Any]:
    if body.entry != "single_chat_tools" or not body.external_userid:
        raise RefusedError("without context of external contact")
    msgtype = str(body.params.get("msgtype"))
    part = body.params.get(msgtype)
    if not isinstance(part, dict) or msgtype not in _MESSAGES:
        raise RefusedError("invalid msgtype")
    kind, content = _MESSAGES[msgtype](machine, part)
    machine.people.send(body.userid, body.external_userid, kind, content)
    return {}


def _text(_machine: Machine, part: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    words = part.get("content")
    if not isinstance(words, str) or not words.strip() or len(words.encode("utf-8", "replace")) > TEXT_MAX_BYTES:
        raise RefusedError("invalid text")
    return "text", {"content": words}


def _news(_machine: Machine, part: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    link, title, desc, picture = (str(part.get(name) or "") for name in ("link", "title", "desc", "imgUrl"))
    if urlsplit(link).scheme not in ("http", "https"):
        raise RefusedError("invalid link")
    return "link", {"title": title, "desc": desc, "url": link, "picurl": picture}


def _miniprogram(_machine: Machine, part: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """WeCom doc 93863: the picture is an address, and WeChat finds no page without `.html`."""
    appid, title, picture, page = (str(part.get(name) or "") for name in ("appid", "title", "imgUrl", "page"))
    if urlsplit(picture).scheme not in ("http", "https"):
        raise RefusedError("invalid imgUrl")
    if not appid or not title or not page.partition("?")[0].endswith(".html"):
        raise RefusedError("invalid miniprogram")
    return "miniprogram", {"appid": appid, "title": title, "page": page, "picurl": picture}


def _media(kind: str) -> Callable[[Machine, Mapping[str, Any]], tuple[str, dict[str, Any]]]:
    def read(machine: Machine, part: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        media_id = str(part.get("mediaid") or "")
        machine.world.media.usable(media_id, machine.world.clock.timestamp(), types=(kind,))
        return kind, {"media_id": media_id}

    return read


_MESSAGES: Mapping[str, Callable[[Machine, Mapping[str, Any]], tuple[str, dict[str, Any]]]] = {
    "text": _text, "news": _news, "miniprogram": _miniprogram, "image": _media("image"), "video": _media("video"),
    "file": _media("file"),
}  # fmt: skip


def _open(machine: Machine, body: AskedOfClient) -> dict[str, Any]:
    """The chat with one customer, or of a customer group; the phone page shows it."""
    chat_id, asked = body.params.get("chatId"), body.params.get("externalUserIds")
    ids = asked.split(";") if isinstance(asked, str) else asked
    if chat_id:
        machine.world.groups.get(str(chat_id))
        return {"chatId": str(chat_id)}
    if not isinstance(ids, list) or len(ids) != 1:
        raise RefusedError("the local WeCom opens chats with one customer")
    machine.people.follow(body.userid, str(ids[0]), "mutual", "half", "left")
    return {"externalUserId": str(ids[0])}


_APIS: Mapping[str, Callable[[Machine, AskedOfClient], dict[str, Any]]] = {
    "getContext": _context, "getCurExternalContact": _contact, "getCurExternalChat": _chat, "sendChatMessage": _send,
    "openEnterpriseChat": _open,
}  # fmt: skip

ROUTES = (Route("POST", "/jssdk", AskedOfClient, ask_client),)


def script_of(source: bytes) -> Callable[[web.Request], Any]:
    """What serves the stand-in script, to pages of the bot."""

    async def show(request: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return refuse_strangers(request) or web.Response(
            body=source, content_type="text/javascript", charset="utf-8", headers=headers
        )

    return show
