"""Tracked links made, checked and put into words: what the API, the commands and the sending of campaigns share."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.errors import SiyuError
from bot.rule_edits import unwritable
from data.models import Link
from data.queries import links as rows
from data.queries import tags as tag_rows
from data.rules.links import LinkDraft, LinkEdit, address_of, name_problems, new_code, target_problems
from data.rules.problems import InvalidRuleError, Problem


class UnusableLinkError(SiyuError):
    """A text names a link that cannot be followed."""


def make_link(session: Session, draft: LinkDraft, public_url: str, made_by: str, now: datetime) -> Link:
    """Check and keep a link. Raises InvalidRuleError, ConflictError."""
    found = [*name_problems(draft.name), *unwritable({"url": draft.url})]
    _refuse(found or [*target_problems(draft.url, public_url), *_tag_problems(session, draft.tag_ids)])
    return rows.add_link(session, draft, new_code(secrets.choice), made_by, now)


def change_link(session: Session, link_id: int, edit: LinkEdit, public_url: str) -> Link:
    """Check and write a change. Raises InvalidRuleError, NotFoundError."""
    found = [] if edit.url is None else [*unwritable({"url": edit.url})] or target_problems(edit.url, public_url)
    _refuse([*found, *_tag_problems(session, edit.tag_ids or ())])
    return rows.change_link(session, link_id, edit)


def _tag_problems(session: Session, tag_ids: Iterable[str]) -> list[Problem]:
    missing = sorted(set(tag_ids) - set(tag_rows.list_live_ids(session))) if tag_ids else []
    return [Problem("tag_ids", f"企业标签里没有 {each}（已被删除，或还没有从企业微信读到）") for each in missing]


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise InvalidRuleError(problems)


def tell_links(session: Session, links: Iterable[Link], public_url: str) -> list[dict[str, Any]]:
    """Links as they are shown, with how often they were followed."""
    shown = list(links)
    ids = [each.id or 0 for each in shown]
    counted, others = rows.count_of_links(session, ids), rows.count_others(session, ids)
    return [
        {
            **each.model_dump(),
            "address": address_of(public_url, each.code) if public_url else "",
            **counted.get(each.id or 0, rows.Clicks())._asdict(),
            "other_clicks": others.get(each.id or 0, {}),
        }
        for each in shown
    ]


# -- in contents


async def link_problems(ctx: Context, kind: str, text: str, attached: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the links that a content names: in its text of this kind, or `attached` by path."""
    named = {**attached, **dict.fromkeys(sorted(ctx.renderer.links_of(kind, text)), "content.text")}
    if not named:
        return []
    if not ctx.settings.server.public_url:
        why = "用到了跟踪链接，请先在配置里填写 server.public_url（客户访问机器人的网址）"
        return [Problem(path, why) for path in named.values()]
    found = await ctx.db.read(rows.list_named, list(named))
    problems: list[Problem] = []
    for name, path in named.items():
        if name not in found:
            problems.append(Problem(path, f"没有跟踪链接 {name}，请先用 siyu links add 添加"))
        elif found[name].retired_at is not None:
            problems.append(Problem(path, f"跟踪链接 {name} 已停用"))
    return problems


async def addresses(ctx: Context, names: Collection[str], batch_id: int | None = None) -> Mapping[str, str]:
    """The addresses of links by their names, as one batch has them. Raises UnusableLinkError."""
    if not names:
        return {}
    found = await ctx.db.read(rows.list_named, names)
    public_url = ctx.settings.server.public_url
    for name in names:
        if name not in found or found[name].retired_at is not None or not public_url:
            raise UnusableLinkError(
                f"The link {name} is unknown or retired, or server.public_url is not set.",
                "Mend that, or say what the campaign is to say without it; then resume it.",
            )
    return {name: address_of(public_url, found[name].code, batch_id) for name in names}
