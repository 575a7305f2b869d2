"""What the program says to a person, in their language: its errors, what is wrong with a form, and why something was
so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from bot.catalogs import folder, read_catalog, translations
from bot.errors import SiyuError
from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem

#: Where the phrases are that are kept in the database as they were said, and are found again by what they are.
KEPT = ("reasons.po", "timeline.po", "kf_reasons.po")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z0-9]*[a-z]")

Words = str | Problem | SiyuError


def told(language: str, what: Words | Iterable[Words]) -> str:
    """All that is wrong with a form; what an error says, and what to do about it; a reason; several of these."""
    match what:
        case InvalidRuleError():
            return told(language, what.problems)
        case SiyuError():
            return f"{told(language, what.message)} {told(language, what.remedy)}".strip()
        case Problem():
            return told(language, what.message)
        case str():
            return _in_chinese(what) if language == "zh" else _said(language, what)
        case _:
            return ("；" if language == "zh" else "; ").join(told(language, each) for each in what)


def _said(language: str, words: str) -> str:
    phrase = words if isinstance(words, Phrase) else _find(language, words)
    return words if phrase is None else phrase.said(translations(language).gettext)


def _in_chinese(words: str) -> str:
    """What is said in English below, for those who read the API or the log, and is met in a page too."""
    if not words or isinstance(words, Phrase) or _CHINESE.search(words):
        return words
    for pattern, text in _errors():
        if found := pattern.fullmatch(words):
            return text % found.groupdict()
    return words


@cache
def _errors() -> list[tuple[re.Pattern[str], str]]:
    known = read_catalog(folder() / "locales" / "zh" / "errors.po")
    found = [(each.id, each.string) for each in known if each.id]
    # The longest first: of two that fit, it says more of what it is.
    return [(_pattern(str(text)), str(said)) for text, said in sorted(found, key=lambda each: -len(str(each[0])))]


def _find(language: str, words: str) -> Phrase | None:
    """The phrase that some words from the database are."""
    for text, pattern in _patterns(language):
        if found := pattern.fullmatch(words):
            values = {name: _find(language, value) or value for name, value in found.groupdict().items()}
            return Phrase(text, **values)
    return None


@cache
def _patterns(language: str) -> list[tuple[str, re.Pattern[str]]]:
    place = folder() / "locales" / language
    texts = [each.id for name in KEPT for each in read_catalog(place / name) if isinstance(each.id, str)]
    return [(text, _pattern(text)) for text in texts if text]


def _pattern(text: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(text)
    # Between what is said, every second part is the name of a value.
    named = [f"(?P<{part}>.+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)]
    return re.compile("".join(named), re.DOTALL)
