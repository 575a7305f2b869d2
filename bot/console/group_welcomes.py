"""Group welcomes: what customer groups say to those who join, and how that stands in WeCom's stock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import group_welcomes
from bot.console.asks import Ask
from bot.console.message_forms import make_editor, place, read_message
from bot.console.painting import N_
from bot.console.rule_forms import problems_at
from data.errors import ConflictError, NotFoundError
from data.queries import group_welcomes as rows
from data.rules.group_welcomes import GroupWelcomeDraft
from data.rules.problems import InvalidRuleError, Problem, parse

PATH = "/console/group-welcomes"
STATUSES = {
    "planned": N_("等待写入企业微信"),
    "adding": N_("正在写入企业微信"),
    "unknown": N_("不知道企业微信里有没有"),
    "refused": N_("企业微信没有接受"),
    "made": N_("可以选用"),
    "gone": N_("在企业微信里被删除了"),
    "retired": N_("停用了"),
}
#: What a person can do about one: key, text, what is asked first, and of which status.
_ACTS: Mapping[str, tuple[str, str, Callable[[Session, int, datetime], None]]] = {
    "again": (N_("企业微信里没有，重新写入"), "", rows.add_again),
    "repair": (N_("重新写入企业微信"), "", rows.write_again),
    "retire": (N_("停用"), N_("停用后会从企业微信删除，正在用它的群不再欢迎新成员。"), rows.retire_group_welcome),
}


async def show_list(ask: Ask) -> web.Response:
    """Those in use, or those that are over."""
    retired = ask.request.query.get("state") == "retired"
    found = await ask.db.read(partial(rows.list_group_welcomes, retired=retired))
    told = [group_welcomes.to_json(each) for each in found]
    return ask.show("group_welcomes", welcomes=told, retired=retired, statuses=STATUSES)


async def show_new(ask: Ask) -> web.Response:
    """One to be made."""
    return await _form(ask, None, {"notify": True})


async def make(ask: Ask) -> web.Response:
    """One was written."""
    typed = _read(ask)
    try:
        draft = parse(GroupWelcomeDraft, typed)
        id_ = await ask.change(
            "group_welcomes.make", f"group welcome {draft.name}",
            partial(group_welcomes.make, draft=draft, made_by=ask.actor.who[:80], now=ask.now),
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _form(ask, None, typed, 400, problems=error.problems)
    except ConflictError as error:
        return await _form(ask, None, typed, 409, problems=[Problem("", ask.told(error))])
    await group_welcomes.bring(ask.ctx, id_)
    return ask.go(f"{PATH}/{id_}", "made")


async def show_one(ask: Ask) -> web.Response:
    """One to be changed, and how it stands."""
    row = await ask.db.read(rows.get_group_welcome, ask.path_number())
    told = group_welcomes.to_json(row)
    return await _form(ask, told, {name: told[name] for name in ("name", "content", "notify")})


async def change(ask: Ask) -> web.Response:
    """One was changed."""
    id_, typed = ask.path_number(), _read(ask)
    told = group_welcomes.to_json(await ask.db.read(rows.get_group_welcome, id_))
    try:
        draft = parse(GroupWelcomeDraft, typed)
        changes = draft.model_dump(mode="json")
        await ask.change(
            "group_welcomes.change", f"group welcome {id_}",
            partial(group_welcomes.change, id_=id_, changes=changes, now=ask.now), partial(_look, id_),
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _form(ask, told, typed, 400, problems=error.problems)
    await group_welcomes.bring(ask.ctx, id_)
    return ask.go(f"{PATH}/{id_}", "saved")


async def act(ask: Ask) -> web.Response:
    """Written once more, or ended."""
    id_ = ask.path_number()
    found = _ACTS.get(ask.request.match_info["act"])
    if found is None:
        raise NotFoundError(ask._("没有这个操作。"), ask._("请重新打开页面。"))
    await ask.change(
        f"group_welcomes.{ask.request.match_info['act']}", f"group welcome {id_}",
        lambda session: found[2](session, id_, ask.now), partial(_look, id_),
    )  # fmt: skip
    await group_welcomes.bring(ask.ctx, id_)
    return ask.go(f"{PATH}/{id_}", "saved")


async def _form(
    ask: Ask,
    told: Mapping[str, Any] | None,
    typed: Mapping[str, Any],
    status: int = 200,
    *,
    problems: Iterable[Problem] = (),
) -> web.Response:
    listed = list(problems)
    of_content = [each for each in listed if each.path == "content" or each.path.startswith("content.")]
    editor = await make_editor(ask, "group_welcome", typed.get("content"), place(of_content))
    acts = []
    if told is not None and told["status"] != "retired":
        wanted = ["again"] if told["status"] == "unknown" else ["repair"] if told["needs_person"] else []
        acts = [(key, *_ACTS[key][:2]) for key in (*wanted, "retire")]
    return ask.show(
        "group_welcome", status, told=told, typed=typed, editor=editor, statuses=STATUSES, acts=acts,
        at=partial(problems_at, listed), problems=listed,
    )  # fmt: skip


def _read(ask: Ask) -> dict[str, Any]:
    return {
        "name": ask.text("name", 200),
        "content": read_message(ask.form, "content", "group_welcome"),
        "notify": ask.text("notify") == "yes",
    }


def _look(id_: int, session: Session) -> dict[str, Any]:
    row = rows.get_group_welcome(session, id_)
    return {"name": row.name, "content": row.content, "status": row.status, "retired": row.retired_at is not None}
