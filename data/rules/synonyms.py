"""Synonyms (同义词) of the knowledge: groups of words that mean the same. Those in the program follow its releases
until a company puts its own in the place of one, and it may have more of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.phrases import Phrase
from data.rules.grams import folded, grams
from data.rules.knowledge_words import BUILT_IN_WORDS
from data.rules.problems import Problem

#: Groups of a company's own, words of one, characters of a word.
GROUPS_MAX = 500
WORDS_MAX = 80
WORD_MAX_LENGTH = 30
_PARTED = re.compile("[\n\r,，、;；|]+")


@dataclass(frozen=True, slots=True)
class Synonyms:
    """A group as it is in use. `id`: of a company's own, else 0; `replaces`: the name of the group in the program that
    it is or takes the place of, its first word; empty: there is none."""

    words: tuple[str, ...]
    id: int = 0
    replaces: str = ""
    version: int = 0
    changed_by: str = ""

    @property
    def name(self) -> str:
        return self.replaces or (self.words[0] if self.words else "")

    @property
    def built_in(self) -> tuple[str, ...]:
        """What the program has in its place."""
        return BUILT_IN_WORDS.get(self.replaces, ())


def words_from(text: str) -> tuple[str, ...]:
    """The words of a group as they are compared, each once: what is written between commas or on lines of its own."""
    parts = (" ".join(folded(part).split()) for part in _PARTED.split(text))
    return tuple(dict.fromkeys(part for part in parts if part))


def in_use(own: Sequence[Synonyms]) -> list[Synonyms]:
    """All groups that are in use: a company's own first, the last made of them before the others."""
    replaced = {each.replaces for each in own}
    shipped = [Synonyms(words, replaces=name) for name, words in BUILT_IN_WORDS.items() if name not in replaced]
    return [*sorted(own, key=lambda each: -each.id), *shipped]


def problems(group: Synonyms, own: Sequence[Synonyms]) -> list[Problem]:
    """What is wrong with a group, beside the others of a company's own."""
    found: list[Problem] = []
    if group.replaces and group.replaces not in BUILT_IN_WORDS and not group.id:
        found.append(Problem("replaces", Phrase("没有这一组内置同义词")))
    if group.replaces and not group.id and group.replaces in {each.replaces for each in own}:
        return [Problem("replaces", Phrase("「%(name)s」这一组已经改过，请从列表里打开它再修改", name=group.replaces))]
    if not group.words and not group.replaces:
        found.append(Problem("words", Phrase("至少写一个词")))
    if len(group.words) > WORDS_MAX:
        found.append(Problem("words", Phrase("一组最多 %(most)s 个词", most=WORDS_MAX)))
    if not group.id and len(own) >= GROUPS_MAX:
        found.append(Problem("words", Phrase("最多 %(most)s 组自己的同义词", most=GROUPS_MAX)))
    taken = _places([each for each in in_use(own) if not _is_same(each, group)])
    for word in group.words:
        if len(word) > WORD_MAX_LENGTH:
            most = Phrase(
                "「%(word)s」太长：一个词最多 %(most)s 个字", word=word[:WORD_MAX_LENGTH], most=WORD_MAX_LENGTH
            )
            found.append(Problem("words", most))
        elif not grams(word):
            found.append(Problem("words", Phrase("「%(word)s」里没有可以比对的文字", word=word)))
        elif word in taken:
            where = Phrase("「%(word)s」已经在「%(name)s」这一组里，请改那一组", word=word, name=taken[word])
            found.append(Problem("words", where))
    return found


def _is_same(one: Synonyms, other: Synonyms) -> bool:
    return one.id == other.id if one.id else bool(one.replaces) and one.replaces == other.replaces


def _places(groups: Iterable[Synonyms]) -> Mapping[str, str]:
    return {word: group.name for group in groups for word in group.words}
