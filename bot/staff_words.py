"""What members of staff are told, each in the language that they have chosen: texts, days, causes, lists.

A text that is there in both languages is two templates, `SLUG` and `SLUG_en`, so that who edits one sees one language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import NamedTuple

from sqlmodel import Session

from bot.context import Context
from bot.phrases import Bilingual, Phrase
from bot.saying import told
from data.queries import accounts as account_rows
from data.rules.schedule import day_words, local_datetime, moment_words

ZH, EN = "zh", "en"


class Kept(NamedTuple):
    """Words of the program that were kept in the database as they were said: they are said anew in another language."""

    words: str


class Named(NamedTuple):
    """What is named one after the other; `more`: there are others."""

    names: Sequence[str]
    more: bool = False


#: What a variable of a text may be given: words as they are, the program's own words, a number, a day, an instant.
Value = str | Kept | Named | int | date | datetime | None


def language_of(session: Session, ctx: Context, userid: str) -> str:
    """The language that a member has chosen, here or in the console, else the company's."""
    return account_rows.find_language(session, userid) or ctx.settings.app.language


def render(ctx: Context, slug: str, language: str = ZH, /, **values: Value) -> str:
    """A text for staff in a language."""
    return ctx.renderer.render(
        "staff_alert", f"{slug}_en" if language == EN else slug, say_all(values, language, ctx.settings.zone)
    )


def say_all(values: Mapping[str, Value], language: str, zone: tzinfo) -> dict[str, str | None]:
    """The values of a text's variables in a language."""
    return {name: say(value, language, zone) for name, value in values.items()}


def say(value: Value, language: str, zone: tzinfo) -> str | None:
    """A value in a language: numbers as people read them, instants by the company's clock. Names stay what they are."""
    match value:
        case Kept(words):
            return told(language, words) or None
        case Named(names, more):
            return _named([each for each in names if each], more, language)
        case Bilingual():
            return value.en if language == EN else str(value)
        case Phrase():
            return told(language, value)
        case str() | None:
            return value
        case int():
            return f"{value:,}"
        case datetime():
            return moment_told(value, language, zone)
        case date():
            return day_told(value, language)


def _named(names: Sequence[str], more: bool, language: str) -> str | None:
    and_others = (" and others" if language == EN else " 等") if more else ""
    return f"{between(language).join(names)}{and_others}" if names else None


def between(language: str) -> str:
    """What stands between what is named one after the other."""
    return ", " if language == EN else "、"


def day_told(day: date | datetime, language: str) -> str:
    """A day as it is told."""
    return f"{day:%b} {day.day}" if language == EN else day_words(day)


def moment_told(at: datetime, language: str, zone: tzinfo) -> str:
    """An instant as it is told."""
    local = local_datetime(at, zone)
    return f"{local:%b} {local.day} {local:%H:%M}" if language == EN else moment_words(at, zone)
