"""Knowledge (知识库): which answer a question gets. Questions are compared by their pairs of characters; rare ones
weigh more, so that `怎么` says little and `退款` much."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from bot.phrases import Phrase
from data.rules import kf_answers
from data.rules.grams import grams
from data.rules.kf_answers import KfAnswer, KfImage, KfLink, KfMiniprogram, KfText
from data.rules.problems import Problem, RuleModel, SortedSet

PHRASINGS_MAX = 50
PHRASING_MAX_LENGTH = 200
ACCOUNTS_MAX = 100
#: Of a longer question the beginning is looked at.
QUESTION_MAX_LENGTH = 500
#: A phrasing that is less like the question gives no answer.
ENOUGH = 0.55
#: How much of a score it is that the question asks for nothing besides.
_OF_QUESTION = 0.3

KnowledgeAttachment = Annotated[KfImage | KfLink | KfMiniprogram, Field(discriminator="msgtype")]


class KnowledgePair(RuleModel):
    """An answer, and the ways to ask for it; for the accounts of customer service named, or for all.

    `text` or `attachment` may be missing, not both. `id` 0: it is not kept yet.
    """

    id: int = 0
    phrasings: tuple[str, ...]
    text: str = ""
    attachment: KnowledgeAttachment | None = None
    open_kfids: SortedSet[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=frozenset(), max_length=ACCOUNTS_MAX
    )
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like a question a phrasing is, from 0 to 1, and why.

    `shared`: the pairs that both have, the rarest first. `of_phrasing`: how much of the phrasing's weight they are,
    `of_question`: of the question's.
    """

    score: float
    of_phrasing: float
    of_question: float
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was found: by which phrasing, and how like that is to the question."""

    pair_id: int
    phrasing: str
    text: str
    attachment: KnowledgeAttachment | None
    likeness: Likeness

    @property
    def score(self) -> float:
        return self.likeness.score

    @property
    def messages(self) -> tuple[KfAnswer, ...]:
        """What is sent."""
        text: tuple[KfAnswer, ...] = (KfText(text=self.text),) if self.text.strip() else ()
        return text if self.attachment is None else (*text, self.attachment)


def pairs_of(text: str) -> frozenset[str]:
    """The pairs of characters of a question; of a very long one those of its beginning."""
    return frozenset(grams(text[:QUESTION_MAX_LENGTH]))


def digest_of(text: str) -> str:
    """Equal for questions with the same words, whatever stands between them."""
    return hashlib.blake2b(" ".join(grams(text[:QUESTION_MAX_LENGTH])).encode(), digest_size=16).hexdigest()


def weight(phrasings: int, total: int) -> float:
    """What a pair weighs that is in so many of all phrasings; above 0 always."""
    return math.log1p(total / max(phrasings, 1)) + 0.1


def compare(question: Collection[str], phrasing: Collection[str], rarities: Mapping[str, int], total: int) -> Likeness:
    """How like a question a phrasing is, both given as their pairs; `rarities`: in how many of `total` phrasings each
    pair is. 1: the same pairs; 0: none that both have."""
    asked, known = set(question), set(phrasing)
    weights = {gram: weight(rarities.get(gram, 0), max(total, 1)) for gram in asked | known}
    shared = sorted(asked & known, key=lambda gram: (-weights[gram], gram))
    if not shared:
        return Likeness(0.0, 0.0, 0.0, ())
    both = math.fsum(weights[gram] for gram in shared)
    of_phrasing = min(1.0, both / math.fsum(weights[gram] for gram in known))
    of_question = min(1.0, both / math.fsum(weights[gram] for gram in asked))
    score = of_phrasing * (1 - _OF_QUESTION + _OF_QUESTION * of_question)
    return Likeness(score, of_phrasing, of_question, tuple(shared))


def problems(pair: KnowledgePair) -> list[Problem]:
    """What is wrong with a pair, apart from the files and accounts that it names."""
    found: list[Problem] = []
    if not pair.phrasings:
        found.append(Problem("phrasings", Phrase("至少写一个问法")))
    if len(pair.phrasings) > PHRASINGS_MAX:
        found.append(Problem("phrasings", Phrase("最多 %(most)s 个问法", most=PHRASINGS_MAX)))
    digests: set[str] = set()
    for index, words in enumerate(pair.phrasings):
        path = f"phrasings[{index}]"
        if len(words) > PHRASING_MAX_LENGTH:
            found.append(Problem(path, Phrase("最多 %(most)s 个字", most=PHRASING_MAX_LENGTH)))
        elif not grams(words):
            found.append(Problem(path, Phrase("没有可以比对的文字")))
        elif (digest := digest_of(words)) in digests:
            found.append(Problem(path, Phrase("与前面的问法相同")))
        else:
            digests.add(digest)
    if pair.text.strip():
        found += kf_answers.problems(KfText(text=pair.text), "")
        found = [Problem("text", each.message) if each.path == ".text" else each for each in found]
    elif pair.attachment is None:
        found.append(Problem("text", Phrase("答案不能为空：写文字，或选一个附件")))
    if pair.attachment is not None:
        found += kf_answers.problems(pair.attachment, "attachment")
    return found
