"""The company's tags: their groups, how many wear each, and changing them through WeCom."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import tag_edits
from bot.console.asks import Ask
from bot.phrases import Phrase
from bot.tag_edits import ForeignTagError
from bot.wecom.errors import WeComError
from data.errors import ConflictError, NotFoundError
from data.queries import tags as rows
from data.rules.problems import InvalidRuleError
from data.rules.tags import NewTag, NewTags, TagEdit

PATH = "/console/tags"
#: What a person can put right in the form.
IN_FORM = (InvalidRuleError, ConflictError, ForeignTagError, NotFoundError, WeComError)


async def show_list(ask: Ask) -> web.Response:
    """Groups with their tags. How many wear each is asked for apart: of millions that takes a moment."""
    return await _list(ask)


async def make(ask: Ask) -> web.Response:
    """New tags, in a group that is there or a new one."""
    names = [each.strip() for each in ask.text("names").splitlines() if each.strip()]
    group_id = ask.text("group_id", 64)
    asked = NewTags(
        group_id=group_id or None, group_name=None if group_id else ask.text("group_name", 64),
        tags=tuple(NewTag(name=each) for each in names[:100]),
    )  # fmt: skip
    try:
        made = await tag_edits.add_tags(ask.ctx, asked)
    except IN_FORM as error:
        return await _list(ask, 400, fault=ask.told(error))
    await ask.note("tags.make", f"tags {', '.join(made)}"[:120], {"names": names})
    return ask.go(PATH, "made")


async def show_one(ask: Ask) -> web.Response:
    """A tag or a group, with who would miss it."""
    return await _one(ask)


async def change(ask: Ask) -> web.Response:
    """Another name, or another place."""
    kind, key = _which(ask)
    order = ask.number("order")
    edit = TagEdit(name=ask.text("name", 64), order=order if order is not None and order < 2**32 else None)
    try:
        await (tag_edits.change_tag if kind == "tag" else tag_edits.change_group)(ask.ctx, key, edit)
    except IN_FORM as error:
        return await _one(ask, 400, fault=ask.told(error))
    await ask.note("tags.change", f"{kind} {key}", edit.model_dump(mode="json"))
    return ask.go(PATH, "saved")


async def remove(ask: Ask) -> web.Response:
    """It goes from WeCom, and from everybody who wears it."""
    kind, key = _which(ask)
    try:
        await (tag_edits.delete_tag if kind == "tag" else tag_edits.delete_group)(ask.ctx, key)
    except IN_FORM as error:
        return await _one(ask, 400, fault=ask.told(error))
    await ask.note("tags.remove", f"{kind} {key}")
    return ask.go(PATH, "removed")


def _which(ask: Ask) -> tuple[str, str]:
    kind, key = ask.request.match_info["kind"], ask.request.match_info["key"]
    if kind not in ("tag", "group"):
        raise NotFoundError(Phrase("没有这个标签或标签组。"), Phrase("请从标签列表进入。"))
    return kind, key


async def _list(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    counted = "counts" in ask.request.query

    def read(session: Session) -> tuple[list[Any], list[Any], dict[str, int] | None]:
        counts = rows.count_each(session, ask.visible(session)) if counted else None
        return rows.list_groups(session), rows.list_tags(session), counts

    if counted:
        async with ask.parts.turns.take(f"{ask.reader.digest} tags") as is_mine:
            if not is_mine:
                return web.Response(status=204)
            groups, tags, counts = await ask.db.read(read)
    else:
        groups, tags, counts = await ask.db.read(read)
    of: dict[str, list[Any]] = {}
    for tag in tags:
        of.setdefault(tag["group_id"], []).append(tag)
    return ask.show("tags", status, groups=groups, of=of, counts=counts, fault=fault)


async def _one(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    kind, key = _which(ask)

    def read(session: Session) -> tuple[Any, dict[str, Any]]:
        row = rows.get_tag(session, key) if kind == "tag" else rows.get_group(session, key)
        ids = [key] if kind == "tag" else rows.list_ids_of_group(session, key)
        return row, tag_edits.read_use(session, ids)

    row, use = await ask.db.read(read)
    return ask.show("tag", status, kind=kind, key=key, row=row, use=use, fault=fault)
