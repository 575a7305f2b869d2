"""Definitions that come with the program, to be changed as one likes: journeys, campaigns and forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

SHIPPED = Path(__file__).parent.parent / "templates"
LANGUAGES = ("zh", "en")

Kind = Literal["journeys", "campaigns", "forms"]


def list_shipped(kind: Kind) -> list[str]:
    """The names of those of a kind."""
    return sorted({path.name.split(".")[0] for path in (SHIPPED / kind).glob("*.zh.json")})


def read_shipped(kind: Kind, name: str, language: str = "zh") -> dict[str, Any]:
    """One of them. Raises LookupError naming those there are."""
    if language not in LANGUAGES:
        raise LookupError(f"There is no language {language}: {', '.join(LANGUAGES)}.")
    if name not in list_shipped(kind):
        raise LookupError(f"None of the {kind} that come with the program is {name}: {', '.join(list_shipped(kind))}.")
    found: dict[str, Any] = json.loads((SHIPPED / kind / f"{name}.{language}.json").read_text("utf-8"))
    return found
