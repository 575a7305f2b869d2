"""Tracked links made, checked and put into words: what the API, the commands and the sending of campaigns share."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlmodel import Session

from bot.cards import end_requests
from bot.context import Context
from bot.errors import SiyuError
from bot.phrases import Phrase
from bot.render import Renderer
from bot.rule_edits import unwritable
from bot.welcome_links import names_in
from data.errors import ConflictError, NotFoundError
from data.models import Link
from data.queries import approvals as approval_rows
from data.queries import link_clicks
from data.queries import links as rows
from data.queries import rules as rule_rows
from data.queries import tags as tag_rows
from data.queries.campaign_edits import lock_campaign
from data.queries.rosters import map_customers
from data.rules.links import (
    LinkDraft,
    LinkEdit,
    Via,
    Visitor,
    address_of,
    mark_of,
    name_problems,
    new_code,
    read_mark,
    target_problems,
    unusable,
)
from data.rules.messages import MARK_MAX_BYTES, TrackedAddress
from data.rules.problems import InvalidRuleError, Problem, RuleModel
from data.rules.tags import Id


class UnusableLinkError(SiyuError):
    """A text names a link that cannot be followed."""


def make_link(session: Session, draft: LinkDraft, public_url: str, made_by: str, now: datetime) -> Link:
    """Check and keep a link. Raises InvalidRuleError, ConflictError."""
    found = [*name_problems(draft.name), *unwritable({"url": draft.url})]
    _refuse(found or [*target_problems(draft.url, public_url), *_tag_problems(session, draft.tag_ids)])
    return rows.add_link(session, draft, new_code(secrets.choice), made_by, now)


def change_link(
    session: Session, link_id: int, edit: LinkEdit, public_url: str, renderer: Renderer, now: datetime
) -> Link:
    """Check and write a change. Of campaigns that name a link nobody has approved where it leads then.

    Raises InvalidRuleError, NotFoundError, and ConflictError for where a form's leads.
    """
    before = rows.get_link(session, link_id).url
    if edit.url is not None and before.startswith("/"):
        raise ConflictError(f"Link {link_id} leads to a form of ours.", "Make another link for another address.")
    found = [] if edit.url is None else [*unwritable({"url": edit.url})] or target_problems(edit.url, public_url)
    _refuse([*found, *_tag_problems(session, edit.tag_ids or ())])
    link = rows.change_link(session, link_id, edit)
    if link.url != before:
        _end_approvals(session, link.name, renderer, now)
    return link


def _end_approvals(session: Session, name: str, renderer: Renderer, now: datetime) -> None:
    """What was approved of campaigns that name a link, or waits for that, is void."""
    for campaign_id, contents in approval_rows.map_contents(session).items():
        if any(name in _named_in(each, renderer) for each in contents):
            lock_campaign(session, campaign_id)
            end_requests(session, campaign_id, "changed", now)


def _named_in(content: Mapping[str, Any], renderer: Renderer) -> set[str]:
    """The links that a content of a campaign names, as it is kept."""
    attached = {each[each["msgtype"]].get("tracked") or "" for each in content.get("attachments") or ()}
    return attached | renderer.links_of("broadcast", str(content.get("text") or ""))


class Opening(RuleModel):
    """What a mini-program reports: a page of it was opened with this mark (its parameter `siyu`), and by whom.

    One of the two names says it; `unionid` is the one that the mini-program's login tells.
    """

    mark: str = Field(max_length=MARK_MAX_BYTES)
    external_userid: Id | None = None
    unionid: Id | None = None


def record_opening(session: Session, opening: Opening, now: datetime) -> Visitor:
    """Count an opening as a click; who it was. Raises InvalidRuleError, and NotFoundError for a mark that is none."""
    names = {"external_userid": opening.external_userid, "unionid": opening.unionid}
    named = {kind: value for kind, value in names.items() if value is not None}
    if len(named) != 1:
        raise InvalidRuleError([Problem("", Phrase("external_userid 和 unionid 要填一个，也只能填一个"))])
    code, via = read_mark(opening.mark)
    target = rows.find_target(session, code) if code else None
    if target is None or target.retired:
        raise NotFoundError("No link has this mark, or it was retired.", "Report the parameter siyu as it came.")
    ((kind, value),) = named.items()
    whom = list(map_customers(session, kind, [value]).get(value, ()))
    if len(whom) == 1:
        link_clicks.record_click(session, target.link_id, whom[0], via, now)
        return Visitor.CUSTOMER
    link_clicks.record_other(session, target.link_id, Visitor.OUTSIDER, via, now)
    return Visitor.OUTSIDER


def retire_link(session: Session, link_id: int, renderer: Renderer, now: datetime, *, force: bool = False) -> Link:
    """Have a link lead nowhere any more. `force`: also while welcomes show it, which wait for nobody to mend them.

    Raises NotFoundError, and ConflictError naming the rules of these welcomes.
    """
    link = rows.get_link(session, link_id)
    shown_by = [
        f"{rule.id} {rule.name}"
        for rule in rule_rows.list_welcome_rules(session)
        if rule.enabled and link.name in names_in(rule, renderer)
    ]
    if shown_by and not force:
        raise ConflictError(
            f"Link {link_id} {link.name} is shown by welcome rule {', '.join(shown_by)}.",
            "Change or disable those first; or retire it by force: new customers are then shown a link that is over.",
        )
    return rows.retire_link(session, link_id, now)


def _tag_problems(session: Session, tag_ids: Iterable[str]) -> list[Problem]:
    missing = sorted(set(tag_ids) - set(tag_rows.list_live_ids(session))) if tag_ids else []
    return [
        Problem("tag_ids", Phrase("企业标签里没有 %(tag_id)s（已被删除，或还没有从企业微信读到）", tag_id=each))
        for each in missing
    ]


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise InvalidRuleError(problems)


def tell_links(session: Session, links: Iterable[Link], public_url: str) -> list[dict[str, Any]]:
    """Links as they are shown, with how often they were followed."""
    shown = list(links)
    ids = [each.id or 0 for each in shown]
    counted, others = rows.count_of_links(session, ids), rows.count_others(session, ids)
    welcomes = rows.count_of_welcomes(session, ids)
    return [
        {
            **each.model_dump(),
            "address": address_of(public_url, each.code) if public_url else "",
            **counted.get(each.id or 0, rows.Clicks())._asdict(),
            "other_clicks": others.get(each.id or 0, {}),
            "welcomes": welcomes.get(each.id or 0, []),
        }
        for each in shown
    ]


# -- in contents


async def link_problems(ctx: Context, kind: str, text: str, attached: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the links that a content names: in its text of this kind, or `attached` by path."""
    named = {**attached, **dict.fromkeys(sorted(ctx.renderer.links_of(kind, text)), "content.text")}
    found = await ctx.db.read(rows.map_places, list(named)) if named else {}
    retired = {name: place.retired for name, place in found.items()}
    return unusable(named, retired, ctx.settings.server.public_url)


async def addresses(ctx: Context, names: Collection[str], batch_id: int | None = None) -> dict[str, TrackedAddress]:
    """The addresses of links by their names, as one batch has them. Raises UnusableLinkError."""
    if not names:
        return {}
    found = await ctx.db.read(rows.map_places, names)
    public_url = ctx.settings.server.public_url
    for name in names:
        if name not in found or found[name].retired or not public_url:
            raise UnusableLinkError(
                f"The link {name} is unknown or retired, or server.public_url is not set.",
                "Mend that, or say what the campaign is to say without it; then resume it.",
            )
    via = Via(batch_id or 0)
    return {
        name: TrackedAddress(address_of(public_url, found[name].code, via), mark_of(found[name].code, via))
        for name in names
    }
