"""Notes about customers, and when staff mean to be in touch with them next: what is kept, and which days may be."""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta

from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem

NOTE_MAX_LENGTH = 1000
#: Who plans further ahead has most likely mistyped the year.
AHEAD_MAX = timedelta(days=2 * 366)


def check_note(words: str) -> str:
    """A note as it is kept: its lines, without other control characters. Raises InvalidRuleError where nothing is said,
    or too much."""
    lines = words.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = "\n".join(_plain(line) for line in lines).strip()
    if not kept:
        raise InvalidRuleError([Problem("words", Phrase("请写下要记的内容"))])
    if len(kept) > NOTE_MAX_LENGTH:
        raise InvalidRuleError([Problem("words", Phrase("最多 %(most)s 个字", most=NOTE_MAX_LENGTH))])
    return kept


def _plain(line: str) -> str:
    return "".join(char for char in line if unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")).rstrip()


def check_day(on: date, today: date) -> date:
    """A day on which somebody may mean to be in touch. Raises InvalidRuleError for one that is over, or far away."""
    if on < today:
        raise InvalidRuleError([Problem("on", Phrase("这一天已经过去了"))])
    if on - today > AHEAD_MAX:
        raise InvalidRuleError([Problem("on", Phrase("请选两年之内的日子"))])
    return on
