"""Markings: tags put on and taken off for many at once, and how far that is."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import markings
from bot.console.asks import Ask
from bot.console.customers import is_own
from bot.console.painting import N_
from bot.phrases import Phrase
from bot.wecom.codes import CODES
from data.errors import NotFoundError
from data.models import Marking
from data.queries import markings as rows
from data.queries import tags as tag_rows
from data.rules.markings import ACTS, Act

PATH = "/console/markings"
ROWS = 50
STATUSES = {
    "preparing": N_("正在准备"), "running": N_("正在进行"), "paused": N_("已暂停"), "done": N_("已完成"),
    "cancelled": N_("已取消"),
}  # fmt: skip
_BUTTONS = (
    (Act.PAUSE, N_("暂停"), ""),
    (Act.RESUME, N_("继续"), ""),
    (Act.RETRY, N_("重试失败的"), ""),
    (Act.CANCEL, N_("取消"), N_("取消后不再继续；已经改好的标签不变。")),
)


async def show_list(ask: Ask) -> web.Response:
    """The latest, a page at a time."""
    found = await ask.db.read(partial(rows.list_markings, limit=ROWS + 1, before_id=ask.asked_number("before")))
    older = found[ROWS - 1].id if len(found) > ROWS else None
    return ask.show("markings", markings=found[:ROWS], older=older, statuses=STATUSES)


async def show_one(ask: Ask) -> web.Response:
    """One, as far as it is; a page that shows it asks again and again."""

    def read(session: Session) -> Any:
        marking, causes = markings.read_marking(session, ask.path_number())
        require_own(ask, marking)
        return marking, causes, {tag["tag_id"]: tag["name"] for tag in tag_rows.list_tags(session)}

    marking, causes, names = await ask.db.read(read)
    told = markings.to_json(marking, ask.now, ask.settings.wecom.calls_per_hour)
    buttons = [
        (act.value, text, words)
        for act, text, words in _BUTTONS
        if marking.status in ACTS[act][0] and (act is not Act.RETRY or marking.failed)
    ]
    shown = [
        {"cause": cause, "count": count, "words": code.meaning if (code := CODES.get(cause)) else ""}
        for cause, count in causes.items()
    ]
    return ask.show(
        "marking_part" if ask.is_htmx else "marking", marking=marking, names=names, causes=shown, acts=buttons,
        statuses=STATUSES, waiting=told["waiting"], seconds_left=told["seconds_left"],
    )  # fmt: skip


async def act(ask: Ask) -> web.Response:
    """Pause, go on, try again or give up."""
    marking_id = ask.path_number()
    try:
        wanted = Act(ask.request.match_info["act"])
    except ValueError:
        raise NotFoundError(Phrase("没有这个操作。"), Phrase("请重新打开页面。")) from None

    def do(session: Session) -> None:
        require_own(ask, rows.get_marking(session, marking_id))
        rows.act_on(session, marking_id, wanted, ask.now)

    await ask.change(f"markings.{wanted.value}", f"marking {marking_id}", do, partial(_look, marking_id))
    return ask.go(f"{PATH}/{marking_id}", "saved")


def _look(marking_id: int, session: Session) -> dict[str, Any]:
    return {"status": rows.get_status(session, marking_id).value}


def require_own(ask: Ask, marking: Marking) -> None:
    """All but admins see what they have asked for themselves. Raises NotFoundError."""
    if not ask.may("admin") and not is_own(ask, marking.asked_by):
        raise NotFoundError(Phrase("没有编号为 %(id)s 的批量打标签。", id=marking.id), Phrase("请核对编号。"))
