"""Trying rules on made-up facts: which would match, what would be said, and why not the others. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from pydantic import Field
from sqlmodel import Session

from bot.config import Settings
from bot.render import LINK_PREFIX, Renderer
from bot.welcome_links import addresses_in, read_places
from data.queries import channels as channel_rows
from data.queries import rules as rule_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.rules.conditions import UserID
from data.rules.problems import RuleModel, SortedSet
from data.rules.schedule import Instant
from data.rules.tagging import OrderFacts, TagDecision, TagFacts, TagRule, Trigger, match_tags
from data.rules.welcome import Customer, Match, WelcomeFacts, WelcomeRule, match
from data.rules.welcome_words import welcome_values

Rule = TypeVar("Rule", WelcomeRule, TagRule)
#: Who a made-up customer is to the rules.
NOBODY = "(made up)"
#: A trial explains every rule of a company of ordinary size.
EXPLAINED_RULES = 500


class WelcomeTry(RuleModel):
    """A made-up add. `at` None is now; `department_ids` None are those of the staff member, as far as known.

    `rule` is tried beside the saved ones, in place of the one with its id.
    """

    userid: UserID
    state: str = Field(default="", max_length=64)
    customer: Customer | None = "new"
    department_ids: SortedSet[int] | None = None
    at: Instant | None = None
    customer_name: str = Field(default="", max_length=256)
    rule: WelcomeRule | None = None


class TagTry(RuleModel):
    """A made-up occasion for auto-tagging; what is None is not known."""

    userid: UserID
    trigger: Trigger = Trigger.ADD
    state: str = Field(default="", max_length=64)
    department_ids: SortedSet[int] | None = None
    at: Instant | None = None
    add_way: int | None = None
    name: str | None = Field(default=None, max_length=256)
    remark: str | None = Field(default=None, max_length=256)
    chat_id: str = Field(default="", max_length=64)
    order_source: str = Field(default="", max_length=32)
    order_amount_fen: int = Field(default=0, ge=0, le=10**12)
    order_count: int = Field(default=1, ge=1, le=10**6)
    tag_ids: SortedSet[str] | None = None
    rule: TagRule | None = None


@dataclass(frozen=True, slots=True)
class WelcomeTrial:
    """What a made-up add would bring. `words_without_media` go where attachments cannot be had in time."""

    match: Match
    words: str = ""
    words_without_media: str = ""
    attachments: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.match.to_json(EXPLAINED_RULES),
            "words": self.words,
            "words_without_media": self.words_without_media,
            "attachments": self.attachments,
        }


@dataclass(frozen=True, slots=True)
class TagTrial:
    """What a made-up occasion would change; `names` are those of the tags involved."""

    decision: TagDecision
    names: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        return {**self.decision.to_json(EXPLAINED_RULES), "names": self.names}


def try_welcome(
    session: Session, asked: WelcomeTry, renderer: Renderer, settings: Settings, now: datetime
) -> WelcomeTrial:
    """Which welcome rule a made-up add would match, with its words. Raises TemplateError for a draft that is none."""
    card = staff_rows.get_card(session, asked.userid)
    at = asked.at or now
    facts = WelcomeFacts(
        userid=asked.userid,
        external_userid=NOBODY,
        at=at,
        zone=settings.zone,
        state=asked.state,
        department_ids=card.department_ids if asked.department_ids is None else asked.department_ids,
        followed_by_colleague=None if asked.customer is None else asked.customer == "followed",
    )
    found = match(_with_draft(rule_rows.list_welcome_rules(session), asked.rule), facts)
    if found.rule is None:
        return WelcomeTrial(found)
    channel = channel_rows.find_by_state(session, asked.state)
    values = welcome_values(
        at=at,
        zone=settings.zone,
        customer_name=asked.customer_name,
        staff_name=card.name,
        staff_alias=card.alias,
        staff_position=card.position,
        department_name=card.department_name,
        company_name=settings.company.name,
        channel_name=channel.name if channel else "",
    )
    links = addresses_in(read_places(session, [found.rule], renderer), settings.server.public_url)
    values |= {f"{LINK_PREFIX}{name}": address.url for name, address in links.items()}
    content = found.rule.content

    def words(source: str) -> str:
        return renderer.render_source("welcome", source, values) if source else ""

    return WelcomeTrial(
        found,
        words(content.text),
        words(found.rule.text_without_media),
        [each.model_dump(mode="json") for each in content.attachments],
    )


def try_tags(session: Session, asked: TagTry, zone: tzinfo, now: datetime) -> TagTrial:
    """What the auto-tagging rules would change on a made-up occasion."""
    card = staff_rows.get_card(session, asked.userid)
    order = None
    if asked.trigger is Trigger.ORDER:
        order = OrderFacts(asked.order_source, asked.order_amount_fen, asked.order_count)
    facts = TagFacts(
        userid=asked.userid,
        external_userid=NOBODY,
        at=asked.at or now,
        zone=zone,
        state=asked.state,
        department_ids=card.department_ids if asked.department_ids is None else asked.department_ids,
        trigger=asked.trigger,
        add_way=asked.add_way,
        name=asked.name,
        remark=asked.remark,
        chat_id=asked.chat_id,
        order=order,
        tag_ids=asked.tag_ids,
    )
    decision = match_tags(_with_draft(rule_rows.list_tag_rules(session), asked.rule), facts)
    involved = {*decision.add, *decision.remove, *decision.redundant}
    names = {tag["tag_id"]: tag["name"] for tag in tag_rows.list_tags(session) if tag["tag_id"] in involved}
    return TagTrial(decision, names)


def _with_draft(rules: Sequence[Rule], draft: Rule | None) -> list[Rule]:
    kept = [rule for rule in rules if draft is None or rule.id != draft.id]
    if draft is not None:
        kept.append(draft)
    return kept
