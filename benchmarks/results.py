"""A measurement, the table on the screen and the file that keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One measured value. `peer` is what the ratio compares with; `met` is None where there is no goal."""

    name: str
    value: float
    unit: str
    peer: float | None = None
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


def at_least(name: str, value: float, unit: str, goal: float) -> Result:
    """A value that should be large."""
    return Result(name, value, unit, goal=f">= {goal:g} {unit}", met=value >= goal)


def at_most(name: str, value: float, unit: str, goal: float) -> Result:
    """A value that should be small."""
    return Result(name, value, unit, goal=f"< {goal:g} {unit}", met=value < goal)


def beside(name: str, value: float, peer: float, unit: str, goal: float | None) -> Result:
    """A value as a share of the peer's, measured in the same run."""
    ratio = value / peer
    if goal is None:
        return Result(name, value, unit, peer, ratio)
    return Result(name, value, unit, peer, ratio, f">= {goal:g} x", ratio >= goal)


def table(results: list[Result]) -> str:
    """The results in aligned columns."""
    rows = [("name", "value", "unit", "peer", "ratio", "goal", "met")]
    for result in results:
        met = "" if result.met is None else "yes" if result.met else "NO"
        rows.append(
            (
                result.name,
                _short(result.value),
                result.unit,
                _short(result.peer),
                _short(result.ratio),
                result.goal,
                met,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def save(results: list[Result], path: Path) -> None:
    """All results as a JSON list of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n", "utf-8")


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
