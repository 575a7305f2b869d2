"""Rules of WeChat customer service: what is answered to what a customer wrote, tapped or came in by, and why.

Regular expressions run on RE2, whose time grows with the text alone, over at most `SEARCHED_CHARACTERS` of it and with
bounded memory: no pattern and no text can keep the bot from its work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from bot.phrases import Phrase
from data.rules import kf_answers
from data.rules.conditions import (
    FailedCondition,
    Outcome,
    RuleName,
    UserID,
    Verdict,
    explanation,
    quoted,
)
from data.rules.kf_answers import ANSWERS_MAX, BY_CODE, KNOWN_MAX, KfAnswer
from data.rules.occurrences import among
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.schedule import TimeWindow, local_datetime
from data.rules.tagging import PATTERN_MAX_LENGTH, compiled, normalised, printable, widened
from data.rules.tags import Id
from data.rules.timings import Calendar

WORDS_MAX = 100
#: Rules told in the explanation that is stored with each message.
EXPLAINED_RULES = 12
AGAIN_MINUTES_MAX = 7 * 24 * 60

OpenKfId = Annotated[str, Field(max_length=64)]
Word = Annotated[str, Field(min_length=1, max_length=PATTERN_MAX_LENGTH)]


class Happening(StrEnum):
    """What a rule answers: a message, or that a customer came in."""

    MESSAGE = "message"
    ENTER = "enter"


class KfChoices(RuleModel):
    """What is chosen of one account. `hours`: when it is open, at any time without one; `by_holidays`: not on the
    company's holidays, and on weekends that are worked like on a Monday. `picked_text` is said when a person takes up
    a conversation that waited, `ended_text` when they end it. `told`: members who hear of what nobody else would."""

    answers: bool = True
    hours: tuple[TimeWindow, ...] = Field(default=(), max_length=20)
    by_holidays: bool = True
    picked_text: str = Field(default="", max_length=600)
    ended_text: str = Field(default="", max_length=600)
    told: SortedSet[UserID] = Field(default=frozenset(), max_length=20)


def choice_problems(choices: KfChoices) -> list[Problem]:
    """What cannot be meant or sent."""
    found = [
        Problem(f"hours[{index}].weekdays", Phrase("至少选一天"))
        for index, window in enumerate(choices.hours)
        if not window.weekdays
    ]
    for name in ("picked_text", "ended_text"):
        if text := getattr(choices, name):
            found += kf_answers.problems(kf_answers.KfText(text=text), "")
            found = [Problem(name, each.message) if each.path == ".text" else each for each in found]
    return found


def is_open(choices: KfChoices, at: datetime, calendar: Calendar) -> bool:
    """Whether an account is open at an instant. Hours over midnight belong to the day on which they begin, also where
    one of the two days is a holiday."""
    local = local_datetime(at, calendar.zone)
    if not choices.hours:
        return not choices.by_holidays or is_kept(local.date(), calendar)
    for window in choices.hours:
        day = window.day_of(local)
        if day is None or (choices.by_holidays and not is_kept(day, calendar)):
            continue
        days = {day.isoweekday()}
        if choices.by_holidays and day.isoweekday() > 5 and among(day, calendar.workdays):
            # A weekend that is worked has the hours of the first day of the week.
            days.add(1)
        if days & window.weekdays:
            return True
    return False


def is_kept(day: date, calendar: Calendar) -> bool:
    """Whether a day is no holiday of the company's."""
    return among(day, calendar.workdays) or not among(day, calendar.holidays)


class KfConditions(RuleModel):
    """All of them must hold; an empty one always holds.

    `words`: any one of them, compared as `how` says, without regard to case and width. `menu_ids`: what was tapped in a
    menu. `first`: the customer's first message to this account. `hours`: while it is open, or closed. `scenes`: through
    which entrance (场景值) the customer came.
    """

    words: tuple[Word, ...] = Field(default=(), max_length=WORDS_MAX)
    how: Literal["contains", "exact", "pattern"] = "contains"
    menu_ids: SortedSet[Word] = Field(default=frozenset(), max_length=WORDS_MAX)
    msgtypes: SortedSet[Annotated[str, Field(min_length=1, max_length=32)]] = frozenset()
    first: bool = False
    hours: Literal["any", "open", "closed"] = "any"
    scenes: SortedSet[Word] = Field(default=frozenset(), max_length=WORDS_MAX)

    @property
    def is_empty(self) -> bool:
        return self == KfConditions()

    def failed(self, facts: KfFacts) -> list[FailedCondition]:
        """The conditions that do not hold, in a fixed order. The customer's own words stay out of it."""
        found: list[FailedCondition] = []
        if self.menu_ids and facts.menu_id not in self.menu_ids:
            found.append(FailedCondition("menu", quoted(self.menu_ids), facts.menu_id or "none"))
        if self.words and not says_any(self.words, self.how, facts.text):
            found.append(FailedCondition("words", quoted(frozenset(self.words)), "not_found"))
        if self.msgtypes and facts.msgtype not in self.msgtypes:
            found.append(FailedCondition("msgtype", quoted(self.msgtypes), facts.msgtype))
        if self.first and not facts.first:
            found.append(FailedCondition("first", True, False))
        if self.hours != "any" and facts.open is not (self.hours == "open"):
            found.append(FailedCondition("hours", self.hours, "open" if facts.open else "closed"))
        if self.scenes and facts.scene not in self.scenes:
            found.append(FailedCondition("scene", quoted(self.scenes), facts.scene or "none"))
        return found

    def problems(self, path: str = "conditions") -> list[Problem]:
        """What can never hold, or holds for everything by mistake."""
        found: list[Problem] = []
        for index, word in enumerate(self.words):
            place = f"{path}.words[{index}]"
            if self.how != "pattern":
                if not normalised(word):
                    found.append(Problem(place, Phrase("有空白的关键词")))
            elif (pattern := compiled(word)) is None:
                found.append(Problem(place, Phrase("不是可用的正则表达式（RE2 语法，不支持回溯引用和环视）")))
            elif pattern.search(""):
                found.append(Problem(place, Phrase("这个正则表达式匹配任何文字")))
        return found


def says_any(words: Iterable[str], how: str, text: str) -> bool:
    """Whether a text says one of the words: contains it, is it, or has what the pattern describes."""
    if not text:
        return False
    if how == "pattern":
        forms = {printable(text), widened(text)}
        patterns = (compiled(word) for word in words)
        return any(pattern.search(form) for pattern in patterns if pattern is not None for form in forms)
    said = normalised(text)
    wanted = (word for word in map(normalised, words) if word)
    return any(word == said if how == "exact" else word in said for word in wanted)


class HandOver(RuleModel):
    """The conversation goes to a person: to whoever is free (`userid` empty: the queue), or to this member, and to the
    queue where they take nobody now. `notice`: what the customer is told."""

    userid: str = Field(default="", max_length=64)
    notice: str = Field(default="", max_length=600)


class KfRule(RuleModel):
    """What is answered when the conditions hold: messages, the best knowledge there is, tags, a person.

    `knowledge`: a rule that finds none there does not hold, and the next one is asked. `again_minutes`: not again to
    the same customer within so many. `open_kfid`: of one account; empty: of all.
    """

    id: int = 0
    name: RuleName
    open_kfid: OpenKfId = ""
    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    enabled: bool = True
    on: Happening = Happening.MESSAGE
    conditions: KfConditions = KfConditions()
    again_minutes: int = Field(default=0, ge=0, le=AGAIN_MINUTES_MAX)
    answers: tuple[KfAnswer, ...] = ()
    knowledge: bool = False
    put_on: SortedSet[Id] = Field(default=frozenset(), max_length=20)
    hand_over: HandOver | None = None

    @property
    def is_default(self) -> bool:
        """Whether it asks for nothing: it ranks after all rules that do."""
        return self.conditions.is_empty and not self.knowledge


def problems(rule: KfRule) -> list[Problem]:
    """What is wrong with a rule, apart from the files, tags and accounts that it names."""
    found = rule.conditions.problems()
    entering = rule.on is Happening.ENTER
    if not rule.answers and not rule.knowledge and rule.hand_over is None and not rule.put_on:
        found.append(Problem("answers", Phrase("至少要有一条回复、知识库、标签或转人工")))
    if rule.knowledge and len(rule.answers) > ANSWERS_MAX - KNOWN_MAX:
        most = ANSWERS_MAX - KNOWN_MAX
        found.append(Problem("answers", Phrase("知识库的答案最多占 2 条，其余最多 %(most)s 条", most=most)))
    elif len(rule.answers) > (1 if entering else ANSWERS_MAX):
        most = 1 if entering else ANSWERS_MAX
        found.append(Problem("answers", Phrase("最多 %(most)s 条回复", most=most)))
    for index, answer in enumerate(rule.answers):
        found += kf_answers.problems(answer, f"answers[{index}]")
        if entering and answer.msgtype not in BY_CODE:
            found.append(Problem(f"answers[{index}]", Phrase("欢迎语只能是文字或菜单")))
    if entering:
        asked = rule.conditions
        if asked.words or asked.menu_ids or asked.msgtypes:
            found.append(Problem("conditions", Phrase("客户进入会话时还没有说话：不能按关键词、菜单或消息类型判断")))
        if rule.knowledge or rule.hand_over is not None:
            found.append(Problem("on", Phrase("客户进入会话时只能发欢迎语和打标签")))
    if rule.hand_over is not None and rule.hand_over.notice:
        found += [
            Problem("hand_over.notice", each.message)
            for each in kf_answers.problems(kf_answers.KfText(text=rule.hand_over.notice), "")
        ]
    return found


_NOTHING: Mapping[int, datetime] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class KfFacts:
    """What rules ask of an occasion. `answered`: when each rule last answered this customer. `known`: whether the
    knowledge pairs say anything to the text; None: nobody has looked yet."""

    open_kfid: str
    at: datetime
    on: Happening = Happening.MESSAGE
    text: str = ""
    menu_id: str = ""
    msgtype: str = "text"
    first: bool = False
    open: bool = True
    scene: str = ""
    answered: Mapping[int, datetime] = field(default_factory=lambda: _NOTHING)
    known: bool | None = None


@dataclass(frozen=True, slots=True)
class KfMatch:
    """The rule that answers, if any, and what became of every rule, best-ranked first. `asks_knowledge`: a rule wants
    to know what the knowledge pairs say before it can be told which one answers."""

    rule: KfRule | None
    verdicts: tuple[Verdict, ...]
    asks_knowledge: bool = False

    def to_json(self, max_rules: int = EXPLAINED_RULES) -> dict[str, Any]:
        """Which rule matched and why, to store with the message."""
        return {"rule_id": self.rule.id if self.rule else None, **explanation(self.verdicts, max_rules)}


def ranked(rules: Iterable[KfRule], open_kfid: str, on: Happening) -> list[KfRule]:
    """The rules of an account in the order in which they are asked: by priority, those of the account itself before
    those of all, then by age. Rules that ask for nothing come last."""
    asked = (rule for rule in rules if rule.open_kfid in ("", open_kfid) and rule.on is on)
    return sorted(asked, key=lambda rule: (rule.is_default, -rule.priority, not rule.open_kfid, rule.id))


def match(rules: Iterable[KfRule], facts: KfFacts) -> KfMatch:
    """The first rule whose conditions all hold."""
    winner: KfRule | None = None
    verdicts: list[Verdict] = []
    asks = False
    for rule in ranked(rules, facts.open_kfid, facts.on):
        failed = tuple(_failed(rule, facts)) if rule.enabled else ()
        if not rule.enabled:
            outcome = Outcome.DISABLED
        elif failed:
            outcome = Outcome.FAILED
        elif winner is None:
            outcome, winner = Outcome.MATCHED, rule
        else:
            outcome = Outcome.OUTRANKED
        if winner is None and rule.enabled and rule.knowledge and facts.known is None:
            asks = asks or all(each.condition == "knowledge" for each in failed)
        verdicts.append(Verdict(rule.id, rule.name, rule.priority, outcome, failed))
    return KfMatch(winner, tuple(verdicts), asks)


def _failed(rule: KfRule, facts: KfFacts) -> list[FailedCondition]:
    found = rule.conditions.failed(facts)
    last = facts.answered.get(rule.id)
    if rule.again_minutes and last is not None and facts.at - last < timedelta(minutes=rule.again_minutes):
        minutes = int((facts.at - last).total_seconds() // 60)
        found.append(FailedCondition("again_minutes", rule.again_minutes, minutes))
    if not found and rule.knowledge and not facts.known:
        found.append(FailedCondition("knowledge", "an answer", "none"))
    return found
