"""One call to WeCom: token, budget, request, answer, and the repeats that are safe."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import unquote

import aiohttp
from pydantic_core import from_json

from bot.clock import Clock
from bot.logs import get_logger
from bot.wecom.codes import CONFLICT, RATE_LIMIT, SYSTEM_BUSY, TOKEN_REFUSED
from bot.wecom.errors import UnreachableError, WeComError, error_for, http_refused, no_answer
from bot.wecom.limits import Limits
from bot.wecom.repeat import pause_before_repeat
from bot.wecom.token import Token, TokenSource, TokenStore, token_key

Json = dict[str, Any]
#: Told of every attempt: path, errcode (or a word where WeCom did not answer), seconds.
OnCall = Callable[[str, int | str, float], None]
Sleep = Callable[[float], Awaitable[None]]

ANSWER_MAX_BYTES: Final = 32 * 1024 * 1024
FILE_MAX_BYTES: Final = 20 * 1024 * 1024
SLOW_LINE_BYTES_PER_SECOND: Final = 512 * 1024
SENDING_NEEDS_SECONDS: Final = 0.1  # with less than this left before its deadline a call is not begun
_WARNING: Final = "Warning: wrong json format"
_UNSAFE_IN_FILENAME = re.compile(r'[\x00-\x1f\x7f"\\/]')


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How one caller wants its calls made.

    `deadline_seconds` bounds the whole call: waiting for a budget, requests and repeats. `urgent` calls use the
    reserved share of the budgets and never wait behind others.
    """

    deadline_seconds: float = 30.0
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """One part of a multipart body, read into memory so that it can be sent again."""

    part: str
    filename: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its caller means it, without the token. `path` is below /cgi-bin/."""

    method: str
    path: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    uploads: tuple[Upload, ...] = ()
    repeatable: bool = False
    wants_file: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """A file from WeCom: its bytes, the name it was uploaded under ("" if WeCom gives none) and its media type."""

    content: bytes = field(repr=False)
    filename: str
    content_type: str


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _NoReplyError(Exception):
    """Nothing usable came back; `word` for the metrics, `what` for people, `sent`: the request may have arrived."""

    def __init__(self, word: str, what: str, *, sent: bool) -> None:
        super().__init__(what)
        self.word = word
        self.what = what
        self.sent = sent


class Transport:
    """Makes calls with one app's token on one HTTP session."""

    def __init__(
        self,
        corpid: str,
        secret: str,
        *,
        base_url: str,
        session: aiohttp.ClientSession | None,
        clock: Clock,
        store: TokenStore,
        limits: Limits,
        timeout_seconds: float,
        connect_timeout_seconds: float,
        max_connections: int,
        on_call: OnCall | None,
        chance: random.Random,
        sleep: Sleep,
    ) -> None:
        self._corpid = corpid
        self._secret = secret
        self._base_url = base_url
        self._session = session
        self._own_session: aiohttp.ClientSession | None = None
        self._max_connections = max_connections
        self._clock = clock
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._on_call = on_call
        self._chance = chance
        self._sleep = sleep
        self._warned: set[str] = set()
        self.ahead_seconds = 0.0
        self._log = get_logger("wecom")
        self.token = TokenSource(self._fetch_token, store, token_key(corpid, secret), clock)

    def open(self) -> None:
        """Open an HTTP session unless one was given."""
        if self._session is None:
            self._session = self._own_session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
            )

    async def close(self) -> None:
        """Stop fetching a token; close the session that `open` opened."""
        await self.token.close()
        if self._own_session is not None:
            await self._own_session.close()
            self._session = self._own_session = None

    async def call(self, call: Call, options: CallOptions) -> Json | Download:
        """WeCom's answer to `call`: its JSON with errcode 0 or none, or the file it wants.

        Raises WeComError, in the subclass that says what to do next.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + options.deadline_seconds
        tries, unanswered, refused_token = 0, False, ""
        while True:
            tries += 1
            token = ""
            try:
                token = await self._present_token(call.path, refused_token, deadline)
                return await self._attempt(call, token, options.urgent, deadline)
            except WeComError as error:
                failure = error
            failure.earlier_attempt_unanswered = unanswered
            pause = pause_before_repeat(failure, tries, renewed=bool(refused_token))
            if pause is None or loop.time() + pause + SENDING_NEEDS_SECONDS > deadline:
                raise failure
            if failure.errcode in TOKEN_REFUSED and failure.path == call.path:
                refused_token = token
                tries -= 1
            elif failure.errcode != RATE_LIMIT:  # that pause is kept by the limiter, which lets the first in line try
                unanswered = unanswered or _was_sent_in_vain(failure, call)
                await self._sleep(pause * self._chance.uniform(0.75, 1.25))

    async def fetch(self, address: str, max_bytes: int) -> bytes:
        """What lies at an address that WeCom gave, without our token: no call of the API. Raises NoAnswerError."""
        if self._session is None:
            raise RuntimeError("The WeCom client is not open: use it inside `async with`.")
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds, connect=self._connect_timeout_seconds)
        try:
            async with self._session.get(address, timeout=timeout, allow_redirects=False) as response:
                content = await response.content.read(max_bytes + 1) if response.status == 200 else b""
                while content and len(content) <= max_bytes and (more := await response.content.read(max_bytes)):
                    content += more
                what = f"HTTP status {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            content, what = b"", f"no answer ({type(error).__name__})"
        if content and len(content) <= max_bytes:
            return content
        raise no_answer(
            "picture", what if not content else f"more than {max_bytes:,} bytes", sent=True, repeatable=True
        )

    async def _present_token(self, path: str, refused: str, deadline: float) -> str:
        try:
            async with asyncio.timeout_at(deadline):
                return await (self.token.renew(refused) if refused else self.token.get())
        except TimeoutError:
            pass
        raise no_answer(path, "no access token came in time", sent=False, repeatable=True)

    async def _attempt(self, call: Call, token: str, urgent: bool, deadline: float) -> Json | Download:
        loop = asyncio.get_running_loop()
        left = max(0.0, deadline - loop.time())
        async with self._limits.slot(call.path, urgent=urgent, max_wait_seconds=left):
            left = deadline - loop.time()
            if left < SENDING_NEEDS_SECONDS:
                raise no_answer(call.path, "its time was over", sent=False, repeatable=True)
            seconds = min(self._timeout_of(call), left)
            try:
                answer = await self._measured(call, {**call.params, "access_token": token}, seconds)
            except WeComError as error:
                self._learn(call.path, error)
                raise
            self._limits.succeeded(call.path)
            return answer

    def _timeout_of(self, call: Call) -> float:
        """Longest wait for one answer: files get the time that a slow line takes for them besides."""
        file_bytes = FILE_MAX_BYTES if call.wants_file else sum(len(upload.content) for upload in call.uploads)
        return self._timeout_seconds + file_bytes / SLOW_LINE_BYTES_PER_SECOND

    async def _measured(self, call: Call, params: Mapping[str, str], seconds: float) -> Json | Download:
        started = time.perf_counter()
        code: int | str = "cancelled"
        try:
            answer = self._read(call, await self._exchange(call, params, seconds))
            code = 0
            return answer
        except _NoReplyError as silence:
            code = silence.word
            failure = no_answer(call.path, silence.what, sent=silence.sent, repeatable=call.repeatable)
        except WeComError as error:
            code = error.errcode if error.errcode is not None else "http"
            failure = error
        finally:
            if self._on_call is not None:
                self._on_call(call.path, code, time.perf_counter() - started)
        # Raised out here so that no aiohttp error, whose text may hold the URL with its token, hangs on it.
        raise failure

    async def _exchange(self, call: Call, params: Mapping[str, str], seconds: float) -> _Reply:
        session = self._session
        if session is None:
            raise RuntimeError("The WeCom client is not open: use it inside `async with`.")
        timeout = aiohttp.ClientTimeout(
            total=seconds, connect=min(self._connect_timeout_seconds, seconds), sock_connect=None, sock_read=None
        )
        body: bytes | aiohttp.FormData | None = _form(call.uploads) if call.uploads else call.body
        headers = {"Content-Type": "application/json"} if call.body is not None else None
        began = time.time()
        try:
            async with session.request(
                call.method,
                call.url,
                params=params,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                self.ahead_seconds = ahead_of(response.headers.get("Date"), began, time.time(), self.ahead_seconds)
                content = bytearray()
                async for chunk in response.content.iter_chunked(65_536):
                    content += chunk
                    if len(content) > ANSWER_MAX_BYTES:
                        raise _NoReplyError("too_large", f"an answer of over {ANSWER_MAX_BYTES} bytes", sent=True)
                return _Reply(response.status, response.headers, bytes(content))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _NoReplyError("unreachable", f"no connection ({type(error).__name__})", sent=False) from None
        except TimeoutError:
            raise _NoReplyError("timeout", f"no answer within {seconds:.1f} seconds", sent=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _NoReplyError("lost", f"the connection was lost ({type(error).__name__})", sent=True) from None

    def _read(self, call: Call, reply: _Reply) -> Json | Download:
        if reply.status >= 500:
            raise _NoReplyError(f"http_{reply.status}", f"HTTP status {reply.status}", sent=True)
        if not 200 <= reply.status < 300:
            raise http_refused(call.path, reply.status)
        if call.wants_file and "Content-Disposition" in reply.headers:
            return Download(reply.body, _filename(reply.headers), reply.headers.get("Content-Type", ""))
        try:
            answer = _parse(reply.body)
            if b"\\u" in reply.body or b"\0" in reply.body:
                answer = _writable(answer)
            errcode = int(answer.get("errcode") or 0)
        except (ValueError, TypeError, AttributeError, RecursionError):
            if call.wants_file:
                return Download(reply.body, "", reply.headers.get("Content-Type", ""))
            raise _NoReplyError("garbage", "an answer that is not WeCom's JSON", sent=True) from None
        errmsg = str(answer.get("errmsg") or "")
        if errcode == 0:
            if _WARNING in errmsg and call.path not in self._warned:
                self._warned.add(call.path)
                self._log.warning("fields_ignored", path=call.path)
            if "errcode" in answer:
                answer["errcode"] = 0
            return dict(answer)
        if errcode == SYSTEM_BUSY and not call.repeatable:
            raise no_answer(call.path, "WeCom said it was busy (-1)", sent=True, repeatable=False, errcode=errcode)
        raise error_for(call.path, errcode, errmsg)

    def _learn(self, path: str, error: WeComError) -> None:
        if error.errcode == RATE_LIMIT:
            error.after_seconds = self._limits.paused(path)
            self._log.warning("rate_limited", path=path, pause_seconds=round(error.after_seconds))
        elif error.errcode in CONFLICT:
            self._limits.conflicted(path)
        elif error.errcode is not None and error.errcode != SYSTEM_BUSY:
            self._limits.succeeded(path)

    async def _fetch_token(self) -> Token:
        call = Call("GET", "gettoken", f"{self._base_url}gettoken", repeatable=True)
        asked_at = self._clock.now()
        params = {"corpid": self._corpid, "corpsecret": self._secret}
        answer = await self._measured(call, params, self._timeout_seconds)
        try:
            assert isinstance(answer, dict)
            value, expires_in = str(answer["access_token"]), float(answer.get("expires_in", 7200))
        except (KeyError, TypeError, ValueError):
            value, expires_in = "", 0.0
        if not value:
            raise no_answer("gettoken", "an answer without a token", sent=True, repeatable=True)
        return Token(value, asked_at + timedelta(seconds=expires_in))


def ahead_of(date: str | None, began: float, ended: float, before: float = 0.0) -> float:
    """By how many seconds the clock that wrote `date` (a header, in whole seconds) is ahead of ours, by which the call
    ran from `began` to `ended`: 0 where both may show the same; `before` where there is no date."""
    try:
        theirs = parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, TypeError, OverflowError):
        theirs = None
    if theirs is None:
        return before
    if theirs + 1 >= began and theirs <= ended:
        return 0.0
    return theirs - ended if theirs > ended else theirs + 1 - began


def _was_sent_in_vain(failure: WeComError, call: Call) -> bool:
    return failure.path == call.path and failure.errcode is None and not isinstance(failure, UnreachableError)


def _parse(body: bytes) -> Any:
    """JSON, however it is written; raises ValueError for anything else."""
    try:
        return from_json(body)
    except ValueError:
        # Control characters in strings, and bytes that are no UTF-8, are let through: customers' names hold them.
        return json.loads(body.decode("utf-8", "replace"), strict=False)


def _writable(value: Any) -> Any:
    """Without NUL and halves of characters in strings: JSON's escapes can carry them, databases refuse them."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(key): _writable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_writable(inner) for inner in value]
    return value


def _form(uploads: tuple[Upload, ...]) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)  # WeCom reads file names as plain UTF-8, not percent-encoded
    for upload in uploads:
        name = _UNSAFE_IN_FILENAME.sub("_", upload.filename) or "media"
        form.add_field(upload.part, upload.content, filename=name, content_type=upload.content_type)
    return form


def _filename(headers: Mapping[str, str]) -> str:
    disposition = headers["Content-Disposition"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    message = Message()
    message["Content-Disposition"] = disposition
    return unquote(message.get_filename("") or "")
