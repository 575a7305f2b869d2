"""Tracked links in welcomes: which a rule names, and the addresses that one greeting shows.

A welcome has seconds, and nobody to ask: a link that was retired since leads to a page that says so, and without
`server.public_url` the words show the target itself, which nobody counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlmodel import Session

from bot.render import Renderer
from data.queries.links import Place, map_places
from data.rules.links import Via, address_of, mark_of
from data.rules.messages import TrackedAddress, links_of
from data.rules.welcome import WelcomeRule


def names_in(rule: WelcomeRule, renderer: Renderer) -> dict[str, str]:
    """The names of the links that a rule's words and cards lead by, each with its path."""
    sources = (("fallback_text", rule.fallback_text), ("content.text", rule.content.text))
    named = {name: path for path, source in sources for name in sorted(renderer.links_of("welcome", source))}
    return {**named, **links_of(rule.content)}


def read_places(session: Session, rules: Iterable[WelcomeRule], renderer: Renderer) -> dict[str, Place]:
    """Where the links of these rules are found; where there are none, nothing is asked."""
    named = {name for rule in rules for name in names_in(rule, renderer)}
    return map_places(session, named) if named else {}


def addresses_in(places: Mapping[str, Place], public_url: str, event_id: int = 0) -> dict[str, TrackedAddress]:
    """The addresses by name, as the welcome of one event shows them."""
    via = Via(event_id=event_id)
    return {
        name: TrackedAddress(
            address_of(public_url, place.code, via) if public_url else place.url, mark_of(place.code, via)
        )
        for name, place in places.items()
    }
