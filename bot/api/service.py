"""What the API's handlers work with, and the frame around each of them: access, errors, one log line per change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aiohttp import web
from sqlalchemy.exc import IntegrityError

from bot.api import auditing
from bot.api.access import Gate
from bot.api.answers import ApiError, failure
from bot.api.auditing import READING
from bot.api.described import description_of
from bot.clock import Clock
from bot.config import Settings
from bot.context import Context
from bot.errors import ApprovalNeededError, ObservingError, RetryLaterError, SiyuError
from bot.links import UnusableLinkError
from bot.logs import get_logger
from bot.media_files import InvalidMediaFileError
from bot.render import Renderer, TemplateError
from bot.tag_edits import ForeignTagError
from bot.wecom.errors import QuotaError, WeComError
from bot.wecom.event_base import Event
from data.db import Database
from data.errors import ConflictError, NotFoundError, StorageError
from data.models import ApiToken
from data.queries.audit import API, Actor, add_entry
from data.queries.inbox import NewTask
from data.queries.repeated_requests import KeyReusedError
from data.rules.problems import InvalidRuleError

log = get_logger("api")

#: Under this key a request carries the name of its token: who asks.
CALLER = web.RequestKey("caller", str)
#: And under this one the token itself.
ADMITTED = web.RequestKey("admitted", ApiToken)


class EventPlan(Protocol):
    """What the dispatcher says of an event."""

    @property
    def tasks(self) -> tuple[NewTask, ...]: ...


@dataclass(frozen=True, slots=True)
class Api:
    """The parts that handlers use."""

    clock: Clock
    db: Database
    inbox: Database
    renderer: Renderer
    plan: Callable[[Event], EventPlan]
    context: Context

    @property
    def settings(self) -> Settings:
        """As they are now: admins change some of them in the console."""
        return self.context.settings


Handle = Callable[[Api, web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One route below `/api/v1`: who may use it (`scope`) and what it `says` it does."""

    method: str
    path: str
    scope: str
    handle: Handle
    says: str


def add_api(app: web.Application, prefix: str, api: Api, routes: Sequence[Route]) -> None:
    """Add the API below `prefix`. Not as an application of its own: its frame would lie around every callback too."""
    gate = Gate(api.db, api.clock)
    for route in routes:
        app.router.add_route(route.method, prefix + route.path, _framed(api, gate, route), name=None)
    app.router.add_route("*", f"{prefix}/{{rest:.*}}", _no_such_route)


_ROUTES = "GET /api/v1/openapi.json lists the routes; an id is a number."


async def _no_such_route(request: web.Request) -> web.Response:
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            allowed |= (await resource.resolve(request))[1]
    if allowed:
        return failure(
            405, "method_not_allowed", "Method Not Allowed.", _ROUTES, headers={"Allow": ",".join(sorted(allowed))}
        )
    return failure(404, "not_found", "Not Found.", _ROUTES)


def _framed(api: Api, gate: Gate, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            token = request[ADMITTED] = await gate.admit(request, route.scope)
            request[CALLER] = token.name
            _refuse_unread(request, route)
            response = await route.handle(api, request)
            await _note(api, request, route, response)
        except SiyuError as error:
            return _refusal(error)
        except IntegrityError:
            return failure(409, "conflict", "Something else was written at the same moment.", "Look, and try again.")
        except web.HTTPException as error:
            codes = {404: "not_found", 413: "too_large"}
            return failure(error.status, codes.get(error.status, "bad_request"), f"{error.reason}.")
        except Exception:
            log.exception("failed", method=request.method, path=_loggable(request, route))
            return failure(500, "internal", "The program failed.", "The log says where.")
        if request.method not in READING:
            log.info(
                "changed", by=token.name, method=request.method, path=_loggable(request, route), status=response.status
            )
        return response

    return handle


def _refuse_unread(request: web.Request, route: Route) -> None:
    """A parameter that nobody reads, `?dry_run=true` where it belongs into the body, may not be passed over."""
    told = description_of(route.handle)
    if request.query and (told is None or told.query is None):
        names = ", ".join(sorted(request.query))[:200]
        remedy = "GET /api/v1/openapi.json tells what it reads; fields belong into the JSON body."
        raise ApiError(400, "bad_request", f"This route reads no parameters in its address: {names}.", remedy)


async def _note(api: Api, request: web.Request, route: Route, response: web.StreamResponse) -> None:
    """Write down in the audit log what a program has changed. It is done by now: where the log cannot be written to,
    the answer stays what it is, or the program would do it once more."""
    if not auditing.is_noted(route.method, route.scope) or not auditing.was_done(request, response):
        return
    action = f"{route.handle.__module__.rpartition('.')[2]}.{route.handle.__name__}"
    # What would say who was erased is not kept.
    whom = None if route.scope == "erasure:write" else request.match_info.get("external_userid")
    note = partial(
        add_entry, actor=Actor(None, request[CALLER], API), action=action, what=_loggable(request, route), before=None,
        after=auditing.what_was_sent(request, route.scope), now=api.clock.now(), external_userid=whom,
    )  # fmt: skip
    try:
        await api.db.write(note)
    except StorageError as error:
        log.error("not_in_the_audit_log", by=request[CALLER], action=action, cause=str(error))


def _loggable(request: web.Request, route: Route) -> str:
    """The path as the log may have it: without a customer's id, which would outlive their erasure there."""
    return route.path if "external_userid" in request.match_info else request.path


#: Refusals that say nothing but their message: status and code.
REFUSALS: dict[type[SiyuError], tuple[int, str]] = {
    TemplateError: (422, "invalid"),
    UnusableLinkError: (422, "invalid"),
    InvalidMediaFileError: (422, "invalid"),
    KeyReusedError: (422, "key_reused"),
    NotFoundError: (404, "not_found"),
    ApprovalNeededError: (409, "approval_needed"),
    ConflictError: (409, "conflict"),
    ForeignTagError: (409, "not_ours"),
    ObservingError: (409, "observing"),
    QuotaError: (409, "quota"),
}


def _refusal(error: SiyuError) -> web.Response:
    for kind, (status, code) in REFUSALS.items():
        if isinstance(error, kind):
            return failure(status, code, error.message, error.remedy)
    match error:
        case ApiError():
            return failure(error.status, error.code, error.message, error.remedy, headers=error.headers)
        case InvalidRuleError():
            return failure(422, "invalid", error.message, error.remedy, error.problems)
        case RetryLaterError():
            after = str(max(1, round(error.after_seconds or 5)))
            return failure(503, "unavailable", error.message, error.remedy, headers={"Retry-After": after})
        case StorageError():
            log.error("unavailable", cause=str(error))
            return failure(503, "unavailable", error.message, error.remedy, headers={"Retry-After": "5"})
        case WeComError():
            log.warning("refused_by_wecom", cause=str(error))
            return failure(502, "refused_by_wecom", error.message, error.remedy)
        case _:
            log.error("failed", cause=str(error))
            return failure(500, "failed", error.message, error.remedy)
