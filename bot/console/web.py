"""The console as a whole: its routes in their frame, the way in, and the files beside its pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from bot.console.asks import Parts
from bot.console.assets import PATH as FILES
from bot.console.frame import framed
from bot.console.logins import Logins
from bot.console.painting import Painter
from bot.console.routes import ROUTES
from bot.console.sidebar_web import Sidebar
from bot.console.signing_in import BACK, HOME, SigningIn
from bot.console.streams import Streams
from bot.context import Context
from bot.logs import get_logger
from data.db import Database

log = get_logger("console")


class Console:
    """The web console."""

    def __init__(
        self,
        context: Context,
        inbox: Database,
        plan: Callable[[Any], Any],
        jobs: Mapping[str, float],
        run_job: Callable[[str], Awaitable[None]],
    ) -> None:
        self._painter = Painter(context.settings)
        logins = Logins(context, BACK, HOME, self._show_notice)
        self._parts = Parts(context, inbox, plan, jobs, run_job, self._painter, logins, Streams())

    def add_routes(self, app: web.Application) -> None:
        """All of its pages."""
        if not self._painter.assets.are_complete:
            log.warning("incomplete", remedy="make pages")
        app.on_shutdown.append(self._parts.streams.stop)
        app.on_cleanup.append(self._parts.trials.close)
        SigningIn(self._parts).add_routes(app)
        Sidebar(self._parts).add_routes(app)
        app.router.add_get(f"{FILES}/{{name}}", self._painter.assets.show)
        for route in ROUTES:
            app.router.add_route(route.method, route.path, framed(self._parts, route))
        app.router.add_route("*", "/console/{rest:.*}", self._no_such_page)

    async def _no_such_page(self, request: web.Request) -> web.Response:
        return self._show_notice(request, "not_found", 404, "")

    def _show_notice(self, request: web.Request, about: str, status: int, _along: str) -> web.Response:
        language = self._painter.language_of(request)
        return self._painter.paint(request, "notice_page", status, language=language, about=about, words="", remedy="")
