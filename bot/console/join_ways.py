"""Join ways: codes that lead into customer groups, made, changed, read again and removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import join_ways
from bot.channel_posters import Printed, code_svg, content_type_of, file_name
from bot.console.asks import Ask
from bot.console.code_pictures import send_picture
from bot.console.painting import N_
from bot.console.rule_forms import problems_at
from bot.wecom.errors import WeComError
from data.errors import NotFoundError
from data.queries import groups as group_rows
from data.queries import join_ways as rows
from data.rules.join_ways import GROUPS_MAX, JoinWayDraft
from data.rules.problems import InvalidRuleError, Problem, parse

PATH = "/console/join-ways"
ROWS, GROUPS_OFFERED = 50, 500
STATUSES = {
    "adding": N_("正在创建"),
    "unknown": N_("不知道企业微信有没有创建"),
    "made": N_("可以使用"),
    "gone": N_("在企业微信里被删除了"),
}


async def show_list(ask: Ask) -> web.Response:
    """Those there are, newest first."""

    def read(session: Session) -> dict[str, Any]:
        found = rows.list_join_ways(session, ROWS + 1, ask.asked_number("before"))
        return {
            "ways": found[:ROWS],
            "older": found[ROWS - 1].id if len(found) > ROWS else None,
            "joined": rows.count_joined(session, [each.state for each in found]),
            "names": rows.map_groups(session, {chat_id for each in found for chat_id in each.chat_ids}),
        }

    return ask.show("join_ways", statuses=STATUSES, **await ask.db.read(read))


async def show_new(ask: Ask) -> web.Response:
    """One to be made."""
    return await _form(ask, None, {"auto_create": True, "base_id": 1})


async def make(ask: Ask) -> web.Response:
    """One was written."""
    typed = _read(ask)
    try:
        row = await join_ways.make(ask.ctx, parse(JoinWayDraft, typed), ask.actor.who)
    except InvalidRuleError as error:
        return await _form(ask, None, typed, 400, problems=error.problems)
    await ask.note("join_ways.make", f"join way {row.id}", join_ways.draft_of(row))
    return ask.go(f"{PATH}/{row.id}", "made" if row.config_id else "")


async def show_one(ask: Ask) -> web.Response:
    """One to be changed, with its code."""
    row = await ask.db.read(rows.get_join_way, ask.path_number())
    return await _form(ask, row, join_ways.draft_of(row))


async def change(ask: Ask) -> web.Response:
    """One was changed."""
    typed = _read(ask)
    row = await ask.db.read(rows.get_join_way, ask.path_number())
    before = join_ways.draft_of(row)
    try:
        known = ask.texts("known") or row.chat_ids
        changed = await join_ways.change(ask.ctx, ask.path_number(), parse(JoinWayDraft, typed), known)
    except InvalidRuleError as error:
        return await _form(ask, row, typed, 400, problems=error.problems)
    await ask.note("join_ways.change", f"join way {row.id}", join_ways.draft_of(changed), before)
    return ask.go(f"{PATH}/{row.id}", "saved")


async def show_code(ask: Ask) -> web.Response:
    """Its code as WeCom draws it, or as an SVG that holds that picture."""
    kind = ask.request.match_info["kind"]
    if kind not in ("png", "svg"):
        raise NotFoundError(ask._("二维码只有 PNG 和 SVG。"), ask._("请重新打开页面。"))
    row = await ask.db.read(rows.get_join_way, ask.path_number())
    try:
        code = await join_ways.image_of(ask.ctx, row)
    except WeComError as error:
        words = f"{error.message} {error.remedy}".strip()
        raise NotFoundError(ask._("现在取不到这个二维码的图片。"), words) from error
    name = file_name(Printed(row.id or 0, row.name, row.state, "", ""))
    if kind == "svg":
        return send_picture(ask, code_svg(code).encode(), "image/svg+xml", f"{name}.svg")
    ending = "png" if content_type_of(code) == "image/png" else "jpg"
    return send_picture(ask, code, content_type_of(code), f"{name}.{ending}")


async def act(ask: Ask) -> web.Response:
    """Read again, made again, or removed."""
    id_, wanted = ask.path_number(), ask.request.match_info["act"]
    row = await ask.db.read(rows.get_join_way, id_)
    if wanted == "read" and row.config_id is not None:
        await join_ways.read(ask.ctx, id_, row.config_id)
        return ask.go(f"{PATH}/{id_}", "saved")
    if wanted == "again":
        await join_ways.make_again(ask.ctx, id_)
    elif wanted == "remove":
        await join_ways.remove(ask.ctx, id_)
    else:
        raise NotFoundError(ask._("没有这个操作。"), ask._("请重新打开页面。"))
    await ask.note(f"join_ways.{wanted}", f"join way {id_}", None, join_ways.draft_of(row))
    return ask.go(PATH, "removed") if wanted == "remove" else ask.go(f"{PATH}/{id_}", "saved")


async def _form(
    ask: Ask, row: Any, typed: Mapping[str, Any], status: int = 200, *, problems: Iterable[Problem] = ()
) -> web.Response:
    def read(session: Session) -> dict[str, str]:
        offered = dict(group_rows.list_named(session, GROUPS_OFFERED))
        return offered | rows.map_groups(session, [*typed.get("chat_ids", ()), *(row.chat_ids if row else ())])

    listed = list(problems)
    return ask.show(
        "join_way", status, way=row, typed=typed, groups=await ask.db.read(read), statuses=STATUSES,
        problems=listed, at=partial(problems_at, listed), places=range(GROUPS_MAX),
        # What WeCom opens while somebody looks at the form stays on the code.
        known=ask.texts("known") or (row.chat_ids if row else []),
    )  # fmt: skip


def _read(ask: Ask) -> dict[str, Any]:
    number = ask.text("base_id", 10)
    return {
        "name": ask.text("name", 100),
        "chat_ids": [each for each in ask.texts("chat_id") if each],
        "auto_create": ask.text("auto_create") == "yes",
        "base_name": ask.text("base_name", 100),
        "base_id": int(number) if number.isascii() and number.isdecimal() else number or 1,
    }
