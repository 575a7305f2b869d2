"""Who looks at a page for customers: found out by WeCom, then known by a signed cookie of this browser's for as long as
it takes to fill in a form. Nothing of it is kept here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

VISIT_LIFE = timedelta(hours=2)

_COOKIE = re.compile(r"([A-Za-z0-9_-]{0,88})\.([0-9a-f]{8})\.([0-9a-f]{64})", re.ASCII)


class Visit(NamedTuple):
    """Who looks at a page; without an `external_userid` a member of the company. `csrf`: what their forms carry."""

    external_userid: str
    csrf: str


class Visits:
    """Signs and reads such cookies; `secret` is one that all copies of the program have, and nobody else."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.new(secret.encode(), b"visits of customers", hashlib.sha256).digest()

    def sign(self, external_userid: str, now: datetime) -> str:
        """A cookie for somebody who was found out now."""
        who = base64.urlsafe_b64encode(external_userid.encode()).decode().rstrip("=")
        said = f"{who}.{int((now + VISIT_LIFE).timestamp()):08x}"
        return f"{said}.{self._mac('visit', said)}"

    def read(self, cookie: str, now: datetime) -> Visit | None:
        """Who it says; None: we never made it, or its time is over."""
        found = _COOKIE.fullmatch(cookie)
        if found is None:
            return None
        who, until, mac = found.groups()
        if not hmac.compare_digest(mac, self._mac("visit", f"{who}.{until}")):
            return None
        if datetime.fromtimestamp(int(until, 16), UTC) <= now:
            return None
        external_userid = base64.urlsafe_b64decode(who + "=" * (-len(who) % 4)).decode()
        return Visit(external_userid, self._mac("forms", who))

    def _mac(self, what: str, said: str) -> str:
        return hmac.new(self._key, f"{what}\n{said}".encode(), hashlib.sha256).hexdigest()
