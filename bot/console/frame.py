"""The frame around every view of the console: who asks, whether they may, where a form comes from, and what went
wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web
from multidict import MultiDict
from sqlalchemy.exc import IntegrityError

from bot.console.asks import Ask, Parts, View, may
from bot.console.logins import Reader
from bot.console.ways import are_equal, is_from_here
from bot.errors import SiyuError
from bot.logs import get_logger
from data.errors import ConflictError, NotFoundError, StorageError
from data.models import Role
from data.rules.problems import InvalidRuleError

log = get_logger("console")

SIGN_IN = "/console/sign-in"
#: PostgreSQL keeps no text with it, and no page of ours sends one.
NUL = "\x00"
READING = frozenset({"GET", "HEAD"})
#: Of what is sent to the console. Files have routes of their own with their own bound.
FORM_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the console: who may use it (`role` and those above), and how much may be sent to it."""

    method: str
    path: str
    role: str
    view: View
    max_bytes: int = FORM_MAX_BYTES


def framed(parts: Parts, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A route's view in its frame."""

    async def handle(request: web.Request) -> web.StreamResponse:
        language = parts.painter.language_of(request)
        try:
            reader = await parts.logins.find_reader(request)
            if reader is None or (parts.place.members_only and not reader.userid):
                return _ask_to_sign_in(parts, request, language)
            ask = Ask(request, parts, reader)
            if NUL in request.rel_url.path or NUL in request.rel_url.query_string:
                return notice(ask, "not_found", 404)
            if not may(reader.account, Role(route.role)):
                return notice(ask, "not_permitted", 403)
            if route.method not in READING:
                ask.form = await _read_form(request, route)
                if not _is_theirs(request, ask.form, reader):
                    return notice(ask, "again", 403)
            answer = await _answer(ask, route)
        except web.HTTPRequestEntityTooLarge:
            return parts.painter.paint(
                request, parts.place.notice, 413, language=language, about="too_large", words="", remedy=""
            )
        except (StorageError, TimeoutError) as error:
            log.error("unavailable", cause=str(error), path=route.path)
            return parts.painter.paint(
                request, parts.place.notice, 503, language=language, about="away", words="", remedy=""
            )
        if route.method not in READING:
            log.info("changed", account=reader.account.id, path=route.path, status=answer.status)
        return answer

    return handle


async def _answer(ask: Ask, route: Route) -> web.StreamResponse:
    try:
        return await route.view(ask)
    except NotFoundError as error:
        return notice(ask, "not_found", 404, error)
    except InvalidRuleError as error:
        return notice(ask, "invalid", 400, error)
    except (ConflictError, IntegrityError) as error:
        return notice(ask, "conflict", 409, error if isinstance(error, SiyuError) else None)
    except (StorageError, TimeoutError, web.HTTPException):
        raise
    except SiyuError as error:
        return notice(ask, "refused", 400, error)
    except Exception:
        log.exception("failed", method=ask.request.method, path=route.path)
        return notice(ask, "failed", 500)


def notice(ask: Ask, about: str, status: int, error: SiyuError | None = None) -> web.Response:
    """A page, or the part of one, that says why not, and what can be done."""
    place = ask.parts.place
    template = place.part if ask.is_htmx else place.notice
    words, remedy = "", ""
    if error is not None:
        words = ask.told(error.problems if isinstance(error, InvalidRuleError) else error.message)
        remedy = ask.told(error.remedy)
    answer = ask.show(template, status, about=about, words=words, remedy=remedy)
    if ask.is_htmx:
        # Whatever part was asked for stays; what went wrong is said above it.
        answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#said", "innerHTML"
    return answer


async def _read_form(request: web.Request, route: Route) -> MultiDict[object]:
    # The application's own bound is that of a callback.
    request._client_max_size = route.max_bytes  # noqa: SLF001 - aiohttp has no other way to bound one route
    try:
        sent = await request.post()
        return MultiDict(
            (name, each.replace(NUL, "") if isinstance(each, str) else each) for name, each in sent.items()
        )
    except (ValueError, LookupError, AssertionError):
        # No page of ours sends what cannot be read: it is a form without our token.
        return MultiDict()


def _is_theirs(request: web.Request, form: MultiDict[object], reader: Reader) -> bool:
    if "csrf" in form:
        return is_from_here(request, form, reader.csrf)
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    return site == "same-origin" and are_equal(request.headers.get("X-Csrf", ""), reader.csrf)


def _ask_to_sign_in(parts: Parts, request: web.Request, language: str) -> web.Response:
    if request.method not in READING:
        return parts.painter.paint(
            request, parts.place.notice, 403, language=language, about="signed_out", words="", remedy=""
        )
    sign_in = parts.place.sign_in
    location = f"{sign_in}?next={quote(request.path_qs, safe='')}"
    if request.headers.get("HX-Request") == "true":
        return web.Response(status=204, headers={"HX-Redirect": sign_in, "Cache-Control": "no-store"})
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})
