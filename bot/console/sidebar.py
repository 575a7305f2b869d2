"""Beside a chat (聊天工具栏): who the customer is, what to say to them, and what happened; of a group, who is in it.

Which customer that is only the page itself can learn, from WeCom's JS-SDK; links name them in the address. Everything
but sending works without scripts.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote

from aiohttp import web
from sqlmodel import Session

from bot import staff_tasks
from bot.console.asks import Ask
from bot.console.campaign_words import RECIPIENTS
from bot.console.customer import external_userid_of
from bot.console.customer_words import ADD_WAYS, FOLLOW_STATUSES, ORDER_STATUSES
from bot.console.jssdk import sdk_of
from bot.console.painting import N_
from bot.console.timeline_words import ENTRIES, TOUCHES, said
from bot.journey_explanations import list_barred, list_next
from bot.notes import list_due
from bot.scripts import names_for, words_of
from data.models import Follow, Preference
from data.queries import (
    channels,
    customer_lists,
    customer_pages,
    fields,
    group_pages,
    notes,
    orders,
    preferences,
    timelines,
    touches,
)
from data.queries import media as media_rows
from data.queries import scripts as script_rows
from data.queries import staff_tasks as task_rows
from data.queries.customer_pages import map_names, require_visible
from data.queries.segment_choices import read_tags
from data.rules.messages import MessageContent, media_of
from data.rules.segments import EVERYBODY

PATH = "/sidebar"
#: The pages of a customer behind the first, as they stand in their addresses.
TABS = ("scripts", "orders", "timeline", "profile")
TAB_NAMES = {"": N_("概览"), "scripts": N_("话术"), "orders": N_("订单"), "timeline": N_("动态"), "profile": N_("资料")}
LATEST, NOTES_SHOWN, TOUCHES_SHOWN, SCRIPTS_SHOWN, ORDERS_SHOWN, ENTRIES_SHOWN = 20, 5, 3, 20, 20, 20
MEMBERS_SHOWN, SENDINGS_SHOWN, BARRED_SHOWN = 100, 10, 3
#: What a journey does next.
DOES = {
    "broadcast": N_("群发"), "task": N_("请同事一对一联系"), "tags": N_("改标签"), "field": N_("改字段"),
    "webhook": N_("通知其他系统"), "wait": N_("等待"), "branch": N_("按条件分支"), "end": N_("结束旅程"),
    "kf": N_("客服消息"), "goal": N_("等待达成目标"),
}  # fmt: skip
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


async def show(ask: Ask) -> web.Response:
    """The page that does not know yet beside whose chat it is; by an address it does."""
    for name, kind in (("external_userid", "customers"), ("chat_id", "groups")):
        if _ID.fullmatch(asked := ask.request.query.get(name, "")):
            return ask.go(f"{PATH}/{kind}/{quote(asked)}")

    def read(session: Session) -> tuple[list[Any], list[notes.DueContact]]:
        mine = ask.account.userid or ""
        latest = customer_pages.list_page(session, EVERYBODY, ask.now, ask.zone, limit=LATEST, userids=[mine])
        return latest, list_due(session, mine, ask.settings, ask.now)

    latest, due = await ask.db.read(read)
    return _show(ask, "sidebar_home", latest=latest, due=due)


class Head(NamedTuple):
    """Who a customer is. `mine`: the follow through which whoever looks changes something; None: there is none."""

    found: customer_lists.CustomerShown
    mine: customer_lists.FollowShown | None
    preference: Preference | None
    channel: str
    names: dict[str, str]


def _read_head(session: Session, ask: Ask) -> Head:
    """Raises NotFoundError for a customer whom whoever asks does not see."""
    whose, visible = external_userid_of(ask), ask.visible(session)
    require_visible(session, whose, visible)
    found = customer_lists.get_customer(session, whose)
    mine = [
        each for each in found.follows if _is_open(each.follow) and (visible is None or each.follow.userid in visible)
    ]
    mine.sort(key=lambda each: each.follow.userid != ask.account.userid)
    channel = channels.find_by_state(session, mine[0].follow.state) if mine else None
    names = map_names(session, {each.follow.userid for each in found.follows})
    return Head(
        found, mine[0] if mine else None, preferences.find_preference(session, whose), channel.name if channel else "",
        names,
    )  # fmt: skip


def _is_open(follow: Follow) -> bool:
    return follow.status in ("present", "half")


async def show_customer(ask: Ask) -> web.Response:
    """The first page of a customer: who they are, what is to be said to them today, what was noted, what comes next."""
    return await _overview(ask)


async def show_again(ask: Ask, status: int = 400, **more: Any) -> web.Response:
    """The page on which something was filled in, with what is wrong about it."""
    about = str(more.get("about", "")).partition(" ")[0]
    if about in ("remark", "fields", "preference"):
        return await _profile(ask, status, **more)
    return await (_orders(ask, status, **more) if about == "orders" else _overview(ask, status, **more))


async def _overview(ask: Ask, status: int = 200, **more: Any) -> web.Response:
    whose, me = external_userid_of(ask), ask.account.userid or ""

    def read(session: Session) -> dict[str, Any]:
        head = _read_head(session, ask)
        tasks = task_rows.list_of_customer(session, me, whose, staff_tasks.read_day(session, ask.settings, ask.now))
        noted, contacts = notes.list_notes(session, whose, NOTES_SHOWN), notes.list_next_contacts(session, whose)
        told = touches.list_explained(session, whose, TOUCHES_SHOWN)
        userids = {each.userid for each in noted} | {each.userid for each in contacts}
        userids |= {each.touch.userid for each in told}
        contents = [MessageContent.model_validate(each.task.content) for each in tasks]
        mine = head.mine.follow.userid if head.mine else None
        return {
            "head": head,
            "tasks": [{"listed": each, "content": content} for each, content in zip(tasks, contents, strict=True)],
            "files": _read_files(session, contents),
            "notes": noted,
            "contacts": contacts,
            "planned": next((each.due_on for each in contacts if each.userid == mine), None),
            "next": list_next(session, whose),
            "barred": list_barred(session, whose, BARRED_SHOWN),
            "touches": told,
            "page": {"tags": read_tags(session) if head.mine else {}},
            "names": head.names | map_names(session, userids - head.names.keys()),
        }  # fmt: skip

    return _show_tab(ask, "", status, kinds=TOUCHES, does=DOES, **await ask.db.read(read), **more)


async def show_scripts(ask: Ask) -> web.Response:
    """Scripts: searched, with this customer's name filled in."""
    words, category = ask.request.query.get("q", "").strip()[:64], ask.request.query.get("category", "")[:32]
    me = ask.account.userid or ""

    def read(session: Session) -> dict[str, Any]:
        head = _read_head(session, ask)
        found = script_rows.search_scripts(session, words, userid=me, category=category or None, limit=SCRIPTS_SHOWN)
        favourites = {each.id for each in script_rows.list_favourites(session, me, limit=500)}
        names = names_for(session, me, ask.settings.company.name, head.found.customer.name)
        return {
            "head": head,
            "scripts": [(each, words_of(ask.ctx.renderer, each, names), each.id in favourites) for each in found],
            "files": _read_files(session, [each.content for each in found]),
            "categories": script_rows.list_categories(session, me),
        }

    return _show_tab(ask, "scripts", words=words, category=category, **await ask.db.read(read))


async def show_orders(ask: Ask) -> web.Response:
    """What the customer bought, and where an order is claimed for them."""
    return await _orders(ask)


async def _orders(ask: Ask, status: int = 200, **more: Any) -> web.Response:
    def read(session: Session) -> dict[str, Any]:
        head = _read_head(session, ask)
        whose = external_userid_of(ask)
        return {"head": head, "orders": orders.list_orders(session, external_userid=whose, limit=ORDERS_SHOWN)}

    return _show_tab(ask, "orders", status, order_statuses=ORDER_STATUSES, **await ask.db.read(read), **more)


async def show_timeline(ask: Ask) -> web.Response:
    """What happened to the customer, and why what reached them did."""
    whose, before = external_userid_of(ask), timelines.read_place(ask.request.query.get("before", ""))

    def read(session: Session) -> dict[str, Any]:
        head = _read_head(session, ask)
        entries = timelines.list_entries(session, whose, before, ENTRIES_SHOWN + 1)
        told = touches.list_explained(session, whose, ORDERS_SHOWN) if before is None else []
        userids = {each.told.get("userid", "") for each in entries} | {each.touch.userid for each in told}
        return {
            "head": head, "entries": entries[:ENTRIES_SHOWN], "touches": told,
            "older": entries[ENTRIES_SHOWN - 1].place if len(entries) > ENTRIES_SHOWN else None,
            "names": head.names | map_names(session, userids - head.names.keys()),
        }  # fmt: skip

    return _show_tab(ask, "timeline", tell=said, words=ENTRIES, kinds=TOUCHES, **await ask.db.read(read))


async def show_profile(ask: Ask) -> web.Response:
    """What is known of the customer and may be changed: remark, birthday and fields, what they want to hear."""
    return await _profile(ask)


async def _profile(ask: Ask, status: int = 200, **more: Any) -> web.Response:
    def read(session: Session) -> dict[str, Any]:
        head = _read_head(session, ask)
        page = {"customer": head.found, "preference": head.preference, "definitions": fields.list_definitions(session)}
        return {"head": head, "page": page}

    return _show_tab(ask, "profile", status, **await ask.db.read(read), **more)


def _show_tab(ask: Ask, tab: str, status: int = 200, **values: Any) -> web.Response:
    """One of a customer's pages. `about`: the form of it that is faulty, `fault` in words, `faults` by field."""
    head: Head = values["head"]
    return _show(
        ask, f"sidebar_{tab or 'customer'}", status, tab=tab, tabs=TAB_NAMES, statuses=FOLLOW_STATUSES, ways=ADD_WAYS,
        whose=head.found.customer.external_userid,
        **{"fault": "", "faults": {}, "about": "", "names": head.names, **values},
    )  # fmt: skip


def _read_files(session: Session, contents: list[MessageContent]) -> dict[str, str]:
    """The names of the files that some contents send along."""
    keys = {found[0] for each in contents for part in each.attachments if (found := media_of(part))}
    return dict(media_rows.map_filenames(session, keys))


async def show_group(ask: Ask) -> web.Response:
    """Beside a customer group's chat: whose it is, which of one's customers are in it, and what was sent to it."""
    chat_id, me = ask.request.match_info["chat_id"], ask.account.userid or ""

    def read(session: Session) -> dict[str, Any]:
        visible = ask.visible(session)
        group = group_pages.get_shown(
            session, chat_id, None if group_pages.is_member(session, chat_id, me) else visible
        )
        members = group_pages.list_members(session, chat_id, visible, limit=MEMBERS_SHOWN)
        days = group_pages.list_days(session, chat_id, ask.now, ask.zone, 7)
        return {
            "group": group,
            "members": [each for each in members if each.type != 1 and each.seen],
            "joined": sum(each.joined for each in days),
            "left": sum(each.left for each in days),
            "sendings": group_pages.list_sendings(session, chat_id, SENDINGS_SHOWN),
        }

    return _show(ask, "sidebar_group", texts=RECIPIENTS, **await ask.db.read(read))


def _show(ask: Ask, template: str, status: int = 200, **values: Any) -> web.Response:
    return ask.show(template, status, sdk=sdk_of(ask.settings), **values)
