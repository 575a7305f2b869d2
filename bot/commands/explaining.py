"""Why a rule matched and the others did not, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CONDITIONS = {
    "state": "channel",
    "userid": "staff member",
    "department": "department",
    "time": "time",
    "customer": "new or already followed",
    "add_way": "way of adding",
    "chat": "customer group",
    "words": "words in the name or remark",
    "pattern": "pattern in the name or remark",
}
DAYS = ("", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def explained(told: Mapping[str, Any]) -> Iterator[str]:
    """Lines for the explanation that a match stores (`rules`, `left_out`); the matched rule comes first."""
    for verdict in told.get("rules") or []:
        yield from _verdict(verdict)
    if told.get("left_out"):
        yield f"… and {told['left_out']} more rules"


def _verdict(verdict: Mapping[str, Any]) -> Iterator[str]:
    name = f"rule {verdict['rule_id']} {verdict['rule_name']} (priority {verdict['priority']})"
    match verdict["outcome"]:
        case "matched":
            yield f"✓ {name} matched"
        case "outranked":
            yield f"- {name} would match too, but another one comes first"
        case "disabled":
            yield f"- {name} is disabled"
        case _:
            yield f"✗ {name} does not match:"
    for failed in verdict.get("failed") or []:
        what = CONDITIONS.get(failed["condition"], failed["condition"])
        got = _time(failed["got"]) if failed["condition"] == "time" else _value(failed["got"])
        yield f"    {what}: wants {_value(failed['wanted'])}, is {got}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return window_words(value)
    if isinstance(value, list):
        return " or ".join(_value(each) for each in value) if value else "none"
    return str(value) if value != "" else "empty"


def _time(got: str) -> str:
    """`2026-03-04 10:00 Wed` of the same with the number of its weekday."""
    moment, _, day = got.rpartition(" ")
    return f"{moment} {DAYS[int(day)]}"


def window_words(window: Mapping[str, Any]) -> str:
    """`Mon-Fri 09:00-18:00` of a time window in JSON."""
    start, end = window.get("start", "00:00"), window.get("end", "00:00")
    times = "all day" if start == end else f"{start}-{end}"
    return f"{days_words(list(window.get('weekdays') or range(1, 8)))} {times}"


def days_words(days: list[int]) -> str:
    """`Mon-Fri`, `Sat,Sun`, `every day`."""
    if len(days) == 7:
        return "every day"
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
    return ",".join(DAYS[day] for day in days)
