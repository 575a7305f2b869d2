"""Conditions of rules in words, and why a rule did not match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.console.asks import Ask
from bot.console.customer_words import ADD_WAYS
from bot.console.painting import N_
from bot.console.rule_forms import CUSTOMERS, SEARCH_IN, WEEKDAYS, yuan
from data.rules.conditions import Conditions, FailedCondition, Outcome
from data.rules.schedule import EVERY_DAY, TimeWindow
from data.rules.tagging import TagConditions
from data.rules.welcome import WelcomeConditions

Names = Mapping[str, Mapping[str, str]]
#: Of many, so many are named.
NAMED = 5

OUTCOMES = {
    Outcome.MATCHED: N_("符合"),
    Outcome.OUTRANKED: N_("也符合，但排在后面"),
    Outcome.FAILED: N_("不符合"),
    Outcome.DISABLED: N_("已停用"),
}
#: By the stable name of a condition.
CONDITIONS = {
    "state": N_("渠道"), "userid": N_("员工"), "department": N_("部门"), "time": N_("时间"), "customer": N_("客户"),
    "add_way": N_("添加方式"), "chat": N_("客户群"), "words": N_("关键词"), "pattern": N_("正则表达式"),
    "order": N_("订单"), "order_source": N_("订单来源"), "order_amount": N_("订单金额"), "order_count": N_("付款次数"),
}  # fmt: skip
GOT = {
    "unknown": N_("还不知道"), "none": N_("没有"), "not_found": N_("没有找到"),
    "invalid_pattern": N_("不是可用的正则表达式"), "a paid order": N_("一个已付款的订单"),
}  # fmt: skip


def condition_words(ask: Ask, conditions: Conditions, names: Names) -> list[str]:
    """What a rule asks for, a piece of text each; none: it holds for everybody."""
    told: list[str] = []

    def tell(name: str, words: str) -> None:
        told.append(ask._("%(what)s：%(which)s", what=ask._(CONDITIONS[name]), which=words))

    states = _named(sorted(conditions.states), names["channels"])
    states += [ask._("%(prefix)s 开头", prefix=each) for each in sorted(conditions.state_prefixes)]
    if states:
        tell("state", _some(ask, states))
    if conditions.userids:
        tell("userid", _some(ask, _named(sorted(conditions.userids), names["staff"])))
    if conditions.department_ids:
        numbers = [str(each) for each in sorted(conditions.department_ids)]
        tell("department", _some(ask, _named(numbers, names["departments"])))
    if conditions.windows:
        tell("time", _some(ask, [window_words(ask, each) for each in conditions.windows]))
    if isinstance(conditions, WelcomeConditions) and conditions.customer:
        tell("customer", ask._(CUSTOMERS[conditions.customer]))
    if isinstance(conditions, TagConditions):
        _tell_tag_conditions(ask, conditions, names, tell)
    return told


def _tell_tag_conditions(ask: Ask, conditions: TagConditions, names: Names, tell: Any) -> None:
    if conditions.add_ways:
        tell("add_way", _some(ask, [add_way_words(ask, each) for each in sorted(conditions.add_ways)]))
    if conditions.chat_ids:
        tell("chat", _some(ask, _named(sorted(conditions.chat_ids), names["groups"])))
    if conditions.words:
        place = ask._(SEARCH_IN[conditions.search_in.value])
        tell("words", ask._("%(place)s里有 %(words)s", place=place, words=_some(ask, sorted(conditions.words))))
    if conditions.pattern:
        tell("pattern", conditions.pattern)
    if conditions.order_sources:
        tell("order_source", _some(ask, sorted(conditions.order_sources)))
    if conditions.order_amount_fen_min:
        tell("order_amount", ask._("至少 %(amount)s 元", amount=yuan(conditions.order_amount_fen_min)))
    if conditions.order_count_min:
        tell("order_count", ask._("至少 %(count)s 次", count=conditions.order_count_min))


def window_words(ask: Ask, window: TimeWindow) -> str:
    """`周一、周二 09:00–18:00`."""
    every_day, all_day = ask._("每天"), ask._("全天")
    days = ask._("、").join(ask._(WEEKDAYS[day]) for day in sorted(window.weekdays))
    times = all_day if window.start == window.end else f"{window.start:%H:%M}–{window.end:%H:%M}"
    return f"{every_day if window.weekdays == EVERY_DAY else days} {times}"


def add_way_words(ask: Ask, add_way: int) -> str:
    """How a customer came, in words."""
    known = ADD_WAYS.get(str(add_way))
    return ask._(known) if known else ask._("添加方式 %(number)s", number=add_way)


def failed_words(ask: Ask, failed: FailedCondition, names: Names) -> str:
    """Why a condition did not hold."""
    name = failed.condition
    wanted, got = _value(ask, name, failed.wanted, names), _value(ask, name, failed.got, names)
    what = ask._(CONDITIONS.get(name, name))
    return ask._("%(what)s：要求 %(wanted)s，实际 %(got)s", what=what, wanted=wanted, got=got)


def _value(ask: Ask, condition: str, value: Any, names: Names) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _some(ask, [_value(ask, condition, each, names) for each in value]) or ask._("没有")
    if isinstance(value, Mapping):
        return window_words(ask, TimeWindow.model_validate(value))
    if isinstance(value, str) and value in GOT:
        return ask._(GOT[value])
    if value in ("", None):
        return ask._("没有")
    match condition:
        case "customer":
            return ask._(CUSTOMERS.get(value, value))
        case "add_way":
            return add_way_words(ask, value)
        case "order_amount":
            return ask._("%(amount)s 元", amount=yuan(value) or "0")
        case "time":
            at, _, day = str(value).rpartition(" ")
            return f"{at} {ask._(WEEKDAYS[int(day)])}" if day.isdecimal() else str(value)
    kinds = {"state": "channels", "userid": "staff", "department": "departments", "chat": "groups"}
    return names.get(kinds.get(condition, ""), {}).get(str(value), str(value))


def _named(values: Iterable[str], names: Mapping[str, str]) -> list[str]:
    return [names.get(each, each) for each in values]


def _some(ask: Ask, words: Sequence[str]) -> str:
    shown = ask._("、").join(words[:NAMED])
    return ask._("%(some)s等 %(count)s 个", some=shown, count=len(words)) if len(words) > NAMED else shown
