"""Codes of web logins and tickets of the JS-SDK."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

from bot.sandbox.errors import ApiError

CODE_SECONDS = 300
_ALPHABET = string.ascii_letters + string.digits + "-_"


@dataclass(slots=True)
class Login:
    """Who stands behind a code: a member (`userid`), or somebody from outside (`openid`, perhaps a customer)."""

    userid: str
    openid: str
    external_userid: str
    issued_at: float


class Logins:
    """Codes work once, within five minutes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._codes: dict[str, Login] = {}
        self._tickets: dict[str, tuple[str, float]] = {}

    def issue(self, now: float, userid: str = "", external_userid: str = "") -> str:
        """A code for a member, or for somebody from outside."""
        self._codes = {code: login for code, login in self._codes.items() if now - login.issued_at < CODE_SECONDS}
        code = self._text(43)
        openid = "" if userid else f"o{self._text(27)}"
        self._codes[code] = Login(userid, openid, external_userid, now)
        return code

    def redeem(self, code: str, now: float) -> Login:
        """Who a code stands for. Raises ApiError 40029: unknown, used, too old."""
        login = self._codes.pop(code, None)
        if login is None or now - login.issued_at >= CODE_SECONDS:
            raise ApiError(40029)
        return login

    def ticket(self, holder: str, now: float, life_seconds: int) -> tuple[str, float]:
        """(ticket, when it expires): the same until then."""
        ticket, expires_at = self._tickets.get(holder, ("", 0.0))
        if expires_at <= now:
            ticket, expires_at = self._text(86), now + life_seconds
            self._tickets[holder] = (ticket, expires_at)
        return ticket, expires_at

    def _text(self, length: int) -> str:
        return "".join(self._rng.choices(_ALPHABET, k=length))
