"""The staff's lists of the day, for managers: how far each member is, and what they have said."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import staff_tasks
from bot.console.asks import Ask
from data.errors import NotFoundError
from data.models import Staff
from data.queries import customer_names, task_boards
from data.queries import staff as staff_rows
from data.rules.schedule import day_began, local_datetime

ROWS = 100


async def show_list(ask: Ask) -> web.Response:
    """Members with tasks today, by userid."""

    def read(session: Session) -> tuple[list[task_boards.Load], dict[str, str]]:
        seen = _members(session, ask)
        found = task_boards.list_loads(session, seen, ask.now, _today(ask))
        return found, customer_names.map_staff(session, [each.userid for each in found])

    loads, names = await ask.db.read(read)
    begins = bisect_right([each.userid for each in loads], ask.request.query.get("after", ""))
    page = loads[begins : begins + ROWS]
    return ask.show(
        "tasks", loads=page, names=names, after=page[-1].userid if len(loads) > begins + ROWS else None,
        totals=[sum(each[place] for each in loads) for place in range(1, 5)],
    )  # fmt: skip


async def show_one(ask: Ask) -> web.Response:
    """A member's list of today: open, later, done and refused."""
    userid = ask.request.match_info["userid"]

    def read(session: Session) -> dict[str, Any]:
        member: Staff | None = staff_rows.find_staff(session, userid)
        if member is None or userid not in _members(session, ask):
            raise NotFoundError(ask._("没有这位成员。"), ask._("只能看到本部门成员的任务。"))
        listed = staff_tasks.read_list(session, userid, ask.settings, ask.now)
        return {"member": member, "list": listed, "answered": task_boards.list_answered(session, userid, _today(ask))}

    return ask.show("task_list", **await ask.db.read(read))


def _members(session: Session, ask: Ask) -> frozenset[str]:
    """Whose lists the reader may see."""
    visible = ask.visible(session)
    return frozenset(staff_rows.list_followers(session)) if visible is None else visible


def _today(ask: Ask) -> Any:
    return day_began(local_datetime(ask.now, ask.zone).date(), ask.zone)
