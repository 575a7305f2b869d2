"""The callback server: verify, decrypt, store, acknowledge.

Not from WeCom: a 4xx, one log line, one counter. From WeCom: an empty 200, but only after the event is stored; what
cannot be stored in time is not answered at all, because of WeCom's two pages on retries only that counts as a failure
in both.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from prometheus_client import Counter as CounterMetric

from bot.config import CallbackSettings, ServerSettings
from bot.logs import get_logger
from bot.metrics import Metrics
from bot.wecom.crypto import OWN_NONCE, CallbackCrypto, parse_envelope
from bot.wecom.errors import BadCallbackError
from bot.wecom.event_base import Event
from bot.wecom.event_xml import MalformedEventError, parse_event
from data.errors import StorageError
from data.queries.inbox import StoredEvent

log = get_logger("callback")

#: BadCallbackError reasons that say "not yours to call" rather than "not understood".
FORBIDDEN = frozenset({"signature", "receiver"})
#: Signature, timestamp and nonce are short; what is longer is not from WeCom.
QUERY_MAX = 2048
#: WeCom gives up after 5 seconds: a body that takes longer will be sent again, and nobody else needs longer.
BODY_SECONDS = 5.0
#: The query as WeCom itself writes it, where nothing is escaped; any other is read by the general means.
_USUAL_QUERY = re.compile(r"[^?#]*\?msg_signature=([0-9a-f]{40})&timestamp=([0-9]{1,20})&nonce=([0-9A-Za-z_-]{1,64})")


class Store(Protocol):
    """Where events go: `stored` is told once they are durable, or the StorageError of what cannot be stored in time."""

    def store(self, callback: str, body: str, event: Event, stored: asyncio.Future[StoredEvent]) -> None: ...


class Answers(Protocol):
    """Where the answers to staff come from that go back at once; an empty text is none."""

    async def find(self, event: Event, stored: StoredEvent, started: float) -> str: ...


class Watch(Protocol):
    """Who wants to know that a callback showed signs of life."""

    def verified(self, callback: str) -> None: ...
    def received(self, callback: str, events: Iterable[Event]) -> None: ...


@dataclass(frozen=True, slots=True)
class Callback:
    """One configured callback URL with its own token and key."""

    settings: CallbackSettings
    crypto: CallbackCrypto


class _Acknowledgement(web.StreamResponse):
    """The empty 200 on a connection that goes on: the same bytes each time. aiohttp would put the same few headers
    together anew for every event, which takes as long as decrypting it. Holds nothing of a request: one serves all."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._bytes = b""

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The caller went away before the acknowledgement.")
        second = int(time.time())
        if second != self._second:
            self._second = second
            date = formatdate(second, usegmt=True)
            self._bytes = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: {date}\r\n\r\n".encode()
        transport.write(self._bytes)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing follows."""


class CallbackServer:
    """Answers WeCom on the configured paths."""

    def __init__(
        self,
        callbacks: Sequence[Callback],
        server: ServerSettings,
        inbox: Store,
        watch: Watch,
        metrics: Metrics,
        answers: Answers | None = None,
    ) -> None:
        self.callbacks = callbacks
        self.server = server
        self.inbox = inbox
        self.watch = watch
        self.metrics = metrics
        self.answers = answers

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
        self._received: dict[str, CounterMetric] = {}
        self._acknowledgement = _Acknowledgement()
        self._posts: list[_Post] = []
        self._reading: asyncio.Task[None] | None = None
        self._answered: list[tuple[Event, bool, float]] = []

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
        signature, timestamp, nonce = _signed_with(request)
        if not (signature and timestamp and nonce):
            return self._refuse("missing", "The query lacks msg_signature, timestamp or nonce.")
        raw = await self._read_body(request)
        if isinstance(raw, web.Response):
            return raw
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
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._count_answered)
        assert post.event is not None  # it was stored
        self._answered.append((post.event, stored.is_new, time.perf_counter() - started))
        if post.event.TAKES_REPLY and (reply := await self._find_reply(post.event, stored, started)) is not None:
            return reply
        if request.version == HttpVersion11 and request.keep_alive:
            return self._acknowledgement
        return web.Response()

    async def _find_reply(self, event: Event, stored: StoredEvent, started: float) -> web.Response | None:
        """The answer to a member that goes back at once. Without one the event is acknowledged like any other: it is
        stored, and what is answered later goes by app message."""
        answers = self.server.answers
        try:
            words = await answers.find(event, stored, started) if answers is not None else ""
        except Exception as error:  # noqa: BLE001 - the event is stored, whatever happens to its answer
            log.warning("reply_failed", callback=self.name, cause=type(error).__name__)
            return None
        if not words:
            return None
        body = self.crypto.encrypt_text(event.from_user, words, int(time.time()), secrets.token_hex(8))
        return web.Response(text=body, content_type="application/xml")

    async def _read_body(self, request: web.Request) -> bytes | web.Response:
        """The body, or how the caller is told that it is not taken."""
        limit = self.server.server.max_body_bytes
        if request.content_length is not None and request.content_length > limit:
            return self._refuse("size", f"The body has {request.content_length} bytes; at most {limit} are read.", 413)
        try:
            if request.content.is_eof():  # nearly always: it came with its headers
                return await request.read()
            async with asyncio.timeout(BODY_SECONDS):
                return await request.read()
        except TimeoutError:
            refusal = self._refuse("slow", f"The body was not complete within {BODY_SECONDS:g} seconds.", 408)
        except web.HTTPRequestEntityTooLarge:
            return self._refuse("size", f"The body has more than {limit} bytes.", 413)
        except web.RequestPayloadError:
            refusal = self._refuse("body", "The body's compression or its chunks are broken.")
        except ConnectionError:
            return self._refuse("cut", "The caller went away before the body was complete.")
        refusal.force_close()
        return refusal

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
                for kind, number in Counter(post.event.kind[:100] for post in posts if post.event is not None).items():
                    self._count(kind, number)
        finally:
            self._reading = None

    def _read(self, post: _Post) -> None:
        envelope = parse_envelope(post.raw, self.server.server.max_body_bytes)
        plain = self.crypto.decrypt(envelope.encrypt, post.signature, post.timestamp, post.nonce)
        post.event = parse_event(plain)
        self.server.inbox.store(self.name, plain, post.event, post.stored)

    def _count(self, kind: str, number: int) -> None:
        counter = self._received.get(kind)
        if counter is None:  # finding the labels costs ten times the counting
            counter = self._received[kind] = self.server.metrics.events_received.labels(self.name, kind)
        counter.inc(number)

    def _count_answered(self) -> None:
        """Count what was acknowledged together, in one go as it was read."""
        answered, self._answered = self._answered, []
        new = sum(is_new for _, is_new, _ in answered)
        self._acknowledged.inc(new)
        self._duplicate.inc(len(answered) - new)
        self.server.watch.received(self.name, [event for event, _, _ in answered])
        for _, _, seconds in answered:
            self.server.metrics.ack_seconds.observe(seconds)

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


def _signed_with(request: web.Request) -> tuple[str, str, str]:
    """Signature, timestamp and nonce; empty where there is none."""
    usual = _USUAL_QUERY.fullmatch(request.raw_path)
    if usual is not None:
        return usual[1], usual[2], usual[3]
    query = request.query
    return query.get("msg_signature", ""), query.get("timestamp", ""), query.get("nonce", "")
