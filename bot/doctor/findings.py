"""What `siyu check` finds: one plain sentence each, in Chinese and in English, that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """OK: as it should be. WARN: works, but look. FAIL: something does not work."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `code` is stable; `zh` and `en` say the same, `en` perhaps with phrases in it that are still
    to be said in English."""

    code: str
    level: Level
    zh: str
    en: str

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "level": self.level.value, "zh": self.zh, "en": self.en}


def ok(code: str, zh: str, en: str) -> Finding:
    """As it should be."""
    return Finding(code, Level.OK, zh, en)


def warn(code: str, zh: str, en: str) -> Finding:
    """Works, but somebody should look."""
    return Finding(code, Level.WARN, zh, en)


def fail(code: str, zh: str, en: str) -> Finding:
    """Does not work."""
    return Finding(code, Level.FAIL, zh, en)


def some(names: list[str], at_most: int = 10) -> str:
    """The first few names, and how many there are more."""
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} … (+{len(names) - at_most})"
