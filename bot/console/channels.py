"""Channels (渠道活码, 获客链接): the list, one of them, making and editing, pausing and archiving, pictures."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlmodel import Session

from bot import channels
from bot.channel_calls import bring, image_of
from bot.channel_posters import code_svg, content_type_of, file_name, poster_svg, printed, read_poster
from bot.channels import Editing
from bot.console.asks import Ask
from bot.console.channel_forms import read_draft, read_offered
from bot.console.code_pictures import send_picture
from bot.console.message_forms import make_editor
from bot.console.painting import N_
from bot.console.rule_forms import WEEKDAYS, problems_at
from bot.wecom.errors import WeComError
from data.errors import ConflictError, NotFoundError, StaleError
from data.models import ChannelKind, ChannelPlan
from data.queries import acquisition as link_rows
from data.queries import channel_days as day_rows
from data.queries import channel_plans as rows
from data.queries import channels as channel_rows
from data.queries import staff as staff_rows
from data.queries.channel_plans import PlanFilter
from data.rules.acquisition import LOW_BALANCE, scheme_of
from data.rules.channels import ChannelDraft, made_up_state
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.schedule import local_datetime

PATH = "/console/channels"
ROWS = 50
#: Of a link, the days that its page shows.
LINK_DAYS = timedelta(days=29)
NO_WINDOW: Mapping[str, Any] = {}
STATUS = {
    "planned": (N_("等待创建"), "bg-blue-lt"), "making": (N_("正在创建"), "bg-blue-lt"),
    "unknown": (N_("正在核对"), "bg-yellow-lt"), "made": (N_("可用"), "bg-green-lt"),
    "refused": (N_("创建失败"), "bg-red-lt"), "gone": (N_("已被删除"), "bg-red-lt"),
    "deleting": (N_("正在删除"), "bg-yellow-lt"), "deleted": (N_("已删除"), "bg-secondary-lt"),
}  # fmt: skip
BECAUSE = {
    "planned": N_("按计划"), "paused": N_("已暂停，由兜底员工接待"), "archived": N_("已归档，由兜底员工接待"),
    "nobody": N_("应在的员工都不在，由兜底员工接待"), "off_hours": N_("现在没有排班，由兜底员工接待"),
    "last_resort": N_("兜底员工也不能添加客户，暂由其他员工接待"),
    "stuck": N_("没有任何员工能添加客户，码上仍是原来的人"),
}  # fmt: skip
OUT = {"unable": N_("已离职或没有客户联系权限"), "away": N_("请假"), "full": N_("今天已满")}
ACTS = {
    "pause": "rested", "resume": "resumed", "archive": "archived", "restore": "restored", "again": "saved",
    "delete": "removed",
}  # fmt: skip


def editing(ask: Ask, visible: Collection[str] | None) -> Editing:
    """What making and changing channels needs."""
    return Editing(ask.ctx.renderer, ask.settings.server.public_url, ask.zone, ask.now, visible)


def read_visible(session: Session, ask: Ask) -> frozenset[str] | None:
    """Whom whoever asks sees."""
    return ask.visible(session)


def read_names(session: Session) -> dict[str, str]:
    """What members are called."""
    return {userid: place.name or userid for userid, place in staff_rows.map_places(session).items()}


async def show_list(ask: Ask) -> web.Response:
    """Channels of ours of a kind, the newest first; those that WeCom shows besides."""
    query = ask.request.query
    kind = asked_kind(ask)
    text, archived, trouble = query.get("q", "").strip()[:64], "archived" in query, "trouble" in query
    member = query.get("member", "")[:64]

    def read(session: Session) -> Any:
        visible = read_visible(session, ask)
        wanted = PlanFilter(visible, archived, text, trouble=trouble, kind=kind, member=member)
        found = rows.list_plans(session, wanted, ROWS + 1, ask.asked_number("before"))
        added = day_rows.count_added_today(session, [each.state for each in found], ask.now, ask.zone)
        others = (
            channel_rows.list_foreign(session, ROWS, kind, member)
            if visible is None and not (text or archived or trouble)
            else []
        )
        quota = link_rows.find_quota(session) if kind == ChannelKind.LINK else None
        return found, added, others, read_names(session), quota

    found, added, others, names, quota = await ask.db.read(read)
    asked = {name: query[name] for name in ("q", "archived", "trouble", "kind", "member") if name in query}
    older = f"{PATH}?{urlencode({**asked, 'before': found[ROWS - 1].id})}" if len(found) > ROWS else None
    return ask.show(
        "channels", found=found[:ROWS], added=added, others=others, names=names, older=older, text=text,
        archived=archived, trouble=trouble, member=member, states=STATUS, because=BECAUSE, kind=kind, quota=quota,
        address_of=channels.address_of, low=LOW_BALANCE,
    )  # fmt: skip


def asked_kind(ask: Ask) -> str:
    """Codes, unless the address says links."""
    return ChannelKind.LINK if ask.request.query.get("kind") == ChannelKind.LINK else ChannelKind.CODE


async def show_one(ask: Ask) -> web.Response:
    """One channel: its code, who is on it and why, what came of it lately."""
    today = local_datetime(ask.now, ask.zone).date()

    def read(session: Session) -> Any:
        visible = read_visible(session, ask)
        row = rows.get_plan(session, ask.path_number(), visible)
        added = day_rows.count_added_today(session, [row.state], ask.now, ask.zone).get(row.state, {})
        days = day_rows.list_days(session, today.replace(day=1), today, [row.state])
        link = None
        if row.kind == ChannelKind.LINK:
            link = link_rows.tell_link(session, row.config_id or "", today - LINK_DAYS, today)
        return row, channels.draft_of(session, row), added, days, read_names(session), _may_change(row, visible), link

    row, draft, added, days, names, may_change, link = await ask.db.read(read)
    month = {name: sum(getattr(day, name) for day in days) for name in day_rows.NAMES}
    return ask.show(
        "channel", row=row, draft=draft, added=added, month=month, names=names, may_change=may_change, states=STATUS,
        because=BECAUSE, out=OUT, weekdays=WEEKDAYS, link=link, address=channels.address_of(row),
        scheme=scheme_of(row.qr_code, row.state) if link else "",
    )  # fmt: skip


def _may_change(row: ChannelPlan, visible: Collection[str] | None) -> bool:
    try:
        channels.refuse_foreign(row, visible)
    except ConflictError:
        return False
    return True


async def show_new(ask: Ask) -> web.Response:
    """A channel to be made, like another one where `copy` says so."""
    draft: dict[str, Any] = {"skip_verify": True, "kind": asked_kind(ask)}
    if copied := ask.asked_number("copy"):

        def read(session: Session) -> ChannelDraft:
            row = rows.get_plan(session, copied, read_visible(session, ask))
            return channels.copy_of(session, row, ask._("%(name)s 副本", name=row.name)[:64])

        draft = (await ask.db.read(read)).model_dump(mode="json")
    return await _form(ask, None, draft)


async def show_edit(ask: Ask) -> web.Response:
    """A channel to be changed."""

    def read(session: Session) -> tuple[ChannelPlan, ChannelDraft]:
        visible = read_visible(session, ask)
        row = rows.get_plan(session, ask.path_number(), visible)
        channels.refuse_foreign(row, visible)
        return row, channels.draft_of(session, row)

    row, draft = await ask.db.read(read)
    return await _form(ask, row.id, draft.model_dump(mode="json"), version=row.version)


async def make(ask: Ask) -> web.Response:
    """A channel was written."""
    return await _save(ask, None)


async def change(ask: Ask) -> web.Response:
    """A channel was changed."""
    return await _save(ask, ask.path_number())


async def act(ask: Ask) -> web.Response:
    """Pause, resume, archive, restore, delete a link, or have WeCom asked again."""
    id_, what = ask.path_number(), ask.request.match_info["act"]
    if what not in ACTS:
        raise NotFoundError("没有这个操作。", "请从渠道页面进入。")

    def do(session: Session) -> None:
        visible = read_visible(session, ask)
        rows.get_plan(session, id_, visible)
        channels.switch(session, id_, what, editing(ask, visible))

    await ask.change(f"channels.{what}", f"channel {id_}", do, partial(_look, id_))
    await bring(ask.ctx, id_)
    return ask.go(f"{PATH}/{id_}", ACTS[what])


# -- pictures


async def show_code(ask: Ask) -> web.Response:
    """A code as WeCom draws it, or as an SVG that holds that picture."""
    kind = ask.request.match_info["kind"]
    if kind not in ("png", "svg"):
        raise NotFoundError("二维码只有 PNG 和 SVG。", "请从渠道页面下载。")
    row, code = await _code(ask)
    if kind == "svg":
        return send_picture(ask, code_svg(code).encode(), "image/svg+xml", f"{file_name(printed(row))}.svg")
    ending = "png" if content_type_of(code) == "image/png" else "jpg"
    return send_picture(ask, code, content_type_of(code), f"{file_name(printed(row))}.{ending}")


async def show_poster(ask: Ask) -> web.Response:
    """A code with a title and a picture around it."""
    row, code = await _code(ask)
    found, background = await ask.db.read(read_poster, row)
    return send_picture(
        ask, poster_svg(found.title, code, background).encode(), "image/svg+xml", f"{file_name(found)}.svg"
    )  # fmt: skip


async def _code(ask: Ask) -> tuple[ChannelPlan, bytes]:
    def read(session: Session) -> ChannelPlan:
        return rows.get_plan(session, ask.path_number(), read_visible(session, ask))

    row = await ask.db.read(read)
    try:
        return row, await image_of(ask.ctx, row.id or 0)
    except WeComError as error:
        raise NotFoundError("现在取不到这个渠道的二维码图片。", f"{error.message} {error.remedy}".strip()) from error


# -- the form


async def _save(ask: Ask, id_: int | None) -> web.Response:
    typed, version = read_draft(ask), ask.number("version")
    made: list[int] = [id_] if id_ else []
    state = made_up_state(secrets.token_bytes(10))

    def do(session: Session) -> None:
        visible = read_visible(session, ask)
        if id_ is None:
            draft = parse(ChannelDraft, typed)
            made[:] = [channels.make(session, draft, ask.actor.who, editing(ask, visible), state=state)]
        else:
            rows.get_plan(session, id_, visible)
            changes = {name: value for name, value in typed.items() if name != "state"}
            channels.change(session, id_, changes, editing(ask, visible), version)

    try:
        await ask.change(
            "channels.change" if id_ else "channels.make", f"channel {id_ or typed['name']}", do,
            lambda session: _look(made[0], session) if made else None,
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _form(ask, id_, typed, 400, problems=error.problems, version=version)
    except StaleError as error:
        words = ask._("在您编辑的时候，别人修改了这个渠道。下面是您填写的内容；核对后再按保存，就以您的为准。")
        row = await ask.db.read(rows.get_plan, id_ or 0)
        return await _form(ask, id_, typed, 409, fault=words or str(error), version=row.version)
    except ConflictError as error:
        return await _form(ask, id_, typed, 409, fault=f"{error.message} {error.remedy}", version=version)
    await bring(ask.ctx, made[0])
    return ask.go(f"{PATH}/{made[0]}", "saved" if id_ else "made")


async def _form(
    ask: Ask,
    id_: int | None,
    draft: Mapping[str, Any],
    status: int = 200,
    *,
    problems: Collection[Problem] = (),
    version: int | None = None,
    fault: str = "",
) -> web.Response:
    def read(session: Session) -> Any:
        return read_offered(session, ask.account, read_visible(session, ask))

    editor = await make_editor(ask, "welcome", draft.get("welcome"), problems, prefix="welcome")
    shifts: list[dict[str, Any]] = [
        {**shift, **window} for shift in draft.get("shifts", ()) for window in shift.get("windows") or [NO_WINDOW]
    ]  # fmt: skip
    return ask.show(
        "channel_form", status, id_=id_, draft=draft, shifts=shifts, offered=await ask.db.read(read), editor=editor,
        problems=problems, at=partial(problems_at, problems), version=version, fault=fault, weekdays=WEEKDAYS,
    )  # fmt: skip


def _look(id_: int, session: Session) -> dict[str, Any] | None:
    row = rows.find_plan(session, id_)
    if row is None:
        return None
    said = {"paused": row.paused_at is not None, "archived": row.archived_at is not None}
    return {**channels.draft_of(session, row).model_dump(mode="json"), **said}
