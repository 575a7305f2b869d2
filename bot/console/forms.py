"""`/f/…`: a form (表单) that a customer fills in on the phone. It works without scripts.

WeCom says who it is, each time that the address is opened; whoever is no customer, or comes to a form that is closed,
is told so. Staff see it as customers do and cannot send it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlmodel import Session

from bot.console.pages import LANGUAGES, Pages, asked_language, language_of, moment_text, show_file
from bot.console.visits import VISIT_LIFE, Visit, Visits
from bot.console.ways import Ways, is_from_here, redirect
from bot.context import Context
from bot.logs import get_logger
from bot.throttling import Throttle
from bot.visitors import visitor_of
from data.errors import NotFoundError, StorageError
from data.models import FormAnswer, FormRow
from data.queries import customers as customer_rows
from data.queries import form_answers as answer_rows
from data.queries import forms as rows
from data.queries.form_answers import ChangedFormError, ClosedFormError, TooManyAnswersError
from data.rules.form_answers import Posted, from_kept, input_name, read_posted, to_posted
from data.rules.forms import NAME, PATH, AskChoices, AskText, Form
from data.rules.links import Visitor

log = get_logger("forms")

#: Two parts: no form is called so.
BACK = f"{PATH}way/back"
#: How often one customer may press the button.
SENT_PER_MINUTE = 20

_NAME = re.compile(NAME, re.ASCII)
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


class FormPages:
    """What customers see of forms."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._pages = Pages()
        self._ways = Ways(context, BACK, "siyu_form", self._notice)
        self._visits = Visits(context.settings.app.secret.get_secret_value())
        self._cookie = self._ways.name_of("siyu_visit")
        self._throttle = Throttle(SENT_PER_MINUTE)

    def add_routes(self, app: web.Application) -> None:
        """The page, its answer, the way back from WeCom, and the files."""
        app.router.add_get(BACK, self._framed(self.come_back))
        app.router.add_get(f"{PATH}files/{{name}}", show_file)
        app.router.add_get(f"{PATH}{{name}}", self._framed(self.show))
        app.router.add_post(f"{PATH}{{name}}", self._framed(self.answer))

    async def show(self, request: web.Request) -> web.Response:
        """The form, or what has become of it."""
        row = await self._find(request)
        if isinstance(row, web.Response):
            return row
        visit = self._visitor(request) if "known" in request.query else None
        if visit is None:
            if not self.context.settings.server.public_url:
                return self._notice(request, "no_address", 503)
            return self._ways.go(f"{row.name}.{asked_language(request)}")
        known, last = await self.context.db.read(_read_visitor, row, visit)
        if not known:
            return self._notice(request, "outsider", 403, row.name)
        if "sent" in request.query and last is not None:
            form, again = Form.model_validate(row.definition), _path(row.name, asked_language(request), known=1)
            return self._pages.show(request, "form_sent", form=form, again=again)
        given = to_posted(from_kept(last.answers)) if last is not None else {}
        return self._ask(request, row, visit, given, last=last)

    async def come_back(self, request: web.Request) -> web.Response:
        """Back from WeCom: on to the form, or a word to whoever is no customer."""
        came = await self._ways.read(request)
        if isinstance(came, web.Response):
            return came
        told, along = came
        name, _, language = along.partition(".")
        kind, external_userid = visitor_of(told)
        if kind not in (Visitor.CUSTOMER, Visitor.STAFF) or not _NAME.fullmatch(name):
            return self._ways.leave(request, "outsider", 403, along)
        answer = redirect(_path(name, language, known=1))
        cookie = self._visits.sign(external_userid, self.context.clock.now())
        self._ways.set_cookie(answer, self._cookie, cookie, VISIT_LIFE)
        self._ways.arrive(answer)
        return answer

    async def answer(self, request: web.Request) -> web.Response:
        """The form was sent."""
        row = await self._find(request)
        if isinstance(row, web.Response):
            return row
        visit, posted = self._visitor(request), await _read_form(request)
        key, version = (next(iter(posted.get(name, ())), "") for name in ("key", "version"))
        token = {"csrf": next(iter(posted.get("csrf", ())), "")}
        if visit is None or not is_from_here(request, token, visit.csrf):
            return self._notice(request, "again", 403, row.name)
        if not visit.external_userid or not _KEY.fullmatch(key) or not _NUMBER.fullmatch(version):
            return self._notice(request, "again", 400, row.name)
        if self._throttle.wait_seconds(visit.external_userid):
            return self._notice(request, "wait", 429, row.name)
        self._throttle.miss(visit.external_userid)
        filled = read_posted(Form.model_validate(row.definition), posted)
        if int(version) != row.version:
            return self._ask(request, row, visit, posted, 409, changed=True)
        if filled.faults:
            return self._ask(request, row, visit, posted, 422, faults=filled.faults)
        page = answer_rows.Page(row.id or 0, row.version, key)
        try:
            sent: FormAnswer = await self.context.db.write(
                answer_rows.record_answer, page, visit.external_userid, filled.answers, self.context.clock.now()
            )
        except NotFoundError:
            return self._notice(request, "outsider", 403, row.name)
        except ClosedFormError:
            return self._notice(request, "closed", 410)
        except ChangedFormError:
            return self._notice(request, "again", 409, row.name)
        except TooManyAnswersError:
            return self._notice(request, "often", 429)
        log.info("answered", form=row.id, answer=sent.id)
        return redirect(_path(row.name, asked_language(request), known=1, sent=1), 303)

    # -- parts

    async def _find(self, request: web.Request) -> FormRow | web.Response:
        """The form that the address names, or the page that says why not."""
        if waits := self._ways.hold_up(request):
            return waits
        name = request.match_info["name"]
        row = await self.context.db.read(rows.find_form, name) if _NAME.fullmatch(name) else None
        if row is None:
            self._ways.note_miss(request)
            return self._notice(request, "gone", 404)
        return row if row.closed_at is None else self._notice(request, "closed", 410)

    def _visitor(self, request: web.Request) -> Visit | None:
        return self._visits.read(request.cookies.get(self._cookie, ""), self.context.clock.now())

    def _ask(
        self,
        request: web.Request,
        row: FormRow,
        visit: Visit,
        given: Posted,
        status: int = 200,
        *,
        last: FormAnswer | None = None,
        faults: Mapping[str, str] | None = None,
        changed: bool = False,
    ) -> web.Response:
        """The form with what is filled in already."""

        def values(key: str, part: str = "") -> list[str]:
            return list(given.get(input_name(key, part), ()))

        zone, language = self.context.settings.zone, language_of(request)
        return self._pages.show(
            request,
            "form",
            status,
            form=Form.model_validate(row.definition),
            version=row.version,
            key=secrets.token_hex(16),
            visit=visit,
            values=values,
            input_name=input_name,
            faults=faults or {},
            changed=changed,
            sent_at=moment_text(last.answered_at, zone, language) if last is not None else "",
            path=_path(row.name, asked_language(request)),
            limits={
                each.key: each.most if isinstance(each, AskChoices) else each.max_length
                for each in Form.model_validate(row.definition).questions
                if isinstance(each, AskChoices | AskText)
            },
        )

    def _notice(self, request: web.Request, about: str, status: int, along: str = "") -> web.Response:
        name, _, language = along.partition(".")
        again = _path(name, asked_language(request) or language) if name else ""
        return self._pages.show(request, "form_notice", status, about=about, again=again)

    def _framed(self, handle: Callable[[web.Request], Awaitable[web.Response]]) -> Any:
        async def framed(request: web.Request) -> web.StreamResponse:
            try:
                return await handle(request)
            except (StorageError, TimeoutError) as error:
                log.error("unavailable", cause=str(error))
                return self._notice(request, "away", 503)

        return framed


def _read_visitor(session: Session, row: FormRow, visit: Visit) -> tuple[bool, FormAnswer | None]:
    """Whether we know who it is, and what they have answered last."""
    if not visit.external_userid:
        return True, None
    if customer_rows.find_customer(session, visit.external_userid) is None:
        return False, None
    return True, answer_rows.find_last(session, row.id or 0, visit.external_userid)


async def _read_form(request: web.Request) -> dict[str, list[str]]:
    """The inputs by name; files are none of ours."""
    found: dict[str, list[str]] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value.replace("\0", ""))
    return found


def _path(name: str, language: str, **more: int) -> str:
    """Where a form is."""
    asked = {**more, **({"lang": language} if language in LANGUAGES else {})}
    return f"{PATH}{name}?{urlencode(asked)}" if asked else f"{PATH}{name}"
