"""Encrypted callbacks (WeCom doc 90930): a deadline of five seconds, up to three more tries, ordered per customer.

Only what people do on their phones or in the admin pages is called back; changes made through the API are not.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

import aiohttp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from yarl import URL

from bot.logs import get_logger
from bot.sandbox.events import value_of
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.records import App
from bot.sandbox.world import World

_BLOCK = 32
_MAX_REPLY_BYTES = 256 * 1024
_KEPT = 5000


class CallbackCipher:
    """WeCom's encryption: AES-256-CBC, PKCS#7 with blocks of 32, `random16 || length || message || receiveid`."""

    def __init__(self, token: str, encoding_aes_key: str, corpid: str, rng: random.Random) -> None:
        self._token, self._corpid, self._rng = token, corpid.encode(), rng
        key = base64.b64decode(encoding_aes_key + "=")
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))

    def encrypt(self, plaintext: str) -> str:
        """The `Encrypt` text of one message."""
        message = plaintext.encode()
        data = self._rng.randbytes(16) + struct.pack(">I", len(message)) + message + self._corpid
        pad = _BLOCK - len(data) % _BLOCK
        encryptor = self._cipher.encryptor()
        return base64.b64encode(encryptor.update(data + bytes([pad]) * pad) + encryptor.finalize()).decode()

    def decrypt(self, encrypted: str) -> str:
        """What an `Encrypt` text says. Raises ValueError when it was made with another key or for another company."""
        decryptor = self._cipher.decryptor()
        data = decryptor.update(base64.b64decode(encrypted)) + decryptor.finalize()
        if not data or not 1 <= data[-1] <= _BLOCK:
            raise ValueError("bad padding")
        data = data[: -data[-1]]
        length = struct.unpack(">I", data[16:20])[0]
        if data[20 + length :] != self._corpid:
            raise ValueError("made for another company")
        return data[20 : 20 + length].decode()

    def sign(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """The msg_signature over the encrypted text."""
        return hashlib.sha1("".join(sorted((self._token, timestamp, nonce, encrypted))).encode()).hexdigest()  # noqa: S324

    def query(self, timestamp: int, encrypted: str) -> str:
        """`msg_signature=…&timestamp=…&nonce=…` for a URL."""
        nonce = str(self._rng.randrange(10**8, 10**10))
        return f"msg_signature={self.sign(str(timestamp), nonce, encrypted)}&timestamp={timestamp}&nonce={nonce}"


@dataclass(slots=True)
class Attempt:
    at: float
    #: HTTP status; 0 when there was no answer.
    status: int
    error: str
    seconds: float


@dataclass(slots=True)
class Delivery:
    """One event on its way to one app."""

    seq: int
    agentid: int
    #: Deliveries of the same key go one after the other.
    key: str
    event: str
    change_type: str
    plaintext: str
    #: AgentID in the envelope: empty for customer events, as WeCom really sends them.
    envelope_agent: str
    url: str
    state: Literal["waiting", "delivered", "failed", "dropped"] = "waiting"
    attempts: list[Attempt] = field(default_factory=list)
    envelope: tuple[str, str] | None = None


@dataclass(slots=True)
class CallbackSettings:
    """How callbacks are sent; changed by POST /sandbox/callbacks/settings."""

    deadline_seconds: float = 5.0
    verify_deadline_seconds: float = 1.0
    #: Pauses before the second, third and fourth try.
    retry_pauses_seconds: tuple[float, ...] = (0.2, 0.5, 1.0)
    #: One customer's events go one after the other; otherwise all at once.
    ordered: bool = True
    #: Timestamp, nonce and ciphertext are made anew for every try.
    fresh_envelope: bool = True
    #: Events beyond this many waiting are dropped, as WeCom drops when an endpoint keeps failing.
    max_waiting: int = 200_000


class Callbacks:
    """The queue and its workers."""

    def __init__(self, world: World, faults: Faults, concurrency: int = 32) -> None:
        self._world, self._faults, self._concurrency = world, faults, concurrency
        self.settings = CallbackSettings()
        self._rng = world.random("callbacks")
        self._queues: dict[str, deque[Delivery]] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()
        self._held: dict[int, tuple[Delivery, asyncio.TimerHandle]] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.seq = 0
        self._log = get_logger("sandbox")
        self.history: deque[Delivery] = deque(maxlen=_KEPT)
        self.delivered = self.failed = 0
        #: Called with (delivery, plaintext of the reply) when an app answers a message at once.
        self.on_reply: Callable[[Delivery, str], None] | None = None

    async def start(self) -> None:
        """Begin to deliver."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"User-Agent": "Mozilla/4.0"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._workers = [asyncio.create_task(self._work(), name=f"callbacks-{n}") for n in range(self._concurrency)]

    async def stop(self) -> None:
        """Stop delivering; what was not delivered is lost, as WeCom's are."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def idle(self) -> None:
        """Wait until nothing is on its way any more: delivered, or given up after the last try."""
        await self._idle.wait()

    @property
    def waiting(self) -> int:
        """Deliveries that are neither done nor given up."""
        return self._waiting

    # -- sending

    def send(self, app: App, plaintext: str, key: str, *, of_app: bool = False) -> Delivery | None:
        """Queue one event for an app; None when it has no callback URL. `of_app`: the envelope names the AgentID."""
        if not app.callback_url:
            return None
        event = value_of(plaintext, "Event") or value_of(plaintext, "MsgType")
        delivery = self._delivery(app, plaintext, key, event, value_of(plaintext, "ChangeType"), of_app)
        faults = list(self._faults.strike("callback", event, delivery.change_type))
        if any(fault.kind == "drop" for fault in faults):
            delivery.state = "dropped"
            return delivery
        held = self._held.pop(app.agentid, None)
        self._dispatch(app, delivery, faults, of_app, may_hold=held is None)
        if held is not None:
            held[1].cancel()
            self._timers.discard(held[1])
            self._enqueue(held[0])
        return delivery

    def _delivery(self, app: App, plaintext: str, key: str, event: str, change_type: str, of_app: bool) -> Delivery:
        self.seq += 1
        order = key if self.settings.ordered else str(self.seq)
        agent = str(app.agentid) if of_app else ""
        delivery = Delivery(
            self.seq, app.agentid, f"{app.agentid}|{order}", event, change_type, plaintext, agent, app.callback_url
        )
        self.history.append(delivery)
        return delivery

    def _dispatch(self, app: App, delivery: Delivery, faults: list[Fault], of_app: bool, may_hold: bool) -> None:
        copies = [delivery]
        pause = 0.0
        hold: Fault | None = None
        for fault in faults:
            if fault.kind == "duplicate":
                copies += [
                    self._delivery(app, delivery.plaintext, delivery.key, delivery.event, delivery.change_type, of_app)
                    for _ in range(fault.times)
                ]
            elif fault.kind == "delay":
                pause += fault.seconds
            elif fault.kind == "reorder":
                hold = fault
        if hold is not None and may_hold:
            # Overtaken by the next one of this app, so it must not wait behind it in the customer's own order.
            self._begin(delivery)
            delivery.key += "|late"
            timer = self._later(hold.seconds, lambda: self._release(app.agentid))
            self._held[app.agentid] = (delivery, timer)
            copies = copies[1:]
        for copy in copies:
            self._begin(copy)
            if pause:
                copy.key += "|late"
                self._later(pause, lambda copy=copy: self._enqueue(copy))  # type: ignore[misc]
            else:
                self._enqueue(copy)

    def _release(self, agentid: int) -> None:
        held = self._held.pop(agentid, None)
        if held is not None:
            self._enqueue(held[0])

    def _begin(self, delivery: Delivery) -> None:
        self._waiting += 1
        self._idle.clear()

    def _end(self, delivery: Delivery, state: Literal["delivered", "failed", "dropped"]) -> None:
        delivery.state, delivery.envelope = state, None
        self.delivered += state == "delivered"
        self.failed += state != "delivered"
        self._waiting -= 1
        if self._waiting == 0:
            self._idle.set()
        self._world.changes.note(
            "callback.done", delivery=delivery.seq, event=delivery.event, change_type=delivery.change_type, state=state,
            attempts=len(delivery.attempts),
        )  # fmt: skip

    def _enqueue(self, delivery: Delivery) -> None:
        if self._waiting > self.settings.max_waiting:
            self._end(delivery, "dropped")
            return
        queue = self._queues.get(delivery.key)
        if queue is None:
            self._queues[delivery.key] = deque((delivery,))
            self._ready.put_nowait(delivery.key)
        else:
            queue.append(delivery)

    def _later(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        def run() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)
        return timer

    # -- delivering

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            delivery = self._queues[key][0]
            try:
                done = await self._attempt(delivery)
            except Exception:  # noqa: BLE001 - one bad delivery must not end a worker
                self._log.exception("callback_delivery_failed", event=delivery.event)
                done = False
            if not done and len(delivery.attempts) <= len(self.settings.retry_pauses_seconds) and delivery.attempts:
                pause = self.settings.retry_pauses_seconds[len(delivery.attempts) - 1]
                self._later(pause, lambda key=key: self._ready.put_nowait(key))  # type: ignore[misc]
                continue
            queue = self._queues[key]
            queue.popleft()
            if queue:
                self._ready.put_nowait(key)
            else:
                del self._queues[key]
            self._end(delivery, "delivered" if done else "failed")

    async def _attempt(self, delivery: Delivery) -> bool:
        app = self._world.apps.get(delivery.agentid)
        if app is None or self._session is None:
            return False
        if delivery.envelope is None or self.settings.fresh_envelope:
            delivery.envelope = self._envelope(app, delivery)
        url, body = delivery.envelope
        loop = asyncio.get_running_loop()
        started = loop.time()
        status, error, reply = 0, "", b""
        try:
            async with self._session.post(
                url,
                data=body.encode(),
                headers={"Content-Type": "text/xml"},
                timeout=aiohttp.ClientTimeout(total=self.settings.deadline_seconds),
                allow_redirects=False,
            ) as response:
                reply = await response.content.read(_MAX_REPLY_BYTES)
                status = response.status
        except TimeoutError:
            error = "no answer in time"
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        seconds = round(loop.time() - started, 4)
        delivery.attempts.append(Attempt(self._world.clock.timestamp(), status, error, seconds))
        if status != 200:
            return False
        if reply and delivery.envelope_agent:
            self._accept_reply(app, delivery, reply)
        return True

    def _cipher(self, app: App) -> CallbackCipher:
        return CallbackCipher(app.callback_token, app.encoding_aes_key, self._world.company.corpid, self._rng)

    def _envelope(self, app: App, delivery: Delivery) -> tuple[str, str]:
        cipher = self._cipher(app)
        encrypted = cipher.encrypt(delivery.plaintext)
        body = (
            f"<xml><ToUserName><![CDATA[{self._world.company.corpid}]]></ToUserName>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt>"
            f"<AgentID><![CDATA[{delivery.envelope_agent}]]></AgentID></xml>"
        )
        query = cipher.query(self._world.now, encrypted)
        return f"{delivery.url}{'&' if '?' in delivery.url else '?'}{query}", body

    def _accept_reply(self, app: App, delivery: Delivery, reply: bytes) -> None:
        text = reply.decode("utf-8", "replace")
        encrypted, signature = value_of(text, "Encrypt"), value_of(text, "MsgSignature")
        cipher = self._cipher(app)
        if not encrypted or cipher.sign(value_of(text, "TimeStamp"), value_of(text, "Nonce"), encrypted) != signature:
            return  # any body that is not a valid encrypted reply is ignored
        with suppress(ValueError):
            plaintext = cipher.decrypt(encrypted)
            if self.on_reply is not None:
                self.on_reply(delivery, plaintext)

    async def verify(self, app: App) -> tuple[bool, str]:
        """Ask the URL whether it is ours, as WeCom does when an admin saves it: (accepted, what went wrong)."""
        if not app.callback_url or self._session is None:
            return False, "no callback URL is configured"
        cipher = self._cipher(app)
        wanted = str(self._rng.randrange(10**18, 10**19))
        echo = cipher.encrypt(wanted)
        query = f"{cipher.query(self._world.now, echo)}&echostr={quote(echo, safe='')}"
        url = f"{app.callback_url}{'&' if '?' in app.callback_url else '?'}{query}"
        timeout = aiohttp.ClientTimeout(total=self.settings.verify_deadline_seconds)
        try:
            async with self._session.get(URL(url, encoded=True), timeout=timeout, allow_redirects=False) as response:
                body = await response.content.read(_MAX_REPLY_BYTES)
                if response.status != 200:
                    return False, f"answered HTTP {response.status}"
                if body != wanted.encode():
                    return False, "answered 200 with another text than the decrypted echostr"
                return True, ""
        except TimeoutError:
            return False, f"no answer within {self.settings.verify_deadline_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return False, f"{type(error).__name__}: {error}"
