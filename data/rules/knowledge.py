"""Knowledge (知识库): which answer a question gets. Questions are compared by what they say, without how they are
asked: `怎么` says nothing, and a rare word more than one that is everywhere.

A wrong answer is worse than none: what asks for something besides is not answered, nor what two pairs answer as well.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from bot.phrases import Phrase
from data.rules import kf_answers
from data.rules.grams import grams
from data.rules.kf_answers import KfAnswer, KfImage, KfLink, KfMiniprogram, KfText
from data.rules.knowledge_words import BUILT_IN, Vocabulary, is_western
from data.rules.problems import Problem, RuleModel, SortedSet

PHRASINGS_MAX = 50
PHRASING_MAX_LENGTH = 200
ACCOUNTS_MAX = 100
#: Of a longer question the beginning is looked at.
QUESTION_MAX_LENGTH = 500
#: A phrasing that is less like the question gives no answer.
ENOUGH = 0.7
#: Of two pairs that are so near to each other none is meant more than the other.
NEAR = 0.03
#: How long, how much, where: in too many questions to be rare.
_ASKED_WEIGHT = 1.5
#: A word that no phrasing has, and that is nothing which shops are asked for, is perhaps the name of a thing.
_NAME = 0.6
#: The share that is left of a score: where one asks how long, how much, where, and the other does not; where both are
#: about something of a shop's that the other is not; where one is Chinese and the other is not.
_ASKS_ELSE, _ABOUT_ELSE, _FOREIGN = 0.84, 0.85, 0.75

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

    `shared`: the words that both have, the rarest first. `of_phrasing`: how much of the phrasing's weight they are,
    `of_question`: of the question's. `by_letter`: how like the two are as they are written.
    """

    score: float
    of_phrasing: float
    of_question: float
    shared: tuple[str, ...]
    by_letter: float = 0.0


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
    """What a word weighs that is in so many of all phrasings: from 1, where it is in each, to 2."""
    return 1 + math.log(total / min(max(phrasings, 1), total)) / math.log(total + 1)


def compare(
    question: str, phrasing: str, rarities: Mapping[str, int], total: int, words: Vocabulary = BUILT_IN
) -> Likeness:
    """How like a question a phrasing is; `rarities`: in how many of `total` phrasings each pair of characters is;
    `words`: which mean the same. 1: they say the same; 0: nothing that both say."""
    letters, of_known = pairs_of(question), pairs_of(phrasing)
    by_letter = len(letters & of_known) / max(len(letters | of_known), 1)
    if by_letter == 1:
        return Likeness(1.0, 1.0, 1.0, tuple(sorted(words.terms_of(phrasing))), 1.0)
    asked, known = words.terms_of(question[:QUESTION_MAX_LENGTH]), words.terms_of(phrasing)
    both = asked.keys() & known.keys()
    if not both - words.asked and (not both or len(both) < len(asked)):
        return Likeness(0.0, 0.0, 0.0, (), by_letter)
    counts = {term: _count(words.alike.get(term, (term,)), rarities) for term in asked.keys() | known.keys()}
    weights = {
        term: _ASKED_WEIGHT if term in words.asked else weight(count, max(total, 1)) for term, count in counts.items()
    }
    theirs = {term: weights[term] * part for term, part in known.items()}
    ours = {term: weights[term] * part for term, part in asked.items()}
    if len(both) == len(known):
        ours |= {term: ours[term] * _NAME for term in asked if not counts[term] and term not in words.listed}
    of_phrasing, of_question = _share(theirs, both), _share(ours, both)
    score = 2 * of_phrasing * of_question / (of_phrasing + of_question)
    if (asked.keys() & words.asked) != (known.keys() & words.asked):
        score *= _ASKS_ELSE
    if (asked.keys() - both) & words.things and (known.keys() - both) & words.things:
        score *= _ABOUT_ELSE
    if is_western(question) != is_western(phrasing):
        score *= _FOREIGN
    shared = sorted(both, key=lambda term: (-weights[term], term))
    return Likeness(min(score, 1.0), of_phrasing, of_question, tuple(shared), by_letter)


def _count(words: Iterable[str], rarities: Mapping[str, int]) -> int:
    """In how many phrasings one of these words may be: in as many as its rarest pair."""
    return max(min((rarities.get(gram, 0) for gram in grams(word)), default=0) for word in words)


def _share(weights: Mapping[str, float], both: Collection[str]) -> float:
    return min(1.0, math.fsum(weights[term] for term in both) / math.fsum(weights.values()))


def meant(found: Sequence[Answer]) -> Answer | None:
    """The answer to give, of those that were found, the likest first; None where none is like enough, or another pair
    is as like."""
    if not found or found[0].score < ENOUGH:
        return None
    first, *others = found
    rival = next((each for each in others if each.likeness.by_letter >= first.likeness.by_letter / 2), None)
    if first.score > 1 - NEAR / 2 or rival is None or rival.score < first.score - NEAR:
        return first
    return None


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
