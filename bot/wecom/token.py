"""Access tokens: one per secret, fetched once however many callers wait, replaced once when WeCom refuses it.

WeCom bans the caller's IP address for an hour when gettoken is asked again and again with a wrong secret, so a refusal
is remembered and answered from here until the pause is over.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from bot.clock import Clock
from bot.errors import RetryLaterError, SiyuError
from bot.logs import get_logger
from bot.wecom.errors import WeComError

RENEW_BEFORE_SECONDS: Final = 60
#: Pauses after a refused secret: the second wrong try comes a minute later, and soon only once in half an hour.
REFUSED_PAUSES_SECONDS: Final = (60.0, 300.0, 900.0, 1800.0)
#: Pauses after a fault that passes by itself: the network, "system busy".
FAILED_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
PAUSE_MAX_SECONDS: Final = 3700.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token (at most 512 bytes) and the instant at which it ends, aware UTC."""

    value: str = field(repr=False)
    expires_at: datetime


class TokenStore(Protocol):
    """Where replicas share tokens. `key` names a secret without telling it.

    A SiyuError from the store is logged and passed over: the token is then fetched, and kept, by this process alone.
    """

    async def load(self, key: str) -> Token | None:
        """The token last saved under `key`, expired or not; None when there is none."""

    async def save(self, key: str, token: Token) -> None:
        """Keep `token` under `key` in place of whatever was there."""


class MemoryTokenStore:
    """A store for one process."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    async def load(self, key: str) -> Token | None:
        return self._tokens.get(key)

    async def save(self, key: str, token: Token) -> None:
        self._tokens[key] = token


def token_key(corpid: str, secret: str) -> str:
    """The name of a secret's token in a store: 64 hex digits from which the secret cannot be told."""
    return hashlib.sha256(f"{corpid}\n{secret}".encode()).hexdigest()


class TokenSource:
    """The present access token of one secret.

    `fetch` asks WeCom (`gettoken`) and raises WeComError. `get` and `renew` raise what `fetch` raised, again and at
    once while the pause after it lasts.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]], store: TokenStore, key: str, clock: Clock) -> None:
        self._fetch = fetch
        self._store = store
        self._key = key
        self._clock = clock
        self._token: Token | None = None
        self._renew_at: datetime | None = None
        self._refused = ""
        self._given_again = 0  # how often gettoken answered with the token that had just been refused
        self._renewal: asyncio.Task[Token] | None = None
        self._failure: WeComError | None = None
        self._failures = 0
        self._ask_again_at: datetime | None = None
        self._log = get_logger("wecom")

    async def get(self) -> str:
        """The token to use now; fetched when there is none or it is about to end."""
        token, now = self._token, self._clock.now()
        if token is not None and self._renew_at is not None and now < self._renew_at:
            return token.value
        try:
            return (await self._renewed()).value
        except RetryLaterError:
            # A token that still has seconds to live is better than none while gettoken is out of order.
            if token is not None and token is self._token and self._clock.now() < token.expires_at:
                return token.value
            raise

    async def renew(self, refused: str) -> str:
        """A token other than `refused`, which WeCom did not accept (40014, 42001, 40001).

        However many callers report the same token, it is replaced once.
        """
        if self._token is None or self._token.value != refused:
            return await self.get()
        if refused == self._refused and self._given_again and self._pause_left() > 0:
            return refused  # WeCom insists on this token; asking yet again would only bring us near its ban
        self._token = None
        self._refused = refused
        return await self.get()

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    async def _renewed(self) -> Token:
        if self._renewal is None:
            self._raise_if_pausing()
            self._renewal = asyncio.create_task(self._renew(), name="wecom-token")
            self._renewal.add_done_callback(self._renewal_done)
        # Shielded: a caller that gives up must not take the token away from the others that wait for it.
        return await asyncio.shield(self._renewal)

    def _renewal_done(self, task: asyncio.Task[Token]) -> None:
        self._renewal = None
        if not task.cancelled():
            task.exception()  # seen, also when every caller has gone

    async def _renew(self) -> Token:
        shared = await self._load()
        if shared is not None and self._is_usable(shared):
            return self._adopt(shared)
        try:
            token = await self._fetch()
        except WeComError as error:
            self._remember(error)
            raise
        self._failure, self._failures, self._ask_again_at = None, 0, None
        if token.value == self._refused:
            self._pause(FAILED_PAUSES_SECONDS, self._given_again)
            self._given_again += 1
        else:
            self._given_again = 0
            await self._save(token)
        self._log.info("token_fetched", expires_at=token.expires_at.isoformat())
        return self._adopt(token)

    async def _load(self) -> Token | None:
        try:
            return await self._store.load(self._key)
        except SiyuError as error:  # a token of one's own is better than none
            self._log.warning("token_not_shared", cause=type(error).__name__)
            return None

    async def _save(self, token: Token) -> None:
        try:
            await self._store.save(self._key, token)
        except SiyuError as error:
            self._log.warning("token_not_shared", cause=type(error).__name__)

    def _is_usable(self, token: Token) -> bool:
        if token.value == self._refused or (self._token is not None and token.value == self._token.value):
            return False
        return self._clock.now() < token.expires_at - timedelta(seconds=RENEW_BEFORE_SECONDS)

    def _adopt(self, token: Token) -> Token:
        # WeCom may answer with the token it gave before, not prolonged: then asking early again gains nothing.
        same = self._token is not None and self._token.value == token.value
        life = (token.expires_at - self._clock.now()).total_seconds()
        margin = 0.0 if same else min(RENEW_BEFORE_SECONDS, life / 10)
        self._token = token
        self._renew_at = token.expires_at - timedelta(seconds=margin)
        return token

    def _remember(self, error: WeComError) -> None:
        pauses = FAILED_PAUSES_SECONDS if isinstance(error, RetryLaterError) else REFUSED_PAUSES_SECONDS
        if type(self._failure) is not type(error):
            self._failures = 0
        self._failure = error
        self._pause(pauses, self._failures, error.after_seconds or 0)
        self._failures += 1
        self._log.warning("token_refused", errcode=error.errcode, pause_seconds=round(self._pause_left()))

    def _pause(self, pauses: Sequence[float], times: int, at_least_seconds: float = 0) -> None:
        seconds = max(pauses[min(times, len(pauses) - 1)], at_least_seconds)
        self._ask_again_at = self._clock.now() + timedelta(seconds=seconds)

    def _pause_left(self) -> float:
        if self._ask_again_at is None:
            return 0.0
        left = (self._ask_again_at - self._clock.now()).total_seconds()
        # A clock that was moved back must not make a pause longer than any that was meant.
        return left if 0 < left <= PAUSE_MAX_SECONDS else 0.0

    def _raise_if_pausing(self) -> None:
        failure, left = self._failure, self._pause_left()
        if failure is not None and left > 0:
            raise type(failure)(
                failure.message,
                failure.remedy,
                errcode=failure.errcode,
                errmsg=failure.errmsg,
                path=failure.path,
                retryable=failure.retryable,
                after_seconds=left,
            )
