"""What the program says to a person, in their language: its errors, what is wrong with a form, and why something was
so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from bot.catalogs import folder, read_catalog, translations
from bot.errors import SiyuError
from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem

#: Where the phrases are that are kept in the database as they were said, and are found again by what they are.
KEPT = ("reasons.po", "timeline.po", "kf_reasons.po", "import_reasons.po")
#: What is wrong with forms is kept of rows in files. A few words between values are not enough to know it by.
_PROBLEMS, _KNOWN_BY = "problems.po", 4
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
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
    """What is said in English below, for those who read the API or the log, and is met in a page too; also inside of
    what was kept."""
    if not words or isinstance(words, Phrase):
        return words
    if _CHINESE.search(words):
        phrase = _find("en", words) if _ENGLISH.search(words) else None
        return words if phrase is None else phrase.filled(**{n: _in_chinese(v) for n, v in phrase.values.items()})
    for pattern, text in _errors():
        if found := pattern.fullmatch(words):
            return text % {name: _in_chinese(value) for name, value in found.groupdict().items()}
    return words


@cache
def _errors() -> list[tuple[re.Pattern[str], str]]:
    known = read_catalog(folder() / "locales" / "zh" / "errors.po")
    found = [(each.id, each.string) for each in known if each.id]
    # The longest first: of two that fit, it says more of what it is.
    return [(_pattern(str(text)), str(said)) for text, said in sorted(found, key=lambda each: -len(str(each[0])))]


@lru_cache(4096)
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
    more = [each.id for each in read_catalog(place / _PROBLEMS) if isinstance(each.id, str)]
    texts += [each for each in more if len(_CHINESE.findall(_PLACEHOLDER.sub("", each))) >= _KNOWN_BY]
    return [(text, _pattern(text)) for text in texts if text]


def _pattern(text: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(text)
    # Between what is said, every second part is the name of a value.
    named: list[str] = []
    for number, part in enumerate(parts):
        again = part in parts[1:number:2]
        named.append(f"(?P={part})" if number % 2 and again else f"(?P<{part}>.+)" if number % 2 else re.escape(part))
    return re.compile("".join(named), re.DOTALL)
