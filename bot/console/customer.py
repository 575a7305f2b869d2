"""One customer: who they are, whose, what they want, and all that happened to them."""

from __future__ import annotations

from typing import Any, NamedTuple

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.customer_words import ADD_WAYS, FOLLOW_STATUSES, ORDER_STATUSES
from bot.console.timeline_words import ENTRIES, TOUCHES, said
from bot.journey_explanations import explain_customer
from data.models import FieldDefinition, NextContact, Note, Order, Preference
from data.queries import customer_lists, fields, notes, orders, preferences, timelines, touches
from data.queries.channel_days import map_names as map_channels
from data.queries.customer_pages import map_names, require_visible
from data.queries.segment_choices import read_tags

PATH = "/console/customers"
ENTRIES_SHOWN, ORDERS_SHOWN, TOUCHES_SHOWN, NOTES_SHOWN = 30, 10, 20, 10


class Page(NamedTuple):
    """What the page shows. `changeable`: the members through whom who looks may change something."""

    customer: customer_lists.CustomerShown
    preference: Preference | None
    definitions: list[FieldDefinition]
    entries: list[timelines.Entry]
    orders: list[Order]
    names: dict[str, str]
    channels: dict[str, str]
    tags: dict[str, str]
    changeable: frozenset[str] | None
    notes: list[Note]
    contacts: list[NextContact]


def external_userid_of(ask: Ask) -> str:
    """Whom the path names."""
    return ask.request.match_info["external_userid"]


async def show(ask: Ask) -> web.Response:
    """The page."""
    return await page(ask)


async def page(ask: Ask, status: int = 200, **more: Any) -> web.Response:
    """The page again, with what was wrong."""
    whose = external_userid_of(ask)
    before = timelines.read_place(ask.request.query.get("before", ""))

    def read(session: Session) -> Page:
        visible = ask.visible(session)
        require_visible(session, whose, visible)
        found = customer_lists.get_customer(session, whose)
        entries = timelines.list_entries(session, whose, before, ENTRIES_SHOWN + 1)
        noted = notes.list_notes(session, whose, NOTES_SHOWN)
        userids = {each.told.get("userid", "") for each in entries} | {each.follow.userid for each in found.follows}
        userids |= {each.userid for each in noted}
        return Page(
            found,
            preferences.find_preference(session, whose),
            fields.list_definitions(session),
            entries,
            orders.list_orders(session, external_userid=whose, limit=ORDERS_SHOWN),
            map_names(session, userids),
            map_channels(session, {each.follow.state for each in found.follows if each.follow.state}),
            read_tags(session),
            visible,
            noted,
            notes.list_next_contacts(session, whose),
        )

    found = await ask.db.read(read)
    older = found.entries[ENTRIES_SHOWN - 1].place if len(found.entries) > ENTRIES_SHOWN else None
    return ask.show(
        "customer", status, page=found, entries=found.entries[:ENTRIES_SHOWN], older=older, statuses=FOLLOW_STATUSES,
        ways=ADD_WAYS, order_statuses=ORDER_STATUSES, tell=said, words=ENTRIES,
        **{"fault": "", "faults": {}, "about": "", **more},
    )  # fmt: skip


async def show_why(ask: Ask) -> web.Response:
    """Why what reached the customer reached them, and what of journeys became of them."""
    whose = external_userid_of(ask)

    def read(session: Session) -> tuple[list[touches.Explained], dict[str, Any], dict[str, str]]:
        require_visible(session, whose, ask.visible(session))
        before = ask.asked_number("before")
        told = touches.list_explained(session, whose, TOUCHES_SHOWN + 1, before)
        names = map_names(session, {each.touch.userid for each in told})
        return told, explain_customer(session, whose, ask.now, ask.zone), names

    told, journeys, names = await ask.db.read(read)
    older = told[TOUCHES_SHOWN - 1].touch.id if len(told) > TOUCHES_SHOWN else None
    return ask.show(
        "customer_why", touches=told[:TOUCHES_SHOWN], journeys=journeys, older=older, whose=whose, names=names,
        kinds=TOUCHES,
    )  # fmt: skip
