"""Who may call: bearer tokens, kept as hashes, each with scopes."""

from __future__ import annotations

import time
from collections import deque

from aiohttp import web

from bot.api.answers import ApiError
from bot.clock import Clock
from bot.logs import get_logger
from data.db import Database
from data.models import ApiToken
from data.queries import access as rows

log = get_logger("api")

#: Refused tokens from one address within a minute before it is told to wait.
REFUSALS_PER_MINUTE = 20
WINDOW_SECONDS = 60.0
#: Addresses and tokens remembered; an attacker must not fill the memory.
REMEMBERED = 10_000
TOKEN_MAX_LENGTH = 200


class Gate:
    """Lets requests in that carry a live token with the wanted scope.

    After many refusals an address waits. A token that was good before is looked up all the same: behind a proxy all
    callers have one address, and a stranger's guesses must not lock the company's own program out.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._refused: dict[str, deque[float]] = {}
        self._good: dict[str, None] = {}

    async def admit(self, request: web.Request, scope: str) -> ApiToken:
        """The token of a request. Raises ApiError: 401, 403 or 429."""
        address = request.remote or ""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        plausible = scheme.lower() == "bearer" and 0 < len(token) <= TOKEN_MAX_LENGTH and token.isascii()
        digest = rows.digest_of(token) if plausible else ""
        if self._is_waiting(address) and digest not in self._good:
            raise ApiError(
                429, "too_many_refusals", "Too many requests without a valid token came from this address.",
                "Wait a minute.", Retry_After=str(int(WINDOW_SECONDS)),
            )  # fmt: skip
        found = await self._db.read(rows.find_api_token, token) if plausible else None
        if found is None:
            self._good.pop(digest, None)
            self._note_refusal(address)
            raise ApiError(
                401, "not_authenticated", "The request carries no valid token.",
                "Send `Authorization: Bearer <token>`; make one with: siyu token create.", WWW_Authenticate="Bearer",
            )  # fmt: skip
        _remember(self._good, digest)
        if scope not in found.scopes:
            raise ApiError(
                403,
                "not_permitted",
                f"This token has no scope {scope}.",
                f"Make one with: siyu token create --scope {scope}",
            )
        await self._note_use(found)
        return found

    async def _note_use(self, token: ApiToken) -> None:
        now = self._clock.now()
        if token.id is not None and (token.last_used_at is None or now - token.last_used_at > rows.USED_EVERY):
            await self._db.write(rows.mark_token_used, token.id, now)

    def _is_waiting(self, address: str) -> bool:
        refused = self._refused.get(address)
        if refused is None:
            return False
        while refused and refused[0] < time.monotonic() - WINDOW_SECONDS:
            refused.popleft()
        return len(refused) >= REFUSALS_PER_MINUTE

    def _note_refusal(self, address: str) -> None:
        if address not in self._refused:
            while len(self._refused) >= REMEMBERED:
                del self._refused[next(iter(self._refused))]
            self._refused[address] = deque(maxlen=REFUSALS_PER_MINUTE)
        self._refused[address].append(time.monotonic())
        if len(self._refused[address]) == REFUSALS_PER_MINUTE:
            log.warning("refusing", address=address, cause="many requests without a valid token")


def _remember(seen: dict[str, None], key: str) -> None:
    if key not in seen:
        while len(seen) >= REMEMBERED:
            del seen[next(iter(seen))]
        seen[key] = None
