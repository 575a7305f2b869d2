"""Accounts: who may use the console, as what, and links by which people choose a password."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.painting import N_
from data.models import Account, Role
from data.queries import account_sessions
from data.queries import accounts as rows
from data.queries import staff as staff_rows
from data.rules.problems import InvalidRuleError, Problem

PATH = "/console/accounts"
ROLES = {Role.STAFF: N_("员工"), Role.MANAGER: N_("经理"), Role.ADMIN: N_("管理员")}


async def show_list(ask: Ask) -> web.Response:
    """All accounts."""
    return await _list(ask)


async def show_one(ask: Ask) -> web.Response:
    """One account, to be changed."""
    return await _one(ask, ask.path_number())


async def change(ask: Ask) -> web.Response:
    """What an account may do was changed."""
    account_id = ask.path_number()
    try:
        wanted = _wanted(ask)
    except InvalidRuleError as error:
        return await _one(ask, account_id, 400, fault=ask.told(error))
    await ask.change(
        "accounts.change", f"account {account_id}",
        partial(_change, account_id, wanted, ask.now), partial(_look, account_id),
    )  # fmt: skip
    return ask.go(PATH, "saved")


async def invite(ask: Ask) -> web.Response:
    """A link for somebody new. It is shown once; only its hash is kept."""
    try:
        wanted = _wanted(ask)
    except InvalidRuleError as error:
        return await _list(ask, 400, fault=ask.told(error))
    return await _show_link(
        ask, "accounts.invite", f"invitation {wanted['name']}",
        {"role": wanted["role"], "name": wanted["name"], "department_ids": wanted["department_ids"]},
    )  # fmt: skip


async def renew(ask: Ask) -> web.Response:
    """A link by which somebody chooses a new password."""
    account_id = ask.path_number()
    account = await ask.db.read(rows.get_account, account_id)
    return await _show_link(
        ask, "accounts.renew", f"account {account_id}",
        {"role": Role(account.role), "account_id": account_id, "name": account.name},
    )  # fmt: skip


async def end_sessions(ask: Ask) -> web.Response:
    """Whoever is signed in to an account is not any more."""
    account_id = ask.path_number()
    await ask.change(
        "accounts.sign_out", f"account {account_id}", partial(account_sessions.end_others, account_id=account_id)
    )
    return ask.go(f"{PATH}/{account_id}", "ended")


async def _show_link(ask: Ask, action: str, what: str, kept: dict[str, Any]) -> web.Response:
    token = secrets.token_urlsafe(32)
    add = partial(rows.add_invitation, token=token, now=ask.now, made_by=ask.actor.who, **kept)
    await ask.change(action, what, add)
    base = ask.settings.server.public_url or f"{ask.request.scheme}://{ask.request.host}"
    return ask.show("account_link", link=f"{base}/console/join?token={token}", name=kept["name"])


def _wanted(ask: Ask) -> dict[str, Any]:
    role, name = ask.text("role"), ask.text("name", 65)
    if role not in ROLES:
        raise InvalidRuleError([Problem("role", ask._("请选择角色。"))])
    if not 0 < len(name) <= 64:
        raise InvalidRuleError([Problem("name", ask._("姓名为 1 到 64 个字。"))])
    departments = [int(each) for each in ask.texts("department") if each.isascii() and each.isdecimal()]
    if role == Role.MANAGER and not departments:
        raise InvalidRuleError([Problem("department", ask._("请为经理选择至少一个部门。"))])
    return {
        "role": Role(role),
        "name": name,
        "department_ids": departments if role == Role.MANAGER else [],
        "userid": ask.text("userid", 64) or None,
        "disabled": ask.text("disabled") == "yes",
    }


def _change(account_id: int, wanted: dict[str, Any], now: Any, session: Session) -> Account:
    return rows.change_account(session, account_id, now=now, **wanted)


def _look(account_id: int, session: Session) -> dict[str, Any] | None:
    account = rows.find_account(session, account_id)
    if account is None:
        return None
    return {
        "role": account.role, "name": account.name, "userid": account.userid,
        "department_ids": account.department_ids, "disabled": account.disabled_at is not None,
    }  # fmt: skip


async def _list(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    accounts, departments = await ask.db.read(_read_all)
    return ask.show(
        "accounts", status, accounts=accounts, departments=departments, roles=ROLES, fault=fault, typed=ask.form
    )


async def _one(ask: Ask, account_id: int, status: int = 200, *, fault: str = "") -> web.Response:
    account, departments = await ask.db.read(partial(_read_one, account_id))
    sessions = await ask.db.read(account_sessions.list_sessions, account_id, ask.now)
    return ask.show(
        "account", status, account=account, departments=departments, sessions=sessions, roles=ROLES, fault=fault
    )


def _read_all(session: Session) -> tuple[list[Account], list[Any]]:
    return rows.list_accounts(session), staff_rows.list_departments(session)


def _read_one(account_id: int, session: Session) -> tuple[Account, list[Any]]:
    return rows.get_account(session, account_id), staff_rows.list_departments(session)
