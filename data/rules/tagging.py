"""Automatic tags: what rules put on and take off a customer, as the tags of one staff member's contact."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import re2
from pydantic import Field

from bot.phrases import Phrase
from data.rules.conditions import (
    Conditions,
    FailedCondition,
    Occasion,
    Outcome,
    RuleName,
    Verdict,
    explanation,
    quoted,
)
from data.rules.problems import Problem, RuleModel, SortedSet

PATTERN_MAX_LENGTH = 200
#: What one compiled pattern may use; RE2 refuses a pattern that needs more.
PATTERN_MAX_BYTES = 1 << 20
#: Names and remarks are far shorter; what lies beyond is not looked at.
SEARCHED_CHARACTERS = 2_000
MAX_TAGS = 100
EXPLAINED_RULES = 20

Word = Annotated[str, Field(min_length=1, max_length=100)]
TagID = Annotated[str, Field(min_length=1, max_length=64)]


class Trigger(StrEnum):
    """What makes the rules be asked."""

    ADD = "add"
    EDIT = "edit"
    GROUP_JOIN = "group_join"
    ORDER = "order"


class Fact(StrEnum):
    """What no event carries: somebody has to fetch it from WeCom, or know it from our own tables."""

    NAME = "name"
    REMARK = "remark"
    ADD_WAY = "add_way"


class SearchIn(StrEnum):
    """Where words and patterns are looked for."""

    NAME = "name"
    REMARK = "remark"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The order that was paid; `paid_orders` counts the customer's paid ones, this one among them."""

    source: str
    amount_fen: int
    paid_orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFacts(Occasion):
    """What happened and what is known of the customer.

    None means not known: a rule that asks for it does not match. `tag_ids` are the tags this staff member's
    contact has; with them a decision holds only what changes something. `chat_id` is the group that was
    joined.
    """

    trigger: Trigger
    add_way: int | None = None
    name: str | None = None
    remark: str | None = None
    chat_id: str = ""
    order: OrderFacts | None = None
    tag_ids: frozenset[str] | None = None


class TagConditions(Conditions):
    """When a tag rule applies.

    `words`: any one of them is contained in the name or remark, whatever the case and width of the letters.
    `pattern`: a regular expression (RE2) that is found there, in the text as it is or with its full-width
    letters made ordinary, whatever the case. `order_`: of the paid order (amounts in fen), and how many there are.
    """

    add_ways: SortedSet[int] = frozenset()
    chat_ids: SortedSet[Annotated[str, Field(min_length=1, max_length=64)]] = frozenset()
    words: SortedSet[Word] = Field(default=frozenset(), max_length=200)
    pattern: str = Field(default="", max_length=PATTERN_MAX_LENGTH)
    search_in: SearchIn = SearchIn.EITHER
    order_sources: SortedSet[Annotated[str, Field(min_length=1, max_length=32)]] = frozenset()
    order_amount_fen_min: Annotated[int, Field(strict=True, ge=0, le=10**12)] = 0
    order_count_min: Annotated[int, Field(strict=True, ge=0, le=10**6)] = 0

    @property
    def asks_for_orders(self) -> bool:
        """Whether it can hold only when an order was paid."""
        return bool(self.order_sources or self.order_amount_fen_min or self.order_count_min)

    @property
    def needs_fetch(self) -> frozenset[Fact]:
        """What has to be known about the customer before this can be decided."""
        needed: set[Fact] = set()
        if self.add_ways:
            needed.add(Fact.ADD_WAY)
        if self.words or self.pattern:
            needed |= {
                SearchIn.NAME: {Fact.NAME},
                SearchIn.REMARK: {Fact.REMARK},
                SearchIn.EITHER: {Fact.NAME, Fact.REMARK},
            }[self.search_in]
        return frozenset(needed)

    def failed(self, occasion: Occasion) -> list[FailedCondition]:
        found = super().failed(occasion)
        if not isinstance(occasion, TagFacts):
            raise TypeError("tag rules are asked about TagFacts")
        if self.add_ways and occasion.add_way not in self.add_ways:
            got = "unknown" if occasion.add_way is None else occasion.add_way
            found.append(FailedCondition("add_way", quoted(self.add_ways), got))
        if self.chat_ids and occasion.chat_id not in self.chat_ids:
            found.append(FailedCondition("chat", quoted(self.chat_ids), occasion.chat_id))
        if self.words or self.pattern:
            found += self._failed_texts(occasion)
        if self.asks_for_orders:
            found += self._failed_order(occasion.order)
        return found

    def _failed_order(self, order: OrderFacts | None) -> list[FailedCondition]:
        if order is None:
            return [FailedCondition("order", "a paid order", "none")]
        found: list[FailedCondition] = []
        if self.order_sources and order.source not in self.order_sources:
            found.append(FailedCondition("order_source", quoted(self.order_sources), order.source))
        if order.amount_fen < self.order_amount_fen_min:
            found.append(FailedCondition("order_amount", self.order_amount_fen_min, order.amount_fen))
        if order.paid_orders < self.order_count_min:
            found.append(FailedCondition("order_count", self.order_count_min, order.paid_orders))
        return found

    def _failed_texts(self, facts: TagFacts) -> list[FailedCondition]:
        """The customer's own words stay out of the explanation: it is kept, and the words are personal."""
        known = {SearchIn.NAME: facts.name, SearchIn.REMARK: facts.remark}
        places = [place for place in known if self.search_in in (place, SearchIn.EITHER)]
        texts = [text for text in (known[place] for place in places) if text is not None]
        got = "not_found" if texts else "unknown"
        found: list[FailedCondition] = []
        if self.words:
            words = [word for word in map(normalised, self.words) if word]
            if not any(word in text for text in map(normalised, texts) for word in words):
                found.append(FailedCondition("words", quoted(self.words), got))
        if self.pattern:
            pattern = compiled(self.pattern)
            if pattern is None:
                found.append(FailedCondition("pattern", self.pattern, "invalid_pattern"))
            elif not any(pattern.search(form) for text in texts for form in (printable(text), widened(text))):
                found.append(FailedCondition("pattern", self.pattern, got))
        return found

    def problems(self, path: str = "conditions") -> list[Problem]:
        found = super().problems(path)
        if any(not normalised(word) for word in self.words):
            found.append(Problem(f"{path}.words", Phrase("有空白的关键词")))
        if self.pattern and compiled(self.pattern) is None:
            found.append(Problem(f"{path}.pattern", Phrase("不是可用的正则表达式（RE2 语法，不支持回溯引用和环视）")))
        elif self.pattern and compiled(self.pattern).search(""):
            found.append(Problem(f"{path}.pattern", Phrase("这个正则表达式匹配任何文字")))
        return found


class TagRule(RuleModel):
    """When any of `triggers` happens and the conditions hold: put these tags on, take those off."""

    id: int = 0
    name: RuleName
    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    enabled: bool = True
    triggers: SortedSet[Trigger] = frozenset({Trigger.ADD})
    conditions: TagConditions = TagConditions()
    put_on: SortedSet[TagID] = Field(default=frozenset(), max_length=MAX_TAGS)
    take_off: SortedSet[TagID] = Field(default=frozenset(), max_length=MAX_TAGS)

    @property
    def needs_fetch(self) -> frozenset[Fact]:
        return self.conditions.needs_fetch


def problems(rule: TagRule) -> list[Problem]:
    """What is wrong with a rule; empty: it can be used."""
    found = rule.conditions.problems()
    if not rule.triggers:
        found.append(Problem("triggers", Phrase("至少选一个触发时机")))
    if not rule.put_on and not rule.take_off:
        found.append(Problem("put_on", Phrase("至少选一个要打上或去掉的标签")))
    if both := rule.put_on & rule.take_off:
        found.append(Problem("take_off", Phrase("同一个标签不能既打上又去掉：%(both)s", both=sorted(both))))
    if rule.conditions.chat_ids and rule.triggers != {Trigger.GROUP_JOIN}:
        found.append(Problem("conditions.chat_ids", Phrase("按客户群的条件只能用于入群触发")))
    if rule.conditions.asks_for_orders and rule.triggers != {Trigger.ORDER}:
        found.append(Problem("conditions", Phrase("按订单的条件只能用于订单触发")))
    return found


@dataclass(frozen=True, slots=True)
class TagConflict:
    """`rule_id` wanted the opposite for `tag_id` of what the better-ranked `winner_id` had decided."""

    tag_id: str
    rule_id: int
    winner_id: int

    def to_json(self) -> dict[str, Any]:
        return {"tag_id": self.tag_id, "rule_id": self.rule_id, "winner_id": self.winner_id}


@dataclass(frozen=True, slots=True)
class TagDecision:
    """What to change, sorted, and why. `redundant` tags were wanted, but are as wanted already.

    `wanted`: for each tag that a rule is about, whether it is to be on, and the rule that decided that.
    """

    add: tuple[str, ...]
    remove: tuple[str, ...]
    redundant: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    conflicts: tuple[TagConflict, ...]
    wanted: Mapping[str, tuple[bool, int]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.add and not self.remove

    def to_json(self, max_rules: int = EXPLAINED_RULES) -> dict[str, Any]:
        """Which rules matched and why, to store with the event."""
        return {
            "add": list(self.add),
            "remove": list(self.remove),
            "redundant": list(self.redundant),
            "conflicts": [each.to_json() for each in self.conflicts[:max_rules]],
            **explanation(self.verdicts, max_rules),
        }


def needs_fetch(rules: Iterable[TagRule], occasion: TagFacts) -> frozenset[Fact]:
    """What is still unknown about the customer and could decide a rule, given everything else that is known.

    A rule whose other conditions already fail asks for nothing, so that an edit event costs a fetch only when
    it can change something.
    """
    values = {Fact.NAME: occasion.name, Fact.REMARK: occasion.remark, Fact.ADD_WAY: occasion.add_way}
    unknown = {fact for fact, value in values.items() if value is None}
    needed: set[Fact] = set()
    for rule in rules:
        wanted = rule.needs_fetch & unknown
        if not wanted or not rule.enabled or occasion.trigger not in rule.triggers:
            continue
        undecided = {"add_way"} if Fact.ADD_WAY in wanted else set()
        undecided |= {"words", "pattern"} if wanted - {Fact.ADD_WAY} else set()
        failed = {each.condition for each in rule.conditions.failed(occasion)}
        if failed and failed <= undecided:
            needed |= wanted
    return frozenset(needed)


def match_tags(rules: Iterable[TagRule], facts: TagFacts) -> TagDecision:
    """All enabled rules whose trigger and conditions hold, together.

    Where one puts on what another takes off, the rule of higher priority decides, then the lower id. Rules
    for other triggers are no part of the explanation.
    """
    return match_occasions(rules, (facts,))


def match_occasions(rules: Iterable[TagRule], occasions: Sequence[TagFacts]) -> TagDecision:
    """The same for all that happened between one staff member and one customer: any occasion is enough for a rule."""
    wanted: dict[str, tuple[bool, int]] = {}
    verdicts: list[Verdict] = []
    conflicts: list[TagConflict] = []
    for rule in sorted(rules, key=lambda rule: (-rule.priority, rule.id)):
        asked = [facts for facts in occasions if facts.trigger in rule.triggers]
        if not asked:
            continue
        failed = _failed_on_all(rule, asked) if rule.enabled else ()
        outcome = Outcome.FAILED if failed else Outcome.MATCHED if rule.enabled else Outcome.DISABLED
        verdicts.append(Verdict(rule.id, rule.name, rule.priority, outcome, failed))
        if outcome is not Outcome.MATCHED:
            continue
        for tag_id, on in [*((tag, True) for tag in rule.put_on), *((tag, False) for tag in rule.take_off)]:
            decided_on, winner_id = wanted.setdefault(tag_id, (on, rule.id))
            if decided_on is not on:
                conflicts.append(TagConflict(tag_id, rule.id, winner_id))
    add = {tag_id for tag_id, (on, _) in wanted.items() if on}
    remove = wanted.keys() - add
    redundant: set[str] = set()
    tag_ids = occasions[0].tag_ids if occasions else None
    if tag_ids is not None:
        redundant = (add & tag_ids) | (remove - tag_ids)
    return TagDecision(
        add=tuple(sorted(add - redundant)),
        remove=tuple(sorted(remove - redundant)),
        redundant=tuple(sorted(redundant)),
        verdicts=tuple(verdicts),
        conflicts=tuple(sorted(conflicts, key=lambda each: (each.tag_id, each.rule_id))),
        wanted=wanted,
    )


def _failed_on_all(rule: TagRule, occasions: Sequence[TagFacts]) -> tuple[FailedCondition, ...]:
    """What failed on the first occasion; nothing, when the conditions hold on any."""
    first: tuple[FailedCondition, ...] = ()
    for facts in occasions:
        failed = tuple(rule.conditions.failed(facts))
        if not failed:
            return ()
        first = first or failed
    return first


def printable(text: str) -> str:
    """As much of `text` as is searched, without lone surrogates, which have no UTF-8 form."""
    return text[:SEARCHED_CHARACTERS].encode("utf-8", "ignore").decode()


def widened(text: str) -> str:
    """`text` with full-width and other compatibility forms made ordinary (NFKC)."""
    return unicodedata.normalize("NFKC", printable(text))


def normalised(text: str) -> str:
    """`text` as it is compared: case and width of letters do not count, nor do blanks around it."""
    return unicodedata.normalize("NFKC", widened(text).casefold()).strip()


def compiled(pattern: str) -> Any:
    """The pattern ready to search, None where RE2 refuses it. The library keeps what it compiled."""
    options = re2.Options()
    options.max_mem = PATTERN_MAX_BYTES
    options.case_sensitive = False
    options.log_errors = False
    try:
        return re2.compile(printable(pattern), options)
    except re2.error:
        return None
