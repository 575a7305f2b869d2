"""One's own account: the password, and the browsers one is signed in with."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.signing_in import hasher, is_right
from data.queries import account_sessions, accounts, digests
from data.rules.accounts import check_password
from data.rules.problems import InvalidRuleError

PATH = "/console/me"


async def show(ask: Ask) -> web.Response:
    """One's own page."""
    return await _page(ask)


async def change_password(ask: Ask) -> web.Response:
    """A new password: whoever is signed in elsewhere is not any more."""
    account = ask.account
    old, new = ask.form.get("old", ""), ask.form.get("password", "")
    if not isinstance(old, str) or not isinstance(new, str) or account.login is None or account.id is None:
        return await _page(ask, 400, fault=ask._("这个账号没有密码，请用企业微信登录。"))
    if account.blocked_until is not None and account.blocked_until > ask.now:
        return await _page(ask, 429, fault=ask._("原密码错误的次数太多了，请稍后再试。"))
    if not await asyncio.to_thread(is_right, account.password_hash, old[:1000]):
        await ask.db.write(accounts.note_failure, account.id, ask.now)
        return await _page(ask, 400, fault=ask._("原密码不对。"))
    try:
        check_password(new, account.login)
    except InvalidRuleError as error:
        return await _page(ask, 400, fault=ask.told(error))
    if new != ask.form.get("again"):
        return await _page(ask, 400, fault=ask._("两次输入的密码不一样。"))
    kept = await asyncio.to_thread(hasher().hash, new)
    account_id = account.id

    def do(session: object) -> None:
        accounts.set_password(session, account_id, kept)  # type: ignore[arg-type]
        account_sessions.end_others(session, account_id, ask.reader.digest)  # type: ignore[arg-type]

    await ask.change("accounts.password", f"account {account_id}", do)
    return ask.go(PATH, "password")


async def end_session(ask: Ask) -> web.Response:
    """End one of one's sessions, or all others."""
    account_id, digest = ask.account.id or 0, ask.text("digest", 64)
    do = (
        partial(account_sessions.end_one, account_id=account_id, digest=digest)
        if digest
        else partial(account_sessions.end_others, account_id=account_id, digest=ask.reader.digest)
    )
    await ask.db.write(do)
    return ask.go(PATH, "ended")


async def choose_digest(ask: Ask) -> web.Response:
    """When one is told each day what waits: at a time of one's own, at the company's, or never."""
    userid, when, at = ask.account.userid, ask.text("when"), ask.text("at", 5)
    if userid is None:
        return await _page(ask, 400, fault=ask._("这个账号不是企业微信成员，收不到每日提醒。"))
    if when == "own" and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", at) is None:
        return await _page(ask, 400, fault=ask._("请写上时间，如 08:30。"))
    chosen = at if when == "own" else "" if when == "never" else None

    def do(session: Session) -> None:
        digests.choose(session, userid, chosen, ask.now)

    await ask.change(
        "digests.choose", f"member {userid}", do, lambda session: {"at": digests.find_choice(session, userid)}
    )
    return ask.go(PATH, "saved")


async def _page(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    def read(session: Session) -> Any:
        sessions = account_sessions.list_sessions(session, ask.account.id or 0, ask.now)
        return sessions, digests.find_choice(session, ask.account.userid) if ask.account.userid else None

    sessions, digest_at = await ask.db.read(read)
    return ask.show(
        "own", status, sessions=sessions, fault=fault, digest_at=digest_at, company_at=ask.settings.digest.at
    )
