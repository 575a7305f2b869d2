"""A wave of a campaign as fields of a form, and back. What the form does not show stays as it is in the definition."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp.web_request import FileField
from multidict import MultiDict

from bot.campaign_narrowing import widened
from bot.console.asks import Ask
from bot.console.campaign_acts import local_input, parse_local
from bot.console.message_forms import read_message
from bot.console.segment_forms import Fields, open_fields, read_fields
from bot.phrases import Phrase
from bot.roster_files import read_rows
from data.models import Account
from data.rules.problems import InvalidRuleError, Problem
from data.rules.segments import EVERYBODY, Node
from data.rules.timings import Timing
from data.rules.variants import VARIANTS_MAX
from data.rules.waves import CUSTOMERS, GROUPS, MOMENTS

#: What is read of a file; the list itself is bounded where it is checked.
FILE_BYTES_MAX = 5_000_000
#: Fields in which members are chosen.
MEMBERS = ("excluded_userids", "owners", "userids")
EDITORS = {CUSTOMERS: "broadcast", GROUPS: "broadcast", MOMENTS: "moment"}
REPEATS = ("daily", "workdays", "weekly", "monthly", "cron")
_SIMPLE = re.compile(r"(\d{1,2}) (\d{1,2}) (\S+) \* (\S+)")
_BETWEEN = re.compile(r"[\s,，、;；]+")
#: Which field of the form shows a problem: the one with the longest path that a problem's begins with.
PLACES: Mapping[str, str] = {
    "": "form", "name": "name", "owner": "owner", "audience": "audience", "visible": "audience",
    "audience.created_days_ago": "created_days_ago", "audience.name_contains": "name_contains",
    "sender_policy": "sender_policy", "sender_tag_ids": "sender_tag_ids", "excluded_userids": "excluded_userids",
    "not_bought_hours": "not_bought_hours", "hold_out_percent": "hold_out_percent", "valid_hours": "valid_hours",
    "timing": "when", "timing.at": "at", "timing.cron": "cron", "timing.until": "until", "timing.late": "late_minutes",
    "variants": "variants", "file": "audience", "kind": "form",
}  # fmt: skip

Typed = MultiDict[Any]


def place_problems(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """By the field beside which they stand; those of what it says stand in their editors."""
    found: dict[str, list[str]] = {}
    for each in problems:
        path = re.sub(r"^waves\[\d+\]\.?", "", each.path)
        if re.match(r"(content|variants\[\d+\]\.content)(\W|$)", path):
            continue
        near = [place for place in PLACES if not place or path == place or path.startswith((f"{place}.", f"{place}["))]
        found.setdefault(PLACES[max(near, key=len)], []).append(each.message)
    return found


def content_problems(problems: Sequence[Problem]) -> list[Problem]:
    """Those of what it says, by the paths of the editors' fields."""
    return [Problem(re.sub(r"^waves\[\d+\]\.?", "", each.path), each.message) for each in problems]


# -- to fields


def fields_of(ask: Ask, wave: Mapping[str, Any]) -> Typed:
    """What the form shows of a definition."""
    typed: Typed = MultiDict()
    kind = wave.get("kind", CUSTOMERS)
    audience = widened(ask.account, kind, wave.get("visible" if kind == MOMENTS else "audience") or {})
    _add_audience(typed, kind, audience)
    for name, default in (("sender_policy", "first_added"), ("sender_fallback", "first_added"), ("valid_hours", 72),
                          ("not_bought_hours", ""), ("hold_out_percent", 0)):  # fmt: skip
        typed.add(name, str(wave.get(name) if wave.get(name) is not None else default))
    for each in wave.get("sender_tag_ids") or ():
        typed.add("sender_tag_ids", each)
    for each in wave.get("excluded_userids") or ():
        typed.add("excluded_userids", each)
    for number, each in enumerate(wave.get("variants") or ()):
        typed.add(f"variants[{number}].name", each["name"])
        typed.add(f"variants[{number}].weight", str(each.get("weight", 1)))
    _add_timing(ask, typed, Timing.model_validate(wave.get("timing") or {}))
    return typed


async def segment_fields(ask: Ask, wave: Mapping[str, Any], *, is_typed: bool) -> Fields:
    """The conditions of a wave to customers, as they were typed or as they are kept."""
    if is_typed:
        return await read_fields(ask)
    tree = widened(ask.account, CUSTOMERS, wave.get("audience") or {}).get("segment")
    return await open_fields(ask, Node.model_validate(tree) if tree else EVERYBODY)


def _add_audience(typed: Typed, kind: str, audience: Mapping[str, Any]) -> None:
    if kind == CUSTOMERS:
        listed = audience.keys() & {"pairs", "external_userids"}
        typed.add("audience", "keep" if listed else "conditions" if audience.get("segment") else "everyone")
        return
    typed.add("audience", "everyone" if audience.get("everyone") or not any(audience.values()) else "some")
    typed.add("chat_ids", "\n".join(audience.get("chat_ids") or ()))
    for name in ("owners", "userids", "department_ids", "tag_ids"):
        for each in audience.get(name) or ():
            typed.add(name, str(each))
    typed.add("name_contains", audience.get("name_contains") or "")
    days = audience.get("created_days_ago")
    typed.add("created_days_ago", "" if days is None else str(days))


def _add_timing(ask: Ask, typed: Typed, timing: Timing) -> None:
    typed.add("when", "repeat" if timing.cron else "at" if timing.at else "now")
    typed.add("at", local_input(ask, timing.at))
    repeat, time, days, month_days = _parts_of(timing.cron or "0 10 * * *")
    typed.add("repeat", repeat)
    typed.add("time", time)
    for each in days:
        typed.add("weekdays", each)
    typed.add("month_days", month_days)
    typed.add("cron", timing.cron or "")
    typed.add("until", f"{timing.until}" if timing.until else "")
    if timing.skip_holidays:
        typed.add("skip_holidays", "yes")
    if timing.fresh_words:
        typed.add("fresh_words", "yes")
    typed.add("late_minutes", str(timing.late.within_minutes))
    typed.add("late_then", timing.late.then)


def _parts_of(cron: str) -> tuple[str, str, list[str], str]:
    """How a cron line is chosen in the form: (repeat, time, weekdays, days of the month)."""
    found = _SIMPLE.fullmatch(cron)
    if found is None or int(found[1]) > 59 or int(found[2]) > 23:
        return "cron", "10:00", [], "1"
    time, day, weekday = f"{int(found[2]):02}:{int(found[1]):02}", found[3], found[4]
    if day == weekday == "*":
        return "daily", time, [], "1"
    if day == "*" and weekday == "1-5":
        return "workdays", time, [], "1"
    if day == "*" and re.fullmatch(r"[0-7](,[0-7])*", weekday):
        return "weekly", time, [str(int(each) % 7) for each in weekday.split(",")], "1"
    if weekday == "*" and re.fullmatch(r"\d{1,2}(,\d{1,2})*", day):
        return "monthly", time, [], day
    return "cron", time, [], "1"


# -- from fields


async def read_wave(ask: Ask, kind: str, base: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that a form makes of another one. Raises InvalidRuleError for what is no value at all."""
    form, problems = ask.form, list[Problem]()
    wave: dict[str, Any] = {**base, "kind": kind}
    wave["valid_hours"] = _number(ask, "valid_hours", "valid_hours", problems) or 72
    wave["timing"] = read_timing(ask, problems)
    wave["content"] = read_message(form, "content", EDITORS[kind])
    try:
        if kind == CUSTOMERS:
            wave |= _of_customers(ask, problems)
            wave["audience"] = await _customers(ask, base.get("audience") or {})
        elif kind == GROUPS:
            wave["audience"] = _groups(ask, base.get("audience") or {}, problems)
        else:
            wave["visible"] = _visible(ask, base.get("visible") or {}) or None
    except InvalidRuleError as error:
        problems += error.problems
    if problems:
        raise InvalidRuleError(problems)
    return wave


def _of_customers(ask: Ask, problems: list[Problem]) -> dict[str, Any]:
    policy = ask.text("sender_policy", 20)
    numbers = [number for number in range(VARIANTS_MAX) if f"variants[{number}].name" in ask.form]
    variants: list[dict[str, Any]] = [
        {
            "name": ask.text(f"variants[{number}].name", 40),
            "weight": _number(ask, f"variants[{number}].weight", f"variants[{number}].weight", problems) or 1,
            "content": read_message(ask.form, f"variants[{number}].content", "broadcast"),
        }
        for number in numbers
    ]
    # A version without a name and without words was never begun.
    variants = [each for each in variants if each["name"] or any(each["content"].values())]
    found = {
        "variants": variants,
        "hold_out_percent": _number(ask, "hold_out_percent", "hold_out_percent", problems) or 0,
        "not_bought_hours": _number(ask, "not_bought_hours", "not_bought_hours", problems),
        "sender_policy": policy,
        "sender_tag_ids": ask.texts("sender_tag_ids") if policy == "tag_owner" else [],
        "sender_fallback": ask.text("sender_fallback", 20) or "first_added",
        "excluded_userids": members_of(ask, "excluded_userids"),
    }
    return found | ({"content": {}} if variants else {})


async def _customers(ask: Ask, base: Mapping[str, Any]) -> dict[str, Any]:
    match ask.text("audience", 20):
        case "keep" if base:
            return dict(base)
        case "conditions":
            fields = await read_fields(ask)
            if fields.tree is None:
                raise InvalidRuleError([Problem("audience", ask._("条件还没有填完整，请看条件旁边的说明"))])
            return {"segment": fields.tree.model_dump(mode="json", exclude_defaults=True)}
        case "saved":
            return {"segment_id": ask.number("segment_id") or 0}
        case "list":
            return _listed(_lines(ask.text("listed", 1_000_000)))
        case "file":
            return _listed(await _read_file(ask))
        case _:
            return {"everyone": True}


def _lines(text: str) -> list[tuple[str, str]]:
    """(external_userid, userid or empty) of a list with one a line."""
    found = []
    for line in text.splitlines():
        whom, _, who = line.replace("，", ",").replace("\t", ",").partition(",")
        if whom.strip():
            found.append((whom.strip()[:64], who.strip()[:64]))
    return list(dict.fromkeys(found))


def _listed(listed: Sequence[tuple[str, str]]) -> dict[str, Any]:
    if any(who for _, who in listed):
        return {"pairs": [{"external_userid": whom, "userid": who} for whom, who in listed]}
    return {"external_userids": [whom for whom, _ in listed]}


async def _read_file(ask: Ask) -> list[tuple[str, str]]:
    """A file with one customer a line, or a table with a column `external_userid`. What was read is typed, so that a
    page that is shown again still has it."""
    given = ask.form.get("file")
    if not isinstance(given, FileField):
        raise InvalidRuleError([Problem("audience", ask._("请选择一个文件"))])
    content = given.file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise InvalidRuleError([Problem("audience", ask._("文件太大"))])
    listed = await asyncio.to_thread(_read_content, content)
    ask.form.popall("file")
    ask.form["audience"] = "list"
    ask.form["listed"] = "\n".join(f"{whom},{who}" if who else whom for whom, who in listed)
    return listed


def _read_content(content: bytes) -> list[tuple[str, str]]:
    first = content[:200].lower()
    if not first.startswith((b"pk\x03\x04", b"\xd0\xcf\x11\xe0")) and b"external_userid" not in first:
        try:
            return _lines(content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise InvalidRuleError(
                [Problem("audience", Phrase("文件不是 UTF-8 的文字：请存为 UTF-8 的 CSV 或 XLSX"))]
            ) from None
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        listed, problems = list[tuple[str, str]](), list[Problem]()
        for row in read_rows(Path(file.name)):
            if isinstance(row, Problem):
                problems.append(row)
            elif row.kind != "external_userid":
                message = Phrase(
                    "第 %(row)s 行没有 external_userid：按手机号或 unionid 请先做成客户名单，再用条件选择", row=row.row
                )
                problems.append(Problem("audience", message))
            else:
                listed.append((row.value, ""))
    if problems:
        raise InvalidRuleError([Problem("audience", each.message) for each in problems[:5]])
    return list(dict.fromkeys(listed))


def _groups(ask: Ask, base: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    if ask.text("audience", 20) != "some":
        return {"everyone": True}
    return {
        **{name: value for name, value in base.items() if name != "everyone"},
        "owners": members_of(ask, "owners"),
        "chat_ids": _ids(ask.text("chat_ids", 400_000)),
        "department_ids": _numbers(ask, "department_ids"),
        "name_contains": ask.text("name_contains", 100),
        "created_days_ago": _number(ask, "created_days_ago", "audience.created_days_ago", problems),
    }


def _visible(ask: Ask, base: Mapping[str, Any]) -> dict[str, Any]:
    named = {"userids": members_of(ask, "userids"), "department_ids": _numbers(ask, "department_ids")}
    if ask.text("audience", 20) != "some":
        named = {}
    kept = {name: value for name, value in base.items() if name not in ("userids", "department_ids", "tag_ids")}
    named["tag_ids"] = ask.texts("tag_ids")
    return {**kept, **{name: value for name, value in named.items() if value}}


def read_timing(ask: Ask, problems: list[Problem]) -> dict[str, Any]:
    """When it is sent, as it was chosen."""
    timing: dict[str, Any] = {}
    match ask.text("when", 10):
        case "at":
            try:
                at = parse_local(ask, ask.text("at", 30), "timing.at")
            except InvalidRuleError as error:
                problems += error.problems
                at = None
            else:
                if at is None:
                    problems.append(Problem("timing.at", ask._("请填写时间")))
            if at is not None:
                timing["at"] = at.isoformat()
        case "repeat":
            timing["cron"] = _cron(ask)
            if until := ask.text("until", 20):
                timing["until"] = until
            timing |= {name: True for name in ("skip_holidays", "fresh_words") if ask.text(name, 5) == "yes"}
    minutes = _number(ask, "late_minutes", "timing.late", problems)
    late = {"within_minutes": 120 if minutes is None else minutes, "then": ask.text("late_then", 10) or "wait"}
    return {**timing, "late": late}


def _cron(ask: Ask) -> str:
    repeat = ask.text("repeat", 10)
    if repeat == "cron":
        return ask.text("cron", 200)
    hour, _, minute = ask.text("time", 10).partition(":")
    at = f"{int(minute)} {int(hour)}" if hour.isdecimal() and minute.isdecimal() else "? ?"
    days = ",".join(sorted(each for each in ask.texts("weekdays") if each in tuple("0123456")))
    match repeat:
        case "weekly":
            return f"{at} * * {days or '?'}"
        case "workdays":
            return f"{at} * * 1-5"
        case "monthly":
            return f"{at} {','.join(_BETWEEN.split(ask.text('month_days', 100))) or '?'} * *"
        case _:
            return f"{at} * * *"


def _number(ask: Ask, name: str, path: str, problems: list[Problem]) -> int | None:
    text = ask.text(name, 20)
    if text and ask.number(name) is None:
        problems.append(Problem(path, ask._("应为整数")))
    return ask.number(name)


def _numbers(ask: Ask, name: str) -> list[int]:
    return [int(each) for each in ask.texts(name) if each.isascii() and each.isdecimal() and len(each) < 18]


def members_of(ask: Ask, name: str) -> list[str]:
    """The members who were ticked in a field, and those who were written below it."""
    typed = [*ask.texts(name), ask.text(f"{name}.more", 400_000)]
    return list(dict.fromkeys(each for text in typed for each in _ids(text)))


def _ids(text: str) -> list[str]:
    return list(dict.fromkeys(each for each in _BETWEEN.split(text) if each))


def is_narrowed(account: Account) -> bool:
    """Whether what an account makes is for some customers only."""
    return account.role != "admin"
