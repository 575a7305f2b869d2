"""Pairs of characters, by which texts are found on both databases: Chinese has no blanks between its words, and two
characters are as much of a name or a question as most people write."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import groupby

#: Where the index keeps what it takes for no part of a word: blanks and marks of ASCII.
_MARKS = 0xE000
_CODES = {code: chr(_MARKS + code) for code in range(128) if not chr(code).isalnum()}
#: What ends each of the texts that are kept together: no search goes beyond it.
_END = _CODES[ord("\n")]
#: Where it keeps the characters of ids, so that no part of a name is found in one.
_IDS = 0xE100
_ID_CODES = {code: chr(_IDS + code) for code in range(128)}
#: Of an id as many of its last characters as tell it from all others but by chance.
ID_CHARACTERS = 12
_TAKEN = dict.fromkeys([*range(_MARKS, _MARKS + 128), *range(_IDS, _IDS + 128)], "\ufffd")


def folded(text: str) -> str:
    """A text as it is compared: `ＶＩＰ` and `vip` are one, and so are all ways to write a character down."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def grams(text: str) -> list[str]:
    """The pairs of neighbouring characters within each run of letters, ideographs and digits, folded.

    In their order, each as often as it is there: a caller that wants each once says so. A run of one character is a
    gram by itself. Whoever wrote part of a run has only pairs of that run: `退款` is found in `怎么退款？`.
    """
    found: list[str] = []
    shown = (char for char in folded(text) if unicodedata.category(char) != "Cf")
    for is_word, run in groupby(shown, _is_of_word):
        word = "".join(run) if is_word else ""
        found += [word] if len(word) == 1 else [word[at : at + 2] for at in range(len(word) - 1)]
    return found


def _is_of_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def searchable(text: str) -> str:
    """A name, or what is looked for in names, as the two are compared: a search finds every name whose searchable text
    has its own in it. Folded, and any blanks are one."""
    kept = folded(text)
    return kept if kept.isalnum() else " ".join(kept.translate(_TAKEN).split())


def coded(texts: Iterable[str]) -> str:
    """Texts as the index of names keeps them: each character with the next one, the last with an end, blanks between.

    A blank of the text itself and every mark have other characters here, so that what stands between two blanks is a
    pair, for databases that split by blanks. Empty where there are no texts.
    """
    # Most remarks are the name itself.
    kept = dict.fromkeys(map(searchable, dict.fromkeys(filter(None, texts))))
    return " ".join(_pairs(_in_code(text), _END) for text in kept if text)


def sought(text: str) -> str:
    """What stands in `coded` of every text that has this in it, and of no other; of one character, that itself."""
    code = _in_code(searchable(text))
    return _pairs(code) if len(code) > 1 else code


def _in_code(text: str) -> str:
    return text if text.isalnum() else text.translate(_CODES)


def _pairs(code: str, end: str = "") -> str:
    return " ".join(map(str.__add__, code, code[1:] + end))


def coded_id(id_: str) -> str:
    """The word by which the index of names keeps an id: no name has a character of it, and few other ids the word."""
    last = id_[-ID_CHARACTERS:]
    return last.translate(_ID_CODES) if last.isascii() else "".join([_ID_CODES[ord(char) % 128] for char in last])
