"""Access tokens (WeCom doc 91039): one per app, the same on every call until it expires."""

from __future__ import annotations

import random
import string
from collections import OrderedDict
from dataclasses import dataclass

from bot.sandbox.errors import ApiError
from bot.sandbox.records import App

_KEPT = 1000


@dataclass(slots=True)
class Token:
    value: str
    agentid: int
    expires_at: float


class Tokens:
    """Tokens by value; those that expired are remembered so that they answer 42001 and not 40014."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._by_agent: dict[int, Token] = {}
        self._by_value: OrderedDict[str, Token] = OrderedDict()
        self.life_seconds = 7200
        #: What a repeated gettoken says: the time that is left, or (flat) the whole life again.
        self.flat_expires_in = False
        #: Wrong secrets in an hour from one address before it is banned for an hour.
        self.wrong_secrets_allowed = 100
        self._wrong: dict[str, list[float]] = {}

    def issue(self, app: App, now: float) -> tuple[str, int]:
        """(the app's token, expires_in in seconds)."""
        token = self._by_agent.get(app.agentid)
        if token is None or token.expires_at <= now:
            value = "".join(self._rng.choices(string.ascii_letters + string.digits + "-_", k=107))
            token = Token(value, app.agentid, now + self.life_seconds)
            self._by_agent[app.agentid] = self._by_value[value] = token
            while len(self._by_value) > _KEPT:
                self._by_value.popitem(last=False)
        return token.value, self.life_seconds if self.flat_expires_in else max(1, int(token.expires_at - now))

    def check(self, value: str, now: float) -> int:
        """The agentid a token speaks for. Raises ApiError 41001, 40014, 42001."""
        if not value:
            raise ApiError(41001)
        token = self._by_value.get(value)
        if token is None:
            raise ApiError(40014)
        if token.expires_at <= now:
            raise ApiError(42001)
        return token.agentid

    def expire(self, agentid: int | None = None) -> int:
        """End tokens before their time, as WeCom may; how many. They answer 42001 from now on."""
        ended = 0
        for token in self._by_value.values():
            if agentid in (None, token.agentid) and token.expires_at > 0:
                token.expires_at = 0
                ended += 1
        return ended

    def forget(self, agentid: int | None = None) -> int:
        """Make tokens unknown; how many. They answer 40014 from now on."""
        doomed = [token for token in self._by_value.values() if agentid in (None, token.agentid)]
        for token in doomed:
            del self._by_value[token.value]
            self._by_agent.pop(token.agentid, None)
        return len(doomed)

    def wrong_secret(self, address: str, now: float) -> None:
        """Note a wrong secret from an address."""
        self._wrong[address] = [at for at in self._wrong.get(address, []) if now - at < 3600] + [now]

    def banned(self, address: str, now: float) -> bool:
        """Whether the address has sent too many wrong secrets within the last hour."""
        recent = [at for at in self._wrong.get(address, ()) if now - at < 3600]
        return len(recent) > self.wrong_secrets_allowed

    def clear(self) -> None:
        self._by_agent.clear()
        self._by_value.clear()
        self._wrong.clear()
