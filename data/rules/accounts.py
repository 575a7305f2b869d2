"""Accounts: which names and passwords will do, and how long wrong ones have to wait."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.phrases import Phrase
from data.models.accounts import Account
from data.rules.problems import InvalidRuleError, Problem

PASSWORD_MIN, PASSWORD_MAX = 10, 200
#: So many wrong passwords in a row cost nothing.
FREE_FAILURES = 5
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
INVITATION_LIFE = timedelta(hours=24)
SESSIONS_AT_MOST = 20
#: What is made by somebody who sees nobody would be for nobody.
NO_CUSTOMERS = Phrase("您的账号还没有可见的客户：请管理员设置部门或 userid")

_LOGIN = re.compile(r"[\w.@+-]{2,64}")


def login_of(text: str) -> str:
    """A name to sign in by in the one form in which it is kept; empty: it is none."""
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    return folded if _LOGIN.fullmatch(folded) else ""


def names_of(account: Account) -> tuple[str, ...]:
    """Under which names an account does things, the one that is written down first: its member's userid, so that they
    are the same person as on their phone, else its login, with a mark that no userid begins with."""
    return tuple(each for each in (account.userid, f"@{account.login}" if account.login else None) if each)


def limited(account: Account, tree: Mapping[str, Any] | None) -> dict[str, Any]:
    """A segment (None: everybody) for the customers whom somebody sees: those of their departments' members, and their
    own."""
    limit = _limit(account)
    return limit if tree is None else {"all": [limit, tree]}


def unlimited(account: Account, tree: Any) -> Any:
    """The same without the limit that `limited` has put there: what its maker chose."""
    limit = _limit(account)
    if tree == limit:
        return None
    if isinstance(tree, Mapping) and tree.keys() == {"all"} and len(tree["all"]) == 2 and tree["all"][0] == limit:
        return tree["all"][1]
    return tree


def _limit(account: Account) -> dict[str, Any]:
    own = [{"staff": {"userids": [account.userid]}}] if account.userid else []
    departments = [{"department": {"department_ids": sorted(account.department_ids)}}] if account.department_ids else []
    ways: list[dict[str, Any]] = departments + own
    return ways[0] if len(ways) == 1 else {"any": ways}


def check_login(text: str) -> str:
    """The same. Raises InvalidRuleError."""
    if found := login_of(text):
        return found
    raise InvalidRuleError([Problem("login", Phrase("登录名为 2 到 64 个字母、数字、汉字或 . @ + - _"))])


def check_password(password: str, login: str) -> str:
    """A new password. Raises InvalidRuleError."""
    said = ""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        said = Phrase("密码为 %(least)s 到 %(most)s 个字", least=PASSWORD_MIN, most=PASSWORD_MAX)
    elif len(set(password)) < 4 or (len(login) > 3 and login in password.casefold()):
        said = Phrase("密码太容易猜到，请换一个")
    if said:
        raise InvalidRuleError([Problem("password", said)])
    return password


def wait_after(failures: int) -> timedelta:
    """How long an account takes no password after so many wrong ones in a row."""
    over = failures - FREE_FAILURES
    if over < 0:
        return timedelta()
    doubled: int = 2 ** min(over, 10)
    return min(LONGEST_WAIT, FIRST_WAIT * doubled)
