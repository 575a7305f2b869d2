"""The customers: searched, filtered by a segment, and what is done with all that a filter finds."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.customer_exports import send_customers
from bot.console.customer_filters import Filter, definition_of, find_filter, find_pairs, read_filter
from bot.console.customer_words import FOLLOW_STATUSES
from bot.console.segment_forms import Fields, fields_of, read_fields
from bot.journey_enrolling import LISTED_MAX, enrol_listed
from bot.markings import ask_for_marking
from data.queries import customer_pages as rows
from data.queries import journeys as journey_rows
from data.queries import segment_names
from data.queries.segment_choices import read_tags
from data.rules.markings import PAIRS_PER_REQUEST, Audience, MarkingDraft, Pair
from data.rules.problems import InvalidRuleError, Problem
from data.rules.segments import EVERYBODY

PATH = "/console/customers"
ROWS = 50


async def show_list(ask: Ask) -> web.Response:
    """Customers, newest first: all that one may see, or whom a search and a segment leave."""
    page = await ask.db.read(_read_page, ask)
    shown, found = page.shown, page.filter
    return ask.show(
        "customers", filter=found, rows=shown[:ROWS], segments=page.segments, journeys=page.journeys, tags=page.tags,
        older=shown[ROWS - 1].follow_id if len(shown) > ROWS else None, statuses=FOLLOW_STATUSES,
        fields=page.fields, edited=found.tree != EVERYBODY and found.segment is None,
    )  # fmt: skip


class Page(NamedTuple):
    """What the list shows, and what one may choose among."""

    filter: Filter
    shown: list[rows.Shown]
    segments: list[tuple[int, str]]
    journeys: list[tuple[int, str]]
    tags: dict[str, str]
    fields: Fields


def _read_page(session: Session, ask: Ask) -> Page:
    found = find_filter(session, ask, ask.request.query)
    before = ask.asked_number("before")
    shown = rows.list_page(session, found.tree, ask.now, ask.zone, limit=ROWS + 1, before_id=before, **found.asked)
    return Page(
        found, shown, segment_names.list_names(session), journey_rows.list_running(session), read_tags(session),
        fields_of(session, ask, found.tree),
    )  # fmt: skip


async def filter_by(ask: Ask) -> web.Response:
    """The segment as it was edited becomes the filter."""
    fields = await read_fields(ask)
    if fields.tree is None or fields.pressed:
        return ask.show("customers_filter", 200 if fields.pressed else 400, fields=fields, text=ask.text("q"))
    text = {"q": ask.text("q", 64)} if ask.text("q") else {}
    if fields.tree == EVERYBODY:
        return ask.go(PATH, **text)
    return ask.go(PATH, **text, definition=definition_of(fields.tree))


async def mark(ask: Ask) -> web.Response:
    """A tag is put on all whom the filter finds, or taken off, in the background."""
    found = await read_filter(ask, ask.form)
    tag_id = ask.text("tag_id", 64)
    if not tag_id:
        raise InvalidRuleError([Problem("tag_id", ask._("请选择一个标签"))])
    audience = Audience(segment=found.narrowed)
    if found.found is not None:
        pairs = await ask.db.read(find_pairs, ask, found, PAIRS_PER_REQUEST)
        audience = Audience(pairs=tuple(Pair(userid=who, external_userid=whom) for who, whom in pairs))
    change = {"take_off" if ask.text("do") == "take_off" else "put_on": frozenset({tag_id})}
    draft = MarkingDraft.model_validate({"audience": audience, **change})
    marking = await ask_for_marking(ask.ctx, draft, asked_by(ask))
    await ask.note("markings.ask", f"marking {marking.id}", {each: [tag_id] for each in change})
    return ask.go(f"/console/markings/{marking.id}", "started")


def asked_by(ask: Ask) -> str:
    """Who asks, as the thing that is made keeps it; `is_own` knows it again."""
    return f"{ask.actor.who[:60]} (#{ask.account.id})"


async def enrol(ask: Ask) -> web.Response:
    """All whom the filter finds begin a journey, as far as they may."""
    journey_id = ask.number("journey_id")
    if journey_id is None:
        raise InvalidRuleError([Problem("journey_id", ask._("请选择一个旅程"))])

    found = await read_filter(ask, ask.form)

    def read(session: Session) -> list[str]:
        return rows.list_customers(session, found.tree, ask.now, ask.zone, limit=LISTED_MAX + 1, **found.asked)

    customers = await ask.db.read(read)
    if len(customers) > LISTED_MAX:
        words = ask._("一次最多 %(max)s 位客户。更多时请把条件写成旅程的人群，再让现有客户开始。", max=LISTED_MAX)
        raise InvalidRuleError([Problem("journey_id", words)])
    told = await enrol_listed(ask.ctx, journey_id, customers, asked_by(ask))
    await ask.note("journeys.enrol", f"journey {journey_id}", {"asked": told["asked"], "begun": told["begun"]})
    return ask.show("customers_enrolled", told=told)


async def export(ask: Ask) -> web.StreamResponse:
    """All whom the filter finds, as a file for a spreadsheet."""
    found = await read_filter(ask, ask.form)
    await ask.note("customers.export", "customers", found.kept)
    return await send_customers(ask, found)


def is_own(ask: Ask, by: str) -> bool:
    """Whether who asks has asked for it."""
    return by.endswith(f"(#{ask.account.id})")
