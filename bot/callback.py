"""The callback server: verify, decrypt, store, acknowledge.

Not from WeCom: a 4xx, one log line, one counter. From WeCom: an empty 200, but only after the event is stored; what
cannot be stored in time is not answered at all, because of WeCom's two pages on retries only that counts as a failure
in both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from prometheus_client import Counter

from bot.config import CallbackSettings, ServerSettings
from bot.logs import get_logger
from bot.metrics import Metrics
from bot.wecom.crypto import OWN_NONCE, CallbackCrypto, parse_envelope
from bot.wecom.errors import BadCallbackError
from bot.wecom.event_xml import MalformedEventError, parse_event
from bot.wecom.events import Event
from data.errors import StorageError
from data.queries.inbox import StoredEvent

log = get_logger("callback")

#: BadCallbackError reasons that say "not yours to call" rather than "not understood".
FORBIDDEN = frozenset({"signature", "receiver"})
#: Signature, timestamp and nonce are short; what is longer is not from WeCom.
QUERY_MAX = 2048


class Store(Protocol):
    """Where events go: `stored` is told once they are durable, or the StorageError of what cannot be stored in time."""

    def store(self, callback: str, body: str, event: Event, stored: asyncio.Future[StoredEvent]) -> None: ...


class Watch(Protocol):
    """Who wants to know that a callback showed signs of life."""

    def verified(self, callback: str) -> None: ...
    def received(self, callback: str, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Callback:
    """One configured callback URL with its own token and key."""

    settings: CallbackSettings
    crypto: CallbackCrypto


class CallbackServer:
    """Answers WeCom on the configured paths."""

    def __init__(
        self, callbacks: Sequence[Callback], server: ServerSettings, inbox: Store, watch: Watch, metrics: Metrics
    ) -> None:
        self.callbacks = callbacks
        self.server = server
        self.inbox = inbox
        self.watch = watch
        self.metrics = metrics

    def add_routes(self, app: web.Application) -> None:
        """One GET and one POST route per callback."""
        for callback in self.callbacks:
            handler = _Endpoint(self, callback)
            app.router.add_get(callback.settings.path, handler.verify)
            app.router.add_post(callback.settings.path, handler.receive)


@dataclass(slots=True)
class _Post:
    """A request whose body is there."""

    raw: bytes
    signature: str
    timestamp: str
    nonce: str
    stored: asyncio.Future[StoredEvent]
    event: Event | None = None


class _Endpoint:
    def __init__(self, server: CallbackServer, callback: Callback) -> None:
        self.name = callback.settings.name
        self.crypto = callback.crypto
        self.server = server
        metrics = server.metrics
        self._acknowledged = metrics.events_acknowledged.labels(self.name)
        self._duplicate = metrics.events_duplicate.labels(self.name)
        self._received: dict[str, Counter] = {}
        self._posts: list[_Post] = []
        self._reading: asyncio.Task[None] | None = None

    async def verify(self, request: web.Request) -> web.Response:
        """URL verification: answered with the decrypted `echostr`, as plain text, nothing around it."""
        query = request.query
        missing = [name for name in ("msg_signature", "timestamp", "nonce", "echostr") if not query.get(name)]
        if missing:
            return self._refuse("missing", f"The query lacks {', '.join(missing)}.")
        try:
            text = self.crypto.verify_url(query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"])
        except BadCallbackError as error:
            return self._refuse(error.reason, error.message)
        if not query["nonce"].startswith(OWN_NONCE):
            self.server.watch.verified(self.name)
        log.info("verified", callback=self.name)
        return web.Response(text=text)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """An event: stored, then acknowledged with an empty 200."""
        started = time.perf_counter()
        query = request.query
        signature, timestamp, nonce = query.get("msg_signature"), query.get("timestamp"), query.get("nonce")
        if not (signature and timestamp and nonce):
            return self._refuse("missing", "The query lacks msg_signature, timestamp or nonce.")
        limit = self.server.server.max_body_bytes
        if request.content_length is not None and request.content_length > limit:
            return self._refuse("size", f"The body has {request.content_length} bytes; at most {limit} are read.", 413)
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._refuse("size", f"The body has more than {limit} bytes.", 413)
        except web.RequestPayloadError:
            refusal = self._refuse("body", "The body's compression or its chunks are broken.")
            refusal.force_close()
            return refusal
        except ConnectionError:
            return self._refuse("cut", "The caller went away before the body was complete.")
        post = _Post(raw, signature, timestamp, nonce, asyncio.get_running_loop().create_future())
        self._posts.append(post)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_posts(), name=f"callback {self.name}")
        try:
            stored = await post.stored
        except BadCallbackError as error:
            return self._refuse(error.reason, error.message)
        except MalformedEventError as error:
            return self._refuse("event", error.message)
        except StorageError as error:
            return self._leave_unanswered(request, error)
        (self._acknowledged if stored.is_new else self._duplicate).inc()
        assert post.event is not None  # it was stored
        self.server.watch.received(self.name, post.event)
        self.server.metrics.ack_seconds.observe(time.perf_counter() - started)
        return web.Response()

    async def _read_posts(self) -> None:
        """Read what came together in one go: the same few steps again and again take half of what they take in turns
        with all else that a request asks of the processor's caches."""
        try:
            while self._posts:
                await asyncio.sleep(0)
                posts, self._posts = self._posts, []
                for post in posts:
                    try:
                        self._read(post)
                    except Exception as error:  # noqa: BLE001 - the request's own, which answers it
                        if not post.stored.done():
                            post.stored.set_exception(error)
        finally:
            self._reading = None

    def _read(self, post: _Post) -> None:
        envelope = parse_envelope(post.raw, self.server.server.max_body_bytes)
        plain = self.crypto.decrypt(envelope.encrypt, post.signature, post.timestamp, post.nonce)
        post.event = parse_event(plain)
        self._count(post.event.kind[:100])
        self.server.inbox.store(self.name, plain.decode(), post.event, post.stored)

    def _count(self, kind: str) -> None:
        counter = self._received.get(kind)
        if counter is None:  # finding the labels costs ten times the counting
            counter = self._received[kind] = self.server.metrics.events_received.labels(self.name, kind)
        counter.inc()

    def _leave_unanswered(self, request: web.Request, error: StorageError) -> web.StreamResponse:
        log.error("unanswered", callback=self.name, cause=str(error), remedy="WeCom sends it again")
        self.server.metrics.callbacks_unanswered.labels(self.name).inc()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    def _refuse(self, reason: str, message: str, status: int = 400) -> web.Response:
        if reason in FORBIDDEN:
            status = 403
        log.warning("refused", callback=self.name, reason=reason, cause=message)
        self.server.metrics.callbacks_refused.labels(self.name, reason).inc()
        return web.Response(status=status, text=f"{reason}: {message}\n")
