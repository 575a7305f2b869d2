"""`/staff/today`: a staff member's day as one list, for their phone. It works without scripts, except for copying."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlmodel import Session

from bot import notes, staff_changes, staff_tasks
from bot.console.assets import all_assets
from bot.console.jssdk import FILES, sdk_of, with_sdk
from bot.console.logins import Logins, Reader
from bot.console.pages import FRESH, HEADERS, Pages, asked_language, language_of, moment_text, show_file
from bot.context import Context
from bot.logs import get_logger
from bot.staff_changes import TaskAct
from bot.staff_tasks import Asked
from data.errors import ConflictError, NotFoundError, StorageError
from data.queries import media as media_rows
from data.queries.audit import Actor
from data.queries.notes import DueContact
from data.queries.staff_tasks import DayList, Listed, TaskEndedError
from data.rules.messages import MessageContent, media_of
from data.rules.problems import InvalidRuleError
from data.rules.staff_tasks import Later, check_why

log = get_logger("staff")

TODAY = "/staff/today"
BACK = "/staff/back"


class StaffPages:
    """What staff see of their own work."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._pages = Pages()
        self._logins = Logins(context, BACK, TODAY, self._show_notice)

    def add_routes(self, app: web.Application) -> None:
        """The list, its answers, the way in, and the files."""
        app.router.add_get(TODAY, self._framed(self.today))
        app.router.add_get("/staff/enter", self._framed(self._logins.enter))
        app.router.add_get(BACK, self._framed(self._logins.come_back))
        app.router.add_post("/staff/tasks/{id:[0-9]{1,18}}/{act:done|later|refuse}", self._framed(self.answer))
        app.router.add_post(
            "/staff/contacts/{external_userid:[^/]{1,64}}/{act:done|later}", self._framed(self.contacted)
        )
        app.router.add_get("/staff/files/{name}", show_file)

    def _show_notice(self, request: web.Request, about: str, status: int, _along: str) -> web.Response:
        return self._pages.show(request, "notice", status, about=about)

    async def today(self, request: web.Request) -> web.Response:
        """The list of the day."""
        reader = await self._find_member(request)
        if reader is None:
            return await self._logins.enter(request)
        return await self._show(request, reader)

    async def _find_member(self, request: web.Request) -> Reader | None:
        """Whoever looks, if WeCom knows them: a list of the day is a member's."""
        reader = await self._logins.find_reader(request)
        return reader if reader is not None and reader.userid else None

    async def answer(self, request: web.Request) -> web.Response:
        """One of the list's buttons was pressed."""
        reader = await self._find_member(request)
        form = await request.post()
        if reader is None or not self._logins.is_theirs(reader, request, form):
            return self._pages.show(request, "notice", 403, about="again")
        said: dict[str, str] = {"about": request.match_info["id"]}
        try:
            await self._act(request, reader, form)
        except InvalidRuleError:
            said["fault"] = "why"
        except TaskEndedError:
            # How it ended is told of the task.
            pass
        except NotFoundError:
            said = {"fault": "gone"}
        except ConflictError:
            said["fault"] = "late"
        return self._led(request, said)

    async def contacted(self, request: web.Request) -> web.Response:
        """A member has been in touch as they meant to, or means to tomorrow."""
        reader = await self._find_member(request)
        form = await request.post()
        if reader is None or not self._logins.is_theirs(reader, request, form):
            return self._pages.show(request, "notice", 403, about="again")
        owner, act = form.get("userid", ""), request.match_info["act"]
        try:
            await self.context.db.write(
                staff_changes.answer_contact, self._actor(request, reader), reader.userid,
                [owner if isinstance(owner, str) else ""], request.match_info["external_userid"],
                self.context.settings, self.context.clock.now(), later=act == "later",
            )  # fmt: skip
        except NotFoundError:
            return self._led(request, {"fault": "gone"})
        return self._led(request, {"noted": act})

    def _led(self, request: web.Request, said: dict[str, str]) -> web.Response:
        """Back to the list, which says what has been done."""
        if language := asked_language(request):
            said["lang"] = language
        location = f"{TODAY}?{urlencode(said)}"
        return web.Response(status=303, headers={**HEADERS, **FRESH, "Location": location})

    async def _act(self, request: web.Request, reader: Reader, form: Mapping[str, Any]) -> None:
        ctx, act = self.context, TaskAct(request.match_info["act"])
        asked, why = Asked(int(request.match_info["id"]), reader.userid), form.get("why", "")
        await ctx.db.write(
            staff_changes.answer_task, self._actor(request, reader), asked, act, ctx.settings, ctx.clock.now(),
            until=Later.TODAY if form.get("until") == Later.TODAY else Later.TOMORROW,
            why=check_why(why if isinstance(why, str) else "") if act is TaskAct.REFUSE else "",
        )  # fmt: skip
        log.info("answered", act=act.value, task=asked.task_id)

    def _actor(self, request: web.Request, reader: Reader) -> Actor:
        return Actor(reader.account.id, reader.account.name or reader.userid, self._logins.ways.address_of(request))

    async def _show(self, request: web.Request, reader: Reader) -> web.Response:
        about = request.query.get("about", "")
        task_id = int(about) if about.isascii() and about.isdecimal() and len(about) <= 18 else None
        found, filenames, answered, due = await self.context.db.read(self._read, reader.userid, task_id)
        language, zone = language_of(request), self.context.settings.zone

        def when(at: Any) -> str:
            return moment_text(at, zone, language)

        fault, noted = request.query.get("fault", ""), request.query.get("noted", "")
        return self._pages.show(
            request,
            "staff_today",
            tasks=[_shown(each, filenames) for each in found.tasks],
            later=[_shown(each, filenames) for each in found.later],
            done=found.done,
            waiting=found.waiting,
            answered=answered,
            fault=fault if fault in ("why", "late", "gone") else "",
            noted=noted if noted in ("done", "later") else "",
            due=due,
            sdk=sdk_of(self.context.settings),
            wecom_js=all_assets().url("wecom.js", FILES),
            reader=reader,
            when=when,
        )

    def _read(
        self, session: Session, userid: str, task_id: int | None
    ) -> tuple[DayList, Mapping[str, str], Listed | None, list[DueContact]]:
        settings, now = self.context.settings, self.context.clock.now()
        found = staff_tasks.read_list(session, userid, settings, now)
        contents = [MessageContent.model_validate(each.task.content) for each in (*found.tasks, *found.later)]
        keys = {media[0] for each in contents for part in each.attachments if (media := media_of(part))}
        answered = None if task_id is None else staff_tasks.find_task(session, Asked(task_id, userid), settings, now)
        return found, media_rows.map_filenames(session, keys), answered, notes.list_due(session, userid, settings, now)

    def _framed(self, handle: Callable[[web.Request], Awaitable[web.Response]]) -> Any:
        async def framed(request: web.Request) -> web.StreamResponse:
            try:
                answer = await handle(request)
            except (StorageError, TimeoutError) as error:
                log.error("unavailable", cause=str(error))
                answer = self._pages.show(request, "notice", 503, about="away")
            return with_sdk(self.context.settings, answer)

        return framed


def _shown(listed: Listed, filenames: Mapping[str, str]) -> dict[str, Any]:
    """A task as the page shows it."""
    content = MessageContent.model_validate(listed.task.content)
    return {
        "task": listed.task,
        "customer": listed.customer,
        "remark": listed.remark,
        "because": listed.because,
        "words": content.text,
        "attachments": [_named(each, filenames) for each in content.attachments],
    }


def _named(attachment: Any, filenames: Mapping[str, str]) -> dict[str, str]:
    """What an attachment is, and by what one finds it."""
    kind: str = attachment.msgtype
    part = getattr(attachment, kind)
    media = media_of(attachment)
    name = getattr(part, "title", "") or (filenames.get(media[0], "") if media else getattr(part, "pic_url", ""))
    return {"kind": kind, "name": name, "address": getattr(part, "url", "")}
