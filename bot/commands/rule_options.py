"""What the rule commands take: a whole rule as JSON, or single fields as options."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.explaining import window_words
from bot.commands.terminal import refuse

RuleFile = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="The rule as JSON; - reads standard input.", allow_dash=True)
]
RuleId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The rule's number.")]
Name = Annotated[str | None, typer.Option("--name", help="The rule's name.")]
Priority = Annotated[int | None, typer.Option("--priority", help="The higher one is asked first.")]
States = Annotated[
    list[str] | None, typer.Option("--state", help="Channel (repeatable); a * at the end means any ending.")
]
Userids = Annotated[list[str] | None, typer.Option("--userid", help="Staff member (repeatable).")]
Departments = Annotated[list[str] | None, typer.Option("--department", help="Id of a department (repeatable).")]
Windows = Annotated[
    list[str] | None, typer.Option("--window", help='When, like "1-5 09:00-18:00"; 1 is Monday (repeatable).')
]

WINDOW = re.compile(r"(?:(?P<days>[1-7](?:[-,][1-7])*)\s*)?(?:(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d))?")


def read_rule(source: Path) -> dict[str, Any]:
    """A rule written as a JSON object in a file, or on standard input for `-`."""
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text("utf-8")
        rule = json.loads(text)
    except OSError as error:
        refuse(f"{source} cannot be read ({error.strerror}).")
    except ValueError as error:
        refuse(f"{source} is not JSON: {error}.")
    if not isinstance(rule, dict):
        refuse(f"{source} is not a JSON object.")
    return rule


def conditions(
    states: Sequence[str] | None,
    userids: Sequence[str] | None,
    departments: Sequence[str] | None,
    windows: Sequence[str] | None,
) -> dict[str, Any]:
    """The conditions that were given; an empty text takes a condition away."""
    told: dict[str, Any] = {}
    if states:
        told["states"] = [state for state in states if state and not state.endswith("*")]
        told["state_prefixes"] = [state[:-1] for state in states if state.endswith("*")]
    if userids:
        told["userids"] = [userid for userid in userids if userid]
    if departments:
        told["department_ids"] = [_number(department) for department in departments if department]
    if windows:
        told["windows"] = [parse_window(window) for window in windows if window]
    return told


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def parse_window(text: str) -> dict[str, Any]:
    """`1-5 09:00-18:00`, `6,7`, `22:00-06:00` as a time window."""
    found = WINDOW.fullmatch(text.strip())
    if found is None or not text.strip():
        refuse(f'{text!r} is no time window: write it like "1-5 09:00-18:00", "6,7" or "22:00-06:00".')
    window: dict[str, Any] = {}
    if found["days"]:
        from data.rules.schedule import read_weekdays

        weekdays = read_weekdays(found["days"])
        if weekdays is None:
            refuse(f"{found['days']!r} are no weekdays: write them like 1-5 or 6,7 (1 is Monday).")
        window["weekdays"] = weekdays
    if found["start"]:
        window |= {"start": found["start"], "end": found["end"]}
    return window


def _number(text: str) -> int:
    if not text.isdecimal():
        refuse(f"{text!r} is no department id: it is a number.")
    return int(text)


def conditions_words(told: dict[str, Any]) -> str:
    """A rule's conditions, in JSON, as one line."""
    parts = [
        ("channel", [*told["states"], *(f"{prefix}*" for prefix in told["state_prefixes"])]),
        ("staff", told["userids"]),
        ("department", [str(each) for each in told["department_ids"]]),
        ("when", [window_words(each) for each in told["windows"]]),
        ("customer", [told["customer"]] if told.get("customer") else []),
        ("added by", [str(each) for each in told.get("add_ways", [])]),
        ("order from", told.get("order_sources", [])),
        ("order of", [f"{told['order_amount_fen_min']} fen or more"] if told.get("order_amount_fen_min") else []),
        ("orders", [f"{told['order_count_min']} or more"] if told.get("order_count_min") else []),
        ("group", told.get("chat_ids", [])),
        ("words", told.get("words", [])),
        ("pattern", [told["pattern"]] if told.get("pattern") else []),
    ]
    return "; ".join(f"{what} {' or '.join(values)}" for what, values in parts if values) or "always"
