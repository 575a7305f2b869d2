"""Pairs of characters, by which texts are found on both databases: Chinese has no blanks between its words, and two
characters are as much of a name or a question as most people write."""

from __future__ import annotations

import unicodedata
from itertools import groupby


def folded(text: str) -> str:
    """A text as it is compared: `ＶＩＰ` and `vip` are one, and so are all ways to write a character down."""
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
