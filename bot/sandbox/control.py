"""The control API under /sandbox/: JSON in and out, for tests, the phone page and curious people on this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.sandbox.calls import read_json
from bot.sandbox.errors import ApiError, NotFoundError, WorldError
from bot.sandbox.machine import MACHINE, Machine

#: A comment line keeps an idle event stream alive this often.
_KEEP_ALIVE_SECONDS = 15


class Body(BaseModel):
    """What a route takes: from the path, the query and the JSON body together. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Body):
    """Takes nothing."""


@dataclass(slots=True, frozen=True)
class Route:
    """One route of the control API; `path` is under /sandbox."""

    method: str
    path: str
    body: type[Body]
    act: Callable[[Machine, Any], Any | Awaitable[Any]]


def add_control(app: web.Application, routes: Iterable[Route]) -> None:
    """Put the control API into an application."""
    for route in routes:
        app.router.add_route(route.method, f"/sandbox{route.path}", handler_of(route))
    app.router.add_get("/sandbox/events", stream_events)


def handler_of(
    route: Route, headers: Mapping[str, str] | None = None
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What answers a route: refuses strangers, checks the body, gives every error its one shape."""

    async def handle(request: web.Request) -> web.StreamResponse:
        refused = refuse_strangers(request)
        if refused is not None:
            return refused
        try:
            values: dict[str, Any] = {**request.query, **request.match_info}
            if request.can_read_body:
                try:
                    sent = read_json(await request.read())
                except ValueError:
                    return failure(400, "bad_request", "The body is not JSON.")
                if not isinstance(sent, dict):
                    return failure(400, "bad_request", "The body is not a JSON object.")
                values |= sent
            result = route.act(request.app[MACHINE], route.body.model_validate(values))
            if isinstance(result, Awaitable):
                result = await result
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            return failure(400, "bad_request", "; ".join(faults))
        except NotFoundError as error:
            return failure(404, "not_found", error.message, error.remedy)
        except WorldError as error:
            return failure(409, "not_possible", error.message, error.remedy)
        except ApiError as error:
            return failure(409, "not_possible", f"WeCom would answer {error.errcode} {error.text}.")
        if isinstance(result, web.StreamResponse):
            return result
        return web.json_response(result, headers=headers, dumps=_dumps)

    return handle


def failure(status: int, code: str, message: str, remedy: str = "") -> web.Response:
    """The one shape of an error."""
    return web.json_response(
        {"error": {"code": code, "message": message, "remedy": remedy}}, status=status, dumps=_dumps
    )


def refuse_strangers(request: web.Request) -> web.Response | None:
    """Refuse what a web page from elsewhere could send through the user's browser: a foreign Host or Origin."""
    if not is_loopback(request.host):
        return failure(403, "forbidden", "The control API is for this machine only: the Host is not loopback.")
    origin = request.headers.get("Origin")
    if origin is not None and not is_loopback(origin.partition("://")[2]):
        return failure(403, "forbidden", "The control API is for this machine only: the Origin is not loopback.")
    return None


def is_loopback(host: str) -> bool:
    """Whether `host` (with or without a port) names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def stream_events(request: web.Request) -> web.StreamResponse:
    """Server-sent events: every change of the world, from `Last-Event-ID` or `?since=` on if given."""
    refused = refuse_strangers(request)
    if refused is not None:
        return refused
    since = request.headers.get("Last-Event-ID") or request.query.get("since", "")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    changes = request.app[MACHINE].world.changes
    begin = int(since) if since.isdigit() else changes.seq
    await response.prepare(request)
    await response.write(f": {changes.seq}\n\n".encode())
    stream = changes.watch(begin)
    pending: asyncio.Task[tuple[int, str]] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(stream))
            done, _ = await asyncio.wait((pending,), timeout=_KEEP_ALIVE_SECONDS)
            if not done:
                await response.write(b": still here\n\n")
                continue
            try:
                number, text = pending.result()
            except StopAsyncIteration:
                break
            finally:
                pending = None
            await response.write(f"id: {number}\ndata: {text}\n\n".encode())
    except (ConnectionResetError, asyncio.CancelledError):
        pass
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
        await stream.aclose()
    return response


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
