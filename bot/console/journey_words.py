"""What a journey says, in words: what begins it, for whom it is, when each step is due and what it does.

All of it from JSON as it is kept or typed, so it may be wrong: what is not understood is shown as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.painting import N_
from data.queries import fields as field_rows
from data.queries import forms as form_rows
from data.queries import links as link_rows
from data.queries import segment_names as segment_rows
from data.queries import tags as tag_rows
from data.queries.channel_days import map_names as map_channels
from data.queries.staff import list_staff
from data.rules.segments import Segment

OFFERED = 200
DOES = {
    "task": N_("请员工联系客户"), "broadcast": N_("通过员工群发"), "tags": N_("打标签、去标签"),
    "kf": N_("发客服消息（客户最近咨询过时）"), "field": N_("填写客户字段"), "webhook": N_("通知其他程序"),
    "branch": N_("按人群分支"), "wait": N_("等待"), "end": N_("结束旅程"),
}  # fmt: skip
STATUSES = {
    "draft": N_("草稿，还没有开始"), "running": N_("运行中"), "paused": N_("已暂停"),
    "closed": N_("不再有新客户"), "stopped": N_("已终止"),
}  # fmt: skip
ENDS = {
    "finished": N_("已走完"), "goal": N_("达成目标"), "stop": N_("提前结束"), "lost": N_("已流失"),
    "opted_out": N_("客户退订"), "withdrawn": N_("人工移出"),
}  # fmt: skip
OUTCOMES = {
    "done": N_("做了"), "moved": N_("顺延"), "not_for": N_("不在这一步的人群中"), "held_out": N_("对照组"),
    "late": N_("程序停机错过"), "capped": N_("触达已达上限"), "outranked": N_("让给优先的旅程"),
    "resting": N_("客户暂停接收"), "no_sender": N_("没有能联系的员工"),
    "closed": N_("客服消息的窗口没有打开"), "failed": N_("执行失败"),
}  # fmt: skip
#: What a step does that only admins write.
FOR_ADMINS = frozenset({"webhook"})
BADGES = {"running": "bg-green-lt", "paused": "bg-yellow-lt", "stopped": "bg-red-lt"}
ONLY = {"any": N_("任何一天"), "workdays": N_("只在工作日"), "no_holidays": N_("避开节假日")}
_WEEKDAYS = (N_("周日"), N_("周一"), N_("周二"), N_("周三"), N_("周四"), N_("周五"), N_("周六"))
_CRON = re.compile(r"([0-9]{1,2}) ([0-9]{1,2}) ([0-9]{1,2}|\*) \* ([0-7]|\*)", re.ASCII)


def offered(ask: Ask) -> dict[str, str]:
    """What somebody may have a step do."""
    return {do: text for do, text in DOES.items() if do not in FOR_ADMINS or ask.may("admin")}


def members_words(ask: Ask, members: Mapping[str, Any] | None, departments: Mapping[int, str]) -> str:
    """Through whom alone a journey works; empty: through everybody."""
    if not members:
        return ""
    named = [departments.get(each) or str(each) for each in members.get("department_ids") or ()]
    return ask._("、").join([*named, *(members.get("userids") or ())])


class Field(NamedTuple):
    """A field of customers: what people call it, and what it holds."""

    title: str
    kind: str


class Names(NamedTuple):
    """What journeys name: tags by id, saved segments, fields by name, links and forms, channels by state, members."""

    tags: Mapping[str, str]
    segments: tuple[Segment, ...]
    fields: Mapping[str, Field]
    links: tuple[str, ...]
    forms: tuple[str, ...]
    channels: Mapping[str, str] = {}
    staff: Mapping[str, str] = {}


def read_names(session: Session) -> Names:
    """What there is to be named."""
    return Names(
        {each["tag_id"]: f"{each['group_name']} / {each['name']}" for each in tag_rows.list_tags(session)},
        tuple(segment_rows.list_segments(session)),
        {each.name: Field(each.title or each.name, each.kind) for each in field_rows.list_definitions(session)},
        tuple(each.name for each in link_rows.list_links(session, OFFERED) if each.retired_at is None),
        tuple(each.name for each in form_rows.list_forms(session, OFFERED) if each.closed_at is None),
        map_channels(session),
    )


def read_choices(session: Session) -> Names:
    """The same with the members, for whoever edits a journey."""
    staff = {each.userid: each.name or each.userid for each in list_staff(session)}
    return read_names(session)._replace(staff=staff)


def segment_words(ask: Ask, tree: Any, names: Names) -> str:
    """Whom a segment means: the name of the saved one that says the same, or how many conditions it has."""
    if tree is None or tree == {"all": []}:
        return ask._("所有客户")
    saved = next((each.name for each in names.segments if each.definition.model_dump(mode="json") == tree), None)
    return saved or ask._("符合 %(count)s 个条件的客户", count=_count_leaves(tree))


def _count_leaves(tree: Any) -> int:
    if not isinstance(tree, Mapping):
        return 0
    found = 0
    for key, value in tree.items():
        if key in ("all", "any") and isinstance(value, list | tuple):
            found += sum(_count_leaves(each) for each in value)
        else:
            found += _count_leaves(value) if key == "not" else 1
    return found


def happening_words(ask: Ask, told: Mapping[str, Any], names: Names) -> str:
    """What begins a journey, ends it, or is its goal."""
    parts = [_what_happens(ask, told, names)]
    if told.get("on") == "added":
        channels = [names.channels.get(each) or each for each in _listed(told.get("states"))]
        channels += [f"{each}…" for each in _listed(told.get("state_prefixes"))]
        if channels:
            parts.append(ask._("渠道：%(names)s", names="、".join(channels)))
        if count := len(_listed(told.get("userids"))) + len(_listed(told.get("department_ids"))):
            parts.append(ask._("只限 %(count)s 个员工或部门", count=count))
    elif told.get("on") == "ordered":
        parts += _order_words(ask, told)
    elif told.get("on") == "group" and (count := len(_listed(told.get("chat_ids")))):
        parts.append(ask._("只限 %(count)s 个群", count=count))
    elif told.get("on") == "calendar" and told.get("skip_holidays"):
        parts.append(ask._("避开节假日"))
    return ask._("，").join(parts)


def _what_happens(ask: Ask, told: Mapping[str, Any], names: Names) -> str:
    match told.get("on"):
        case "added":
            return ask._(WHO.get(str(told.get("who", "new")), WHO["new"]))
        case "tagged":
            tag = names.tags.get(str(told.get("tag_id")), str(told.get("tag_id") or "…"))
            text = N_("客户被去掉标签“%(tag)s”") if told.get("put") == "off" else N_("客户被打上标签“%(tag)s”")
            return ask._(text, tag=tag)
        case "group":
            return ask._("客户退出客户群") if told.get("did") == "left" else ask._("客户加入客户群")
        case "ordered":
            return ask._("客户付款下单")
        case "clicked" | "form" | "event" as on:
            key, text = _NAMED[on]
            return ask._(text, name=told.get(key) or "…")
        case "segment":
            return ask._("客户进入人群：%(name)s", name=segment_words(ask, told.get("segment"), names))
        case "birthday":
            days = told.get("days_before") or 0
            return ask._("客户生日前 %(count)s 天", count=days) if days else ask._("客户生日当天")
        case "date_field":
            return _field_day_words(ask, told, names)
        case "silent":
            return ask._("客户 %(count)s 天没有任何互动", count=told.get("days") or "…")
        case "calendar":
            return cron_words(ask, str(told.get("cron") or "…"))
        case other:
            return str(other or "…")


_NAMED = {
    "clicked": ("link", N_("客户点开跟踪链接“%(name)s”")), "form": ("form", N_("客户提交表单“%(name)s”")),
    "event": ("name", N_("其他程序通知“%(name)s”")),
}  # fmt: skip
WHO = {
    "new": N_("新客户加好友"), "known": N_("老客户换了员工（含交接）"), "all": N_("任何客户加好友"),
}  # fmt: skip


def _order_words(ask: Ask, told: Mapping[str, Any]) -> list[str]:
    parts = []
    if told.get("nth"):
        parts.append(ask._("第 %(count)s 单", count=told["nth"]))
    if told.get("min_fen"):
        parts.append(ask._("至少 %(yuan)s 元", yuan=yuan_of(told["min_fen"])))
    if told.get("product"):
        parts.append(ask._("商品名含“%(name)s”", name=told["product"]))
    if sources := _listed(told.get("sources")):
        parts.append(ask._("来源：%(names)s", names="、".join(sources)))
    return parts


def _field_day_words(ask: Ask, told: Mapping[str, Any], names: Names) -> str:
    name = str(told.get("field") or "…")
    title, days = (names.fields[name].title if name in names.fields else name), told.get("days") or 0
    if not isinstance(days, int):
        return f"{title} {days}"
    if days:
        text = N_("“%(name)s”之后 %(count)s 天") if days > 0 else N_("“%(name)s”之前 %(count)s 天")
        words = ask._(text, name=title, count=abs(days))
    else:
        words = ask._("“%(name)s”当天", name=title)
    return ask._("%(words)s，每年", words=words) if told.get("yearly") else words


def cron_words(ask: Ask, cron: str) -> str:
    """When a time of the calendar is, where it is a plain one."""
    found = _CRON.fullmatch(cron)
    if found is None or (found[3] != "*" and found[4] != "*"):
        return ask._("按日历 %(cron)s", cron=cron)
    at = f"{int(found[2]):02}:{int(found[1]):02}"
    if found[3] != "*":
        return ask._("每月 %(day)s 日 %(at)s", day=found[3], at=at)
    if found[4] != "*":
        return ask._("每%(weekday)s %(at)s", weekday=ask._(_WEEKDAYS[int(found[4]) % 7]), at=at)
    return ask._("每天 %(at)s", at=at)


def when_words(ask: Ask, when: Mapping[str, Any], *, is_first: bool) -> str:
    """When a step is due."""
    since = ask._("旅程开始") if is_first or when.get("since") == "start" else ask._("上一步")
    days, at, minutes = when.get("days") or 0, when.get("at"), when.get("minutes")
    clock = str(at)[:5] if at else ""
    if minutes:
        hours = minutes / 60 if isinstance(minutes, int) else 0
        text = N_("%(since)s后 %(count)s 小时") if hours == int(hours) and hours else N_("%(since)s后 %(count)s 分钟")
        words = ask._(text, since=since, count=int(hours) if hours == int(hours) and hours else minutes)
    elif days:
        words = ask._("%(since)s后第 %(count)s 天 %(at)s", since=since, count=days, at=clock).strip()
    elif clock:
        words = ask._("%(since)s后的下一个 %(at)s", since=since, at=clock)
    else:
        words = ask._("%(since)s后立刻", since=since)
    only = when.get("only")
    return f"{words}{ask._('，')}{ask._(ONLY[only])}" if only in ("workdays", "no_holidays") else words


def action_words(ask: Ask, action: Mapping[str, Any], names: Names) -> str:
    """What a step does."""
    do = str(action.get("do"))
    text = ask._(DOES[do]) if do in DOES else do
    match do:
        case "tags":
            put, off = (
                ask._("、").join(names.tags.get(each, each) for each in _listed(action.get(key)))
                for key in ("put_on", "take_off")
            )
            parts = [ask._("打上 %(names)s", names=put)] if put else []
            parts += [ask._("去掉 %(names)s", names=off)] if off else []
            return ask._("，").join(parts) or text
        case "field":
            name = str(action.get("field") or "…")
            title, value = (names.fields[name].title if name in names.fields else name), action.get("value")
            if value is None:
                return ask._("清空客户字段“%(name)s”", name=title)
            return ask._("客户字段“%(name)s”填写 %(value)s", name=title, value=value)
        case "webhook":
            return ask._("通知其他程序 %(url)s", url=action.get("url") or "…")
        case _:
            return text


def branch_words(ask: Ask, action: Mapping[str, Any], names: Names) -> list[str]:
    """Where a branch leads, case by case."""
    ways = [
        ask._("%(who)s → %(step)s", who=segment_words(ask, case.get("segment"), names), step=case.get("go") or "…")
        for case in action.get("cases") or ()
        if isinstance(case, Mapping)
    ]
    return [*ways, ask._("其他客户 → %(step)s", step=action.get("otherwise") or ask._("下一步"))]


def yuan_of(fen: Any) -> str:
    """An amount in yuan, as people write it."""
    return f"{fen / 100:.2f}".removesuffix(".00") if isinstance(fen, int) else str(fen)


def as_json(value: Any) -> str:
    """JSON for people to read."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []
