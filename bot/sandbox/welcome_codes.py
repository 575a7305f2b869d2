"""Welcome codes: 20 seconds of life, one success."""

from __future__ import annotations

import random
from collections import OrderedDict

from bot.sandbox.errors import ApiError
from bot.sandbox.records import WelcomeCode

LIFE_SECONDS = 20.0
#: Codes older than this answer 41050 because they are unknown, not because they are old.
_KEPT = 50_000


class WelcomeCodes:
    """Codes by their text. They outlive nothing: a restart makes every code unknown, as 20 seconds would."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._codes: OrderedDict[str, WelcomeCode] = OrderedDict()
        self._in_flight: set[tuple[str, str]] = set()

    def issue(self, userid: str, external_userid: str, agentid: int, now: float) -> str:
        """A new code of 43 characters for one app."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        code = "".join(self._rng.choices(alphabet, k=43))
        self._codes[code] = WelcomeCode(code, userid, external_userid, agentid, now)
        while len(self._codes) > _KEPT:
            self._codes.popitem(last=False)
        return code

    def open(self, code: str, now: float) -> WelcomeCode:
        """The code, if it may be used now. Raises ApiError 41050 (unknown or older than 20 s), 41096 (in use)."""
        found = self._codes.get(code)
        if found is None or now - found.issued_at >= LIFE_SECONDS:
            raise ApiError(41050)
        if (found.userid, found.external_userid) in self._in_flight:
            raise ApiError(41096)
        return found

    def begin(self, code: WelcomeCode) -> None:
        """A welcome for this pair is on its way: others answer 41096 meanwhile."""
        self._in_flight.add((code.userid, code.external_userid))

    def end(self, code: WelcomeCode) -> None:
        self._in_flight.discard((code.userid, code.external_userid))
