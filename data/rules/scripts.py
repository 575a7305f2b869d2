"""Scripts (话术): what staff say again and again, with the names filled in."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from bot.phrases import Phrase
from data.rules.grams import grams
from data.rules.messages import MessageContent, attachment_problems
from data.rules.problems import Problem, RuleModel, SortedSet

TITLE_MAX = 64
CATEGORY_MAX = 32
#: What a pair of characters says about a script, by where it stands.
TITLE_WEIGHT, CATEGORY_WEIGHT, TEXT_WEIGHT = 8, 3, 1
#: Pairs that are kept of one script, and asked for at once.
GRAMS_MAX, ASKED_MAX = 2_000, 40


class Script(RuleModel):
    """A script. `department_ids`: whose members may use it, with the departments below; empty: everybody."""

    id: int = 0
    title: str = Field(min_length=1, max_length=TITLE_MAX)
    category: str = Field("", max_length=CATEGORY_MAX)
    enabled: bool = True
    department_ids: SortedSet[int] = frozenset()
    content: MessageContent


def problems(script: Script) -> list[Problem]:
    """What is wrong with a script by itself; its text is a template, which is checked as such."""
    found = []
    if not script.title.strip():
        found.append(Problem("title", Phrase("必填")))
    if script.content.is_empty:
        found.append(Problem("content", Phrase("文字和附件不能都为空")))
    of_attachments = attachment_problems(script.content)
    return found + [Problem(f"content.{each.path}", each.message) for each in of_attachments]


def weigh(script: Script) -> dict[str, int]:
    """The pairs of characters by which a script is found, with what each says of it."""
    found: Counter[str] = Counter()
    for text, weight in (
        (script.title, TITLE_WEIGHT), (script.category, CATEGORY_WEIGHT), (script.content.text, TEXT_WEIGHT),
    ):  # fmt: skip
        for gram in set(grams(text)):
            found[gram] += weight
    # What stands in the title is kept whatever the length of the text.
    return dict(found.most_common(GRAMS_MAX))


def asked_for(words: str) -> list[str]:
    """The pairs that words ask for, each once."""
    return list(dict.fromkeys(grams(words)))[:ASKED_MAX]


def least_matches(asked: int) -> int:
    """How many of the asked pairs a script has to have: of many words one that is everywhere says nothing."""
    return max(1, (asked + 2) // 3)
