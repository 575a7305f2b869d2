"""How a message will look on the phone: with sample values or a real customer's, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.console.asks import Ask
from bot.render import LINK_PREFIX, Contract, Problem, TemplateError, contract_for
from bot.render.contracts import SAMPLE_LINK
from data.queries import channels
from data.queries import media as media_rows
from data.queries import staff as staff_rows
from data.queries.preview_people import find_facts
from data.queries.staff import StaffCard
from data.rules.group_welcomes import NICKNAME
from data.rules.schedule import day_words, greeting_word, local_datetime

SAMPLE_NAME, SAMPLE_STAFF = "小鱼", "李婷"


class Card(NamedTuple):
    """An attachment as it is shown: `media` is a file of the library, `address` where a card leads."""

    kind: str
    title: str = ""
    words: str = ""
    address: str = ""
    media: str = ""
    picture: str = ""


class Preview(NamedTuple):
    """What arrives. `longest`: the most bytes that the text can have with any values; None: it cannot be used."""

    words: str
    cards: tuple[Card, ...]
    sender: str
    size: int
    longest: int | None
    max_bytes: int
    faults: tuple[Problem, ...] = ()


async def preview_of(
    ask: Ask,
    kind: str,
    max_bytes: int,
    text: str,
    attachments: Sequence[Mapping[str, Any]] = (),
    follow_id: int | None = None,
    *,
    slug: str = "",
    links: Mapping[str, str] | None = None,
) -> Preview:
    """A message as it will look. `kind` (and `slug`): of its contract; empty: the text has no variables. `links`: the
    addresses of tracked links, where a sample will not do."""
    contract = contract_for(kind, slug) if kind else None
    values, names = await ask.db.read(_read, ask, contract, attachments, follow_id)
    words, longest, faults = text, len(text.encode("utf-8", "replace")), list[Problem]()
    if contract is not None and text:
        words, longest_bytes, faults = _rendered(ask, contract, text, values, links or {})
        longest = longest_bytes if longest_bytes is not None else longest
    elif contract is None:
        words = text.replace(NICKNAME, SAMPLE_NAME)
    cards = tuple(_card(each, names) for each in attachments)
    size = len(words.encode("utf-8", "replace"))
    sender = values.get("staff_name") or SAMPLE_STAFF
    return Preview(words, cards, sender, size, None if faults else longest, max_bytes, tuple(faults))


def _rendered(
    ask: Ask, contract: Contract, text: str, values: Mapping[str, str | None], links: Mapping[str, str]
) -> tuple[str, int | None, list[Problem]]:
    renderer = ask.ctx.renderer
    faults = renderer.check(contract.kind, text, contract.slug)
    if faults:
        return text, None, faults
    named = renderer.links_of(contract.kind, text, contract.slug)
    shown = {f"{LINK_PREFIX}{name}": links.get(name, SAMPLE_LINK) for name in named}
    try:
        words = renderer.render_source(contract.kind, text, {**values, **shown}, contract.slug)
    except TemplateError:
        return text, None, []
    return words, renderer.longest_bytes(contract.kind, text, contract.slug), []


def _read(
    session: Session,
    ask: Ask,
    contract: Contract | None,
    attachments: Sequence[Mapping[str, Any]],
    follow_id: int | None,
) -> tuple[dict[str, str | None], dict[str, str]]:
    values: dict[str, str | None] = dict(contract.samples()) if contract else {}
    facts = None
    if follow_id is not None:
        facts = find_facts(session, follow_id, ask.visible(session))
    if facts is not None:
        channel = channels.find_by_state(session, facts.state)
        known = _known(
            ask, staff_rows.get_card(session, facts.userid), facts.customer_name, channel.name if channel else "",
            facts.added_at,
        )  # fmt: skip
        values |= {name: value for name, value in known.items() if name in values}
    keys = {
        media
        for each in attachments
        for name in ("media", "pic_media")
        if isinstance(part := each.get(str(each.get("msgtype"))), Mapping) and (media := part.get(name))
    }
    return values, media_rows.map_filenames(session, keys)


def _known(
    ask: Ask, card: StaffCard, customer_name: str, channel_name: str, added_at: datetime | None
) -> dict[str, str | None]:
    """The values that a text about a customer has now."""
    added = None if added_at is None else day_words(local_datetime(added_at, ask.zone).date())
    return {
        "customer_name": customer_name,
        "staff_name": card.name,
        "staff_alias": card.alias,
        "staff_position": card.position,
        "department_name": card.department_name,
        "company_name": ask.settings.company.name,
        "channel_name": channel_name,
        "added_date": added,
        "time_of_day": greeting_word(ask.now, ask.zone),
        "date": day_words(local_datetime(ask.now, ask.zone).date()),
    }


def _card(attachment: Mapping[str, Any], filenames: Mapping[str, str]) -> Card:
    kind = str(attachment.get("msgtype", ""))
    found = attachment.get(kind)
    part: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    media = str(part.get("media") or part.get("pic_media") or "")
    known = media if media in filenames else ""
    address = str(part.get("tracked") or part.get("url") or part.get("page") or "")
    return Card(
        kind, str(part.get("title") or filenames.get(media, "")), str(part.get("desc") or ""), address, known,
        str(part.get("picurl") or part.get("pic_url") or ""),
    )  # fmt: skip
