"""WeCom's JS-SDK on our pages: which script may be loaded, and the signatures by which WeCom lets a page use it.

A page is signed for its address, with the company's ticket (`ww.register`'s getConfigSignature, asked for by WeCom
before 3.0.24 alone) and with the app's (getAgentConfigSignature). Only pages of ours are signed.
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from aiohttp import web

from bot.config import Settings
from bot.console.asks import Ask
from bot.console.pages import CONTENT_SECURITY_POLICY, FRESH, HEADERS
from bot.context import Context
from bot.errors import SiyuError
from bot.phrases import Phrase
from bot.wecom.errors import WeComError

#: What our pages use of it.
APIS = ("getContext", "getCurExternalContact", "getCurExternalChat", "sendChatMessage", "openEnterpriseChat")
#: Where our pages lie that are opened in WeCom: each itself, and what is below.
SIGNED = ("/sidebar", "/staff")
#: WeCom's own pages, which may show ours in a frame.
WECOM_FRAMES = ("https://work.weixin.qq.com", "https://*.work.weixin.qq.com")
#: By such addresses some versions of WeCom's browser take calls from a page.
BRIDGES = "weixin: wxwork: wvjbscheme:"
URL_MAX = 2048
#: Where the pages find their files: the console need not be reached from where WeCom is.
FILES = "/sidebar/files"
CSP = "Content-Security-Policy"
#: A person waits.
ASK_SECONDS = 3.0


class UnsignedError(SiyuError):
    """An address that is none of our pages'."""


class Sdk(NamedTuple):
    """What a page has to know to use the JS-SDK."""

    script: str
    corpid: str
    agentid: int
    apis: str


def sdk_of(settings: Settings) -> Sdk:
    """The same for pages of this company's app."""
    return Sdk(settings.wecom.jssdk_url, settings.company.corpid, settings.app.agentid, " ".join(APIS))


def headers_of(settings: Settings) -> dict[str, str]:
    """The headers of a page that uses the JS-SDK: WeCom's pages may show it in a frame, and those that the settings
    name."""
    ancestors = " ".join(("'self'", *WECOM_FRAMES, *settings.wecom.frame_origins))
    policy = CONTENT_SECURITY_POLICY.replace(
        "script-src 'self'", f"script-src 'self' {settings.wecom.jssdk_url}; frame-src {BRIDGES}"
    ).replace("frame-ancestors 'none'", f"frame-ancestors {ancestors}")
    # Who may frame it X-Frame-Options, which is older, cannot name.
    return {**{name: value for name, value in HEADERS.items() if name != "X-Frame-Options"}, CSP: policy}


def with_sdk(settings: Settings, answer: web.StreamResponse) -> web.StreamResponse:
    """A page that uses the JS-SDK, and may be shown in WeCom's frames."""
    answer.headers.popall("X-Frame-Options", None)
    answer.headers.update(headers_of(settings))
    return answer


def signable(settings: Settings, url: str) -> str:
    """The address of one of our pages as it is signed: without what follows a `#`. Raises UnsignedError."""
    address, public = url.partition("#")[0], settings.server.public_url
    path = address.removeprefix(public).partition("?")[0]
    ours = bool(public) and address.startswith(f"{public}/") and len(address) <= URL_MAX and address.isprintable()
    signed = any(path == each or path.startswith(f"{each}/") for each in SIGNED)
    if not ours or not signed or ".." in path or "\\" in path:
        raise UnsignedError(
            Phrase("这个网址不是我们的页面，不能签名。"), Phrase("请核对 server.public_url 和企业微信里配置的网址。")
        )
    return address


async def sign(ctx: Context, url: str) -> dict[str, Any]:
    """The signatures of a page, as `ww.register` takes them: of the company and of the app. Raises WeComError."""
    jsapi = ctx.wecom.within(ASK_SECONDS).jsapi
    nonce, at = secrets.token_hex(8), str(int(ctx.clock.timestamp()))
    tickets = {"corp": await jsapi.get_jsapi_ticket(), "app": await jsapi.get_agent_jsapi_ticket()}
    return {
        name: {"timestamp": at, "nonceStr": nonce, "signature": jsapi.get_jsapi_signature(nonce, ticket, at, url)}
        for name, ticket in tickets.items()
    }


async def show_signature(ask: Ask) -> web.Response:
    """The signatures of the page whose address is asked for."""
    try:
        url = signable(ask.settings, ask.request.query.get("url", ""))
        return web.json_response(await sign(ask.ctx, url), headers={**HEADERS, **FRESH})
    except UnsignedError as error:
        return web.json_response({"error": ask.told(error)}, status=400, headers={**HEADERS, **FRESH})
    except WeComError as error:
        words = ask._("企业微信没有给出签名用的票据（%(errcode)s）。", errcode=error.errcode)
        return web.json_response({"error": words}, status=503, headers={**HEADERS, **FRESH})
