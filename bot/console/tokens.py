"""Tokens for the API: made, shown once, revoked."""

from __future__ import annotations

import secrets
from functools import partial

from aiohttp import web

from bot.console.asks import Ask
from bot.console.token_words import WORDS
from bot.scopes import SCOPES
from data.queries import access as rows

PATH = "/console/tokens"


async def show_list(ask: Ask) -> web.Response:
    """All tokens, without the tokens themselves."""
    return await _page(ask)


async def make(ask: Ask) -> web.Response:
    """A token; it is shown once, only its hash is kept."""
    name, scopes = ask.text("name", 65), sorted({each for each in ask.texts("scope") if each in SCOPES})
    if not 0 < len(name) <= 64:
        return await _page(ask, 400, fault=ask._("名称为 1 到 64 个字。"))
    if not scopes:
        return await _page(ask, 400, fault=ask._("请至少选择一项权限。"))
    if name in {each.name for each in await ask.db.read(rows.list_api_tokens)}:
        return await _page(ask, 409, fault=ask._("已有同名的令牌，请换一个名称。"))
    token = f"siyu_{secrets.token_urlsafe(32)}"
    await ask.change(
        "tokens.make", f"token {name}", partial(rows.add_api_token, name=name, token=token, scopes=scopes, now=ask.now)
    )
    return ask.show("token_made", token=token, name=name)


async def revoke(ask: Ask) -> web.Response:
    """From now on the token opens nothing."""
    name = ask.text("name", 64)
    await ask.change("tokens.revoke", f"token {name}", partial(rows.revoke_api_token, name=name, now=ask.now))
    return ask.go(PATH, "revoked")


async def _page(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    tokens = await ask.db.read(rows.list_api_tokens)
    return ask.show(
        "tokens", status, tokens=tokens, scopes=SCOPES if ask.language == "en" else WORDS, fault=fault, typed=ask.form,
        chosen=ask.texts("scope"),
    )  # fmt: skip
