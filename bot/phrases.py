"""Words of the program that can be said in another language where they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self


class Phrase(str):
    """`Phrase("最多 %(count)s 项", count=3)`: a text in Chinese that remembers what it was made of.

    It is stored, sent and compared as the text that it is. Where it is shown, `said` makes it anew in the reader's
    language. Values may be phrases, or lists of what is named one after the other. Without values nothing is filled in.
    """

    text: str
    values: dict[str, Any]

    def __new__(cls, text: str, /, **values: object) -> Self:
        made = super().__new__(cls, _filled(text, values, "、", str))
        made.text, made.values = text, values
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.text,), self.values

    def __str__(self) -> Phrase:
        # What a ValueError says is asked of it with `str`.
        return self

    def filled(self, **values: object) -> Phrase:
        """A phrase of a table, with its values."""
        return Phrase(self.text, **values)

    def said(self, find: Callable[[str], str], between: str = ", ") -> str:
        """It in another language. `find`: the text in that language; `between`: what stands between named ones."""

        def say(value: object) -> str:
            if isinstance(value, Bilingual):
                return value.en
            return value.said(find, between) if isinstance(value, Phrase) else str(value)

        return _filled(find(self.text), self.values, between, say)


class Bilingual(str):
    """A word that brings its own English, as the variables of message templates do."""

    en: str

    def __new__(cls, zh: str, en: str) -> Self:
        made = super().__new__(cls, zh)
        made.en = en
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        return (str(self), self.en), {}


def _filled(text: str, values: dict[str, Any], between: str, say: Callable[[object], str]) -> str:
    if not values:
        return text
    shown = {
        name: between.join(map(say, value))
        if isinstance(value, list | tuple)
        else say(value)
        if isinstance(value, str)
        else value
        for name, value in values.items()
    }
    return text % shown
