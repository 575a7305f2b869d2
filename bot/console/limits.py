"""Limits and hours: how much may reach a customer, and when staff are asked. The file's values hold until an admin sets
others here; every replica goes by them within seconds."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from aiohttp import web

from bot import kept
from bot.console.asks import Ask
from bot.console.holidays import when_sent
from bot.console.kept_settings import change, forget
from bot.console.painting import N_
from bot.phrases import Phrase
from data.errors import NotFoundError, StaleError
from data.queries import kept as rows

PATH = "/console/limits"
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Field(NamedTuple):
    """A setting on the page. `kind`: hours, time, choice or number (from `least` to `most`)."""

    section: str
    name: str
    kind: str
    label: str
    hint: str = ""
    least: int = 0
    most: int = 1000
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"


ANY = N_("0 为不限。")
GROUPS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    (
        N_("什么时候发"),
        (
            Field("campaigns", "hours", "hours", N_("可以请员工发送的时间"),
                  N_("其余时间不打扰员工和客户：到期的等到开始时间。两个时间相同就是全天。")),
            Field("journeys", "day_at", "time", N_("告诉员工当天任务的时间"), N_("不填就不告诉。")),
            Field("digest", "at", "time", N_("每日汇总的时间"), N_("不填就不发。")),
            Field("digest", "days", "choice", N_("哪些天发每日汇总"),
                  choices=(("workdays", N_("工作日")), ("all", N_("每天")))),
        ),
    ),
    (
        N_("每位客户最多收到多少"),
        (
            Field("campaigns", "wecom_cap", "choice", N_("企业微信自己的群发上限"),
                  N_("按企业微信管理后台里的设置选。"),
                  choices=(("month", N_("每月有几天就几条")), ("week", N_("每周 7 条")), ("day", N_("每天 1 条")))),
            Field("caps", "per_day", "number", N_("旅程和群发合计：一天最多"), ANY),
            Field("caps", "per_week", "number", N_("旅程和群发合计：7 天最多"), ANY),
            Field("caps", "per_month", "number", N_("旅程和群发合计：30 天最多"), ANY),
            Field("campaigns", "cap_count", "number", N_("合计上限的旧写法：消息条数"),
                  N_("填了上面三项就填 0。0 为不限。")),
            Field("campaigns", "cap_days", "number", N_("合计上限的旧写法：在几天之内"), N_("今天算一天。"), least=1,
                  most=365),
            Field("journeys", "cap_per_day", "number", N_("旅程：一天最多"), N_("旅程另外遵守，可以更少。0 为不限。")),
            Field("journeys", "cap_per_week", "number", N_("旅程：7 天最多"), ANY),
            Field("journeys", "cap_per_month", "number", N_("旅程：30 天最多"), ANY),
        ),
    ),
    (
        N_("员工"),
        (
            Field("journeys", "tasks_per_day", "number", N_("一位员工一天最多几个任务"), ANY),
            Field("journeys", "gather_minutes", "number", N_("相同内容的群发等几分钟合成一个任务"), most=1440),
            Field("campaigns", "remind_after_hours", "number", N_("几小时没确认就提醒员工"), N_("0 为不提醒。"),
                  most=720),
            Field("campaigns", "escalate_after_hours", "number", N_("几小时没确认就告诉上级"), N_("0 为不告诉。"),
                  most=720),
        ),
    ),
)  # fmt: skip
FIELDS = {field.key: field for _, fields in GROUPS for field in fields}


async def show(ask: Ask) -> web.Response:
    """The settings, and when something would go out that is planned for a moment."""
    return await _page(ask)


async def save(ask: Ask) -> web.Response:
    """All of them, as they were typed. Those that are as in the file go on following it."""
    typed = {field.key: _typed(ask, field) for field in FIELDS.values()}
    faults = {key: ask._(said) for key, field in FIELDS.items() if (said := _fault(field, typed[key]))}
    row = await ask.db.read(rows.find_kept, rows.SETTINGS)
    wanted = {section: dict(values) for section, values in (row.value if row else {}).items()}
    for key, field in FIELDS.items():
        if key not in faults:
            wanted.setdefault(field.section, {})[field.name] = _value(field, typed[key])
    faults |= {key: str(words) for key, words in kept.problems(ask.ctx.filed, wanted).items() if key not in faults}
    if faults:
        return await _page(ask, 400, typed=typed, faults=faults)
    try:
        await change(ask, "settings.change", wanted, ask.number("revision") or 0)
    except StaleError:
        said = ask._("有人在您打开之后改过这些设置。请核对后再保存：您填写的还在。")
        return await _page(ask, 409, typed=typed, fault=said)
    return ask.go(PATH, "saved")


async def reset(ask: Ask) -> web.Response:
    """One of them is what the file says again."""
    field = FIELDS.get(ask.text("name"))
    if field is None:
        raise NotFoundError(Phrase("没有这个设置。"), Phrase("请在列表里选择。"))
    await forget(ask, field.section, (field.name,))
    return ask.go(PATH, "as_filed")


def _typed(ask: Ask, field: Field) -> str:
    if field.kind == "hours":
        return f"{ask.text(f'{field.key}.from', 8)}-{ask.text(f'{field.key}.to', 8)}"
    return ask.text(field.key, 20)


def _fault(field: Field, typed: str) -> str:
    match field.kind:
        case "hours":
            opens, _, closes = typed.partition("-")
            return (
                "" if CLOCK.fullmatch(opens) and CLOCK.fullmatch(closes) else N_("请填写两个时间，如 08:00 和 22:00。")
            )
        case "time":
            return "" if not typed or CLOCK.fullmatch(typed) else N_("请填写时间，如 09:00，或者不填。")
        case "choice":
            return "" if typed in dict(field.choices) else N_("请选择一项。")
        case _:
            whole = typed.isascii() and typed.isdecimal() and len(typed) < 7
            return "" if whole and field.least <= int(typed) <= field.most else N_("请填写范围内的整数。")


def _value(field: Field, typed: str) -> str | int:
    return int(typed) if field.kind == "number" else typed


async def _page(
    ask: Ask, status: int = 200, *, typed: dict[str, str] | None = None, faults: dict[str, str] | None = None,
    fault: str = "",
) -> web.Response:  # fmt: skip
    row = await ask.db.read(rows.find_kept, rows.SETTINGS)
    await kept.refresh(ask.ctx)
    values: dict[str, dict[str, Any]] = {}
    for key, field in FIELDS.items():
        now, filed = (str(getattr(getattr(each, field.section), field.name)) for each in (ask.settings, ask.ctx.filed))
        values[key] = {"now": (typed or {}).get(key, now), "filed": filed, "is_set": now != filed}
    asked = ask.request.query.get("at", "")[:16]
    return ask.show(
        "limits", status, groups=GROUPS, values=values, faults=faults or {}, fault=fault, asked=asked,
        sent=when_sent(ask, asked) if asked else None, revision=row.revision if row else 0, row=row,
    )  # fmt: skip
