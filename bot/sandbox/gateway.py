"""The front door of the API: token, address, limits, permission, faults, and WeCom's envelope around each answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from bot.logs import get_logger
from bot.sandbox.calls import Answer, Call, CallRecord, Endpoint, Params, read_json
from bot.sandbox.errors import ApiError
from bot.sandbox.faults import Fault
from bot.sandbox.machine import Machine
from bot.sandbox.records import App

WARNING = "Warning: wrong json format. "
MAX_JSON_BYTES = 4 * 1024 * 1024
_QUERY_URL = "https://open.work.weixin.qq.com/devtool/query?e="


class Gateway:
    """Serves /cgi-bin/ for one machine."""

    def __init__(self, machine: Machine, endpoints: Iterable[Endpoint]) -> None:
        self.machine = machine
        self.endpoints: dict[str, Endpoint] = {endpoint.path: endpoint for endpoint in endpoints}
        self._log = get_logger("sandbox")
        self._failures = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call. Every error of the API is HTTP 200; only an unknown path is 404."""
        path = request.match_info["path"]
        endpoint = self.endpoints.get(path)
        if endpoint is None:
            return web.Response(status=404, text="<html><head><title>404 Not Found</title></head></html>")
        started = time.perf_counter()
        faults = list(self.machine.faults.strike("api", path))
        kinds = {fault.kind for fault in faults}
        await asyncio.sleep(sum(fault.seconds for fault in faults if fault.kind == "latency"))
        if kinds & {"drop", "http"}:
            self._record(endpoint, request, 0, 0, b"", Params({}), ",".join(kinds), started)
            if "drop" in kinds:
                return _drop(request)
            return web.Response(status=next(fault.status for fault in faults if fault.kind == "http"))
        params, body, agentid, errcode = Params({}), b"", 0, 0
        try:
            body = b"" if endpoint.multipart else await _read(request)
            params = _params(endpoint, request, body)
            app = self._admit(endpoint, request)
            agentid = app.agentid
            self._fail(faults, path, app)
            call = Call(self.machine, app, params, request, self.machine.world.clock.timestamp())
            if self.machine.due_at <= call.now:
                self.machine.settle()
            response = self._success(await endpoint.handler(call), params)
        except ApiError as error:
            errcode = error.errcode
            response = self._failure(endpoint, error, params, request)
        except ConnectionError:  # whoever called is gone before saying all: nobody waits for an answer
            raise
        except Exception:  # noqa: BLE001 - a fault of ours is WeCom's "system error"
            self._log.exception("endpoint_failed", path=path)
            errcode = -1
            response = self._failure(endpoint, ApiError(-1), params, request)
        self._record(endpoint, request, agentid, errcode, body, params, ",".join(kinds), started)
        return _drop(request) if "lose_answer" in kinds else response

    # -- admission

    def _fail(self, faults: list[Fault], path: str, app: App) -> None:
        now = self.machine.world.clock.timestamp()
        for fault in faults:
            if fault.kind == "errcode":
                raise ApiError(fault.errcode)
            if fault.kind == "expire_token":
                self.machine.tokens.expire(app.agentid)
                raise ApiError(42001)
            if fault.kind == "throttle":
                self.machine.limits.block(path, now + fault.seconds)
                raise ApiError(45009)

    def _admit(self, endpoint: Endpoint, request: web.Request) -> App:
        world, now = self.machine.world, self.machine.world.clock.timestamp()
        if not endpoint.needs_token:
            self.machine.limits.spend(endpoint.path, now)
            return world.app
        app = world.apps.get(self.machine.tokens.check(request.query.get("access_token", ""), now))
        if app is None or not app.enabled:
            raise ApiError(40014)
        if app.trusted_ips and (request.remote or "") not in app.trusted_ips:
            raise ApiError(60020)
        self.machine.limits.spend(endpoint.path, now)
        if endpoint.customer_contact and not app.customer_contact:
            raise ApiError(48002)
        return app

    # -- the envelope

    def _success(self, answer: Answer, params: Params) -> web.StreamResponse:
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, bytes):
            return web.Response(body=answer, headers=_HEADERS)
        errmsg = answer.get("errmsg", "ok")
        if params.wrong:
            errmsg = f"{errmsg}. {WARNING}"
        return _json({"errcode": 0, "errmsg": errmsg} | {k: v for k, v in answer.items() if k != "errmsg"})

    def _failure(self, endpoint: Endpoint, error: ApiError, params: Params, request: web.Request) -> web.StreamResponse:
        now = self.machine.world.now
        self._failures += 1
        number = self._failures
        mark = hashlib.md5(f"{now}:{number}".encode(), usedforsecurity=False).hexdigest()
        prefix = WARNING if params.wrong else ""
        errmsg = (
            f"{prefix}{error.text}, hint: [{now}_{number % 1000}_{mark}], from ip: {request.remote}, "
            f"more info at {_QUERY_URL}{error.errcode}"
        )
        response = _json({"errcode": error.errcode, "errmsg": errmsg, **endpoint.empty})
        response.headers["Error-Code"] = str(error.errcode)
        response.headers["Error-Msg"] = errmsg.encode("ascii", "replace").decode().replace("\n", " ").replace("\r", " ")
        return response

    def _record(
        self, endpoint: Endpoint, request: web.Request, agentid: int, errcode: int, body: bytes, params: Params,
        fault: str, started: float,
    ) -> None:  # fmt: skip
        query = "&".join(
            sorted(f"{k}={v}" for k, v in request.query.items() if k not in ("access_token", "corpsecret"))
        )
        digest = hashlib.sha256(query.encode() + b"\n" + body).hexdigest()[:16]
        userid, external_userid = params.values.get("userid", ""), params.values.get("external_userid", "")
        log = self.machine.calls
        log.seq += 1
        log.add(
            CallRecord(
                log.seq,
                self.machine.world.clock.timestamp(),
                endpoint.path,
                request.method,
                agentid,
                errcode,
                digest,
                userid if isinstance(userid, str) else "",
                external_userid if isinstance(external_userid, str) else "",
                fault,
                round(time.perf_counter() - started, 6),
            )
        )


_HEADERS = {"Content-Type": "application/json; charset=UTF-8"}


def _json(body: Mapping[str, Any]) -> web.Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(body=text.encode("utf-8", "replace"), headers=_HEADERS)


def _drop(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _read(request: web.Request) -> bytes:
    """The body. Raises ApiError 40206 when it is too large."""
    if (request.content_length or 0) > MAX_JSON_BYTES:
        raise ApiError(40206)
    try:
        return await request.read() if request.can_read_body else b""
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(40206) from None


def _params(endpoint: Endpoint, request: web.Request, body: bytes) -> Params:
    """The parameters that count: the query of a GET, the JSON body of a POST. With the wrong verb there are none."""
    if endpoint.multipart or (endpoint.method == "GET" and request.method in ("GET", "HEAD")):
        return Params({name: value for name, value in request.query.items() if name != "access_token"}, query=True)
    if endpoint.method != request.method or endpoint.method == "GET":
        return Params({})
    if not body:
        return Params({})
    params = Params({})
    try:
        values = read_json(body)
        if isinstance(values, dict):
            params = Params(values)
        else:
            params.wrong = True
    except ValueError:
        params.wrong = True
    return params
