"""Webhooks: one signed request to another program."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from bot.clock import Clock
from bot.errors import RetryLaterError
from data.rules.webhooks import body_bytes, is_public, is_taken, leads_inside, signature

TIMEOUT_SECONDS = 10.0
#: An answer that asks for a longer pause is not believed.
ASKED_SECONDS_MAX = 3600.0


class WebhookError(RetryLaterError):
    """A call was not taken."""


class UnreachableError(WebhookError):
    """Nothing answered, so that other calls there need not be tried just now."""


class PublicResolver(AbstractResolver):
    """Finds addresses of the internet only. The connection is made to what it finds: a name that turns out to be
    somebody else in the moment between leads nowhere."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise OSError(None, "it is a private address; see journeys.webhook_private")
        return public

    async def close(self) -> None:
        await self._resolver.close()


class WebhookCaller:
    """Sends calls. `async with WebhookCaller(secret, clock, private=False) as caller: await caller.tell(...)`."""

    def __init__(self, secret: str, clock: Clock, *, private: bool) -> None:
        self._secret = secret
        self._clock = clock
        self._private = private

    async def __aenter__(self) -> Self:
        resolver = None if self._private else PublicResolver()
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            headers={"User-Agent": "siyu"},
            # A proxy would be asked to look up names in our place.
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def tell(self, url: str, known_by: str, body: Mapping[str, Any], secret: str = "") -> None:
        """Send one call, signed with its own `secret` where it has one. Raises UnreachableError, WebhookError."""
        if not self._private and leads_inside(url):
            raise WebhookError("It leads to a private address.", "See journeys.webhook_private.")
        data, timestamp = body_bytes(body), int(self._clock.timestamp())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Siyu-Id": known_by,
            "X-Siyu-Timestamp": str(timestamp),
            "X-Siyu-Signature": signature(secret or self._secret, timestamp, data),
        }
        try:
            async with self._http.post(URL(url), data=data, headers=headers, allow_redirects=False) as answer:
                if not is_taken(answer.status):
                    raise WebhookError(f"It answered HTTP {answer.status}.", after_seconds=_asked_seconds(answer))
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise UnreachableError(_words_of(error)) from error
        except (aiohttp.ClientError, ValueError, asyncio.IncompleteReadError) as error:
            raise WebhookError(_words_of(error)) from error


def _asked_seconds(answer: aiohttp.ClientResponse) -> float | None:
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), ASKED_SECONDS_MAX) if asked.isascii() and asked.isdecimal() else None


def _words_of(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"No answer within {TIMEOUT_SECONDS:g} seconds."
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "It closed the connection without an answer."
    if isinstance(error, aiohttp.ClientResponseError):
        return "What it answered is no valid HTTP."
    if isinstance(error, ValueError):
        return "Its address cannot be read."
    cause = error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else ""
    return f"It cannot be reached ({cause or type(error).__name__})."
