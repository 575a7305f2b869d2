"""Forms of rules: what they offer to choose from, and what was typed, as the JSON of a rule.

What was typed stays as it is, faulty or not: the same JSON fills the form again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.painting import N_
from data.queries import audit, channels, groups, tags
from data.queries import staff as staff_rows
from data.rules.problems import Problem

#: So many are offered with a tick each; others are named in lines below them.
OFFERED = 300
WINDOWS_READ = 50

WEEKDAYS = {1: N_("周一"), 2: N_("周二"), 3: N_("周三"), 4: N_("周四"), 5: N_("周五"), 6: N_("周六"), 7: N_("周日")}
CUSTOMERS = {"new": N_("新客户"), "followed": N_("同事已有的客户")}
TRIGGERS = {
    "add": N_("添加客户"), "edit": N_("修改备注或资料"), "group_join": N_("进入客户群"), "order": N_("付款"),
}  # fmt: skip
SEARCH_IN = {"either": N_("昵称或备注"), "name": N_("昵称"), "remark": N_("备注")}


class Option(NamedTuple):
    """Something to choose; `group` is a heading."""

    value: str
    label: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the conditions and tags of rules can be chosen from."""

    channels: tuple[Option, ...]
    staff: tuple[Option, ...]
    departments: tuple[Option, ...]
    groups: tuple[Option, ...]
    tags: tuple[Option, ...]

    def names(self) -> dict[str, dict[str, str]]:
        """Names by what they stand for, by kind."""
        return {
            kind: {each.value: each.label for each in getattr(self, kind)}
            for kind in ("channels", "staff", "departments", "groups", "tags")
        }


class Overtaken(NamedTuple):
    """Somebody else has saved the rule meanwhile: who, when, and the fields in which it differs from what was typed."""

    who: str
    at: Any
    differs: tuple[str, ...]


def read_offered(session: Session) -> Offered:
    """What there is to choose from."""
    return Offered(
        tuple(Option(each.state, each.name or each.state) for each in channels.list_channels(session) if each.state),
        tuple(Option(each.userid, each.name or each.userid) for each in staff_rows.list_staff(session)),
        tuple(Option(str(each.id), each.name or str(each.id)) for each in staff_rows.list_departments(session)),
        tuple(Option(chat_id, name or chat_id) for chat_id, name in groups.list_named(session, OFFERED)),
        tuple(Option(each["tag_id"], each["name"], each["group_name"]) for each in tags.list_tags(session)),
    )


def read_common(ask: Ask) -> dict[str, Any]:
    """The fields that every rule has, without its conditions."""
    return {
        "name": ask.text("name", 100),
        "priority": whole(ask.text("priority", 20)) if ask.text("priority") else 0,
        "enabled": ask.text("enabled") == "yes",
    }


def read_conditions(ask: Ask) -> dict[str, Any]:
    """The conditions that every rule can have."""
    return {
        "states": chosen(ask, "conditions.states"),
        "state_prefixes": lines(ask, "conditions.state_prefixes"),
        "userids": chosen(ask, "conditions.userids"),
        "department_ids": [whole(each) for each in chosen(ask, "conditions.department_ids")],
        "windows": _windows(ask),
    }


def read_tag_conditions(ask: Ask) -> dict[str, Any]:
    """Those of auto-tagging rules."""
    return {
        **read_conditions(ask),
        "add_ways": [whole(each) for each in chosen(ask, "conditions.add_ways")],
        "chat_ids": chosen(ask, "conditions.chat_ids"),
        "words": lines(ask, "conditions.words"),
        "pattern": ask.text("conditions.pattern", 1000),
        "search_in": ask.text("conditions.search_in", 20) or "either",
        "order_sources": lines(ask, "conditions.order_sources"),
        "order_amount_fen_min": fen(ask.text("conditions.order_amount_fen_min", 20)),
        "order_count_min": whole(ask.text("conditions.order_count_min", 20) or "0"),
    }


def chosen(ask: Ask, name: str) -> list[str]:
    """What was ticked, and what was named in lines below."""
    return list(dict.fromkeys([each.strip() for each in ask.texts(name) if each.strip()] + lines(ask, f"{name}.more")))


def lines(ask: Ask, name: str) -> list[str]:
    """What was typed, a line each."""
    return list(dict.fromkeys(each.strip() for each in ask.text(name, 60_000).splitlines() if each.strip()))


def whole(text: str) -> int | str:
    """A whole number, or what was typed in its place."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) else text


def fen(text: str) -> int | str:
    """An amount in yuan as fen, or what was typed in its place."""
    if not text:
        return 0
    found = re.fullmatch(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", text, re.ASCII)
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0")) if found else text


def yuan(amount: int | str) -> str:
    """The same back."""
    if not isinstance(amount, int):
        return amount
    return f"{amount // 100}.{amount % 100:02}".removesuffix(".00") if amount else ""


def _windows(ask: Ask) -> list[dict[str, Any]]:
    """The times; a row in which nothing was chosen is none."""
    numbers = {
        int(found[1])
        for name in ask.form
        if (found := re.fullmatch(r"conditions\.windows\[([0-9]{1,3})\]\.\w+", name, re.ASCII))
    }
    windows: list[dict[str, Any]] = []
    for number in sorted(numbers)[:WINDOWS_READ]:
        path = f"conditions.windows[{number}]"
        days, start, end = ask.texts(f"{path}.weekdays"), ask.text(f"{path}.start"), ask.text(f"{path}.end")
        if days or start or end:
            windows.append({
                "weekdays": [whole(day) for day in days], "start": start[:5] or "00:00", "end": end[:5] or "00:00"
            })  # fmt: skip
    return windows


def problems_at(problems: Iterable[Problem], path: str) -> list[str]:
    """The problems of a field and of all that is in it."""
    return [each.message for each in problems if each.path == path or each.path.startswith((f"{path}.", f"{path}["))]


def find_overtaken(session: Session, what: str, now: Mapping[str, Any], typed: Mapping[str, Any]) -> Overtaken:
    """Who has saved a rule meanwhile, and how what is saved differs from what was typed."""
    entry = next(iter(audit.list_entries(session, limit=1, what=what)), None)
    differs = tuple(name for name in now if name != "id" and name in typed and _plain(now[name]) != _plain(typed[name]))
    return Overtaken(entry.who if entry else "", entry.at if entry else None, differs)


def _plain(value: Any) -> Any:
    """A value in which order and what is empty do not count."""
    if isinstance(value, Mapping):
        return {name: plain for name, inner in value.items() if (plain := _plain(inner)) not in (None, "", [], {}, 0)}
    if isinstance(value, list | tuple):
        return sorted((_plain(each) for each in value), key=str)
    return value


def local_instant(ask: Ask, text: str) -> datetime | str | None:
    """What a field of the kind `datetime-local` says, by the company's clock; None: nothing; or what was typed."""
    if not text.strip():
        return None
    try:
        typed = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return typed if typed.tzinfo else typed.replace(tzinfo=ask.zone)
