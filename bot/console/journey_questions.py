"""What the journey editor asks: of a trigger or a goal, of a step and of what it does, each with the field of its form.

A journey being edited is JSON, right or not; a question reads one of its values from a form and writes it as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bot.console.asks import Ask
from bot.console.journey_words import ONLY, WHO, Names, yuan_of
from bot.console.message_forms import id_of
from bot.console.painting import N_


class Question(NamedTuple):
    """`name`: the path within what is asked about. `shape`: text, long, number, time, yuan, tick, lines, choice,
    tag, tags, channels, member, field, date_field, link or form. `hint`: what a reader may not know."""

    name: str
    label: str
    shape: str = "text"
    options: Mapping[str, str] = {}
    hint: str = ""


class Shown(NamedTuple):
    """A question as it stands on the page."""

    path: str
    id: str
    question: Question
    value: str
    values: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    problem: str


HAPPENINGS: Mapping[str, tuple[str, tuple[Question, ...]]] = {
    "added": (N_("加好友"), (
        Question("who", N_("哪些客户"), "choice", WHO),
        Question("states", N_("只限这些渠道（可以选几个，不选就是全部）"), "channels"),
    )),
    "ordered": (N_("付款下单"), (
        Question("nth", N_("第几单"), "number", hint=N_("不填：每一单。")),
        Question("min_fen", N_("至少多少元"), "yuan"),
        Question("product", N_("商品名含有")),
        Question("sources", N_("订单来源（每行一个）"), "lines"),
    )),
    "tagged": (N_("标签变化"), (
        Question("tag_id", N_("标签"), "tag"),
        Question("put", N_("打上还是去掉"), "choice", {"on": N_("打上"), "off": N_("去掉")}),
    )),
    "group": (N_("进退客户群"), (
        Question("did", N_("加入还是退出"), "choice", {"joined": N_("加入"), "left": N_("退出")}),
        Question("chat_ids", N_("只限这些群（chat_id，每行一个）"), "lines"),
    )),
    "clicked": (N_("点开跟踪链接"), (Question("link", N_("跟踪链接"), "link"),)),
    "form": (N_("提交表单"), (Question("form", N_("表单"), "form"),)),
    "event": (N_("其他程序通知"), (Question("name", N_("事件名")),)),
}  # fmt: skip
TRIGGERS: Mapping[str, tuple[str, tuple[Question, ...]]] = {
    **HAPPENINGS,
    "segment": (N_("进入人群"), ()),
    "birthday": (N_("生日"), (Question("days_before", N_("提前几天"), "number"),)),
    "date_field": (N_("日期字段"), (
        Question("field", N_("日期字段"), "date_field"),
        Question("days", N_("之后几天（负数为之前）"), "number"),
        Question("yearly", N_("每年"), "tick"),
    )),
    "silent": (N_("久未互动"), (Question("days", N_("没有互动的天数"), "number"),)),
    "calendar": (N_("按日历"), (
        Question("cron", N_("时间（cron）"), hint=N_("0 10 18 * *：每月 18 日 10:00。")),
        Question("skip_holidays", N_("避开节假日"), "tick"),
    )),
}  # fmt: skip

HEAD = (
    Question("name", N_("名称")),
    Question("owner", N_("负责人"), "member", hint=N_("出问题时通知谁。输入姓名或 userid 选择。")),
    Question("again.after_days", N_("几天后可以重新开始"), "number", hint=N_("不填：每位客户一次。")),
    Question("goal_days", N_("最后一步之后几天内达成仍算"), "number"),
    Question("hold_out_percent", N_("对照组占百分之几"), "number", hint=N_("这些客户什么也收不到，用来比较效果。")),
    Question("priority", N_("优先级（1–9）"), "number", hint=N_("同一天有几个旅程要联系同一位客户时，大的先。")),
)
STEP = (
    Question("key", N_("步骤名"), hint=N_("小写字母开头；统计和换版本时按它对应。")),
    Question("when.since", N_("从什么时候算起"), "choice", {"step": N_("上一步"), "start": N_("旅程开始")}),
    Question("when.days", N_("几天后"), "number"),
    Question("when.at", N_("几点"), "time", hint=N_("不填：同一时刻。")),
    Question("when.minutes", N_("或者几分钟后"), "number", hint=N_("填了就不填天数和时刻。")),
    Question("when.only", N_("哪些天"), "choice", ONLY),
)
_VALID = Question("valid_hours", N_("几小时内有效"), "number")
ACTIONS: Mapping[str, tuple[Question, ...]] = {
    "task": (
        Question("hint", N_("给员工的提示（客户看不到）"), "long"),
        Question("worth", N_("重要程度（0–100）"), "number", hint=N_("一天排不下时，大的先。")),
        _VALID,
    ),
    "broadcast": (_VALID,),
    "kf": (
        Question("text", N_("说什么（不能用变量）"), "long"),
        Question("open_kfid", N_("客服账号（open_kfid）"), hint=N_("不填：客户最近咨询的账号。")),
    ),
    "tags": (Question("put_on", N_("打上"), "tags"), Question("take_off", N_("去掉"), "tags")),
    "field": (
        Question("field", N_("客户字段"), "field"),
        Question("value", N_("填写"), hint=N_("不填：清空。日期如 2026-03-04；是非填 true 或 false。")),
    ),
    "webhook": (Question("url", N_("网址")),),
    "branch": (),
    "wait": (),
    "end": (),
}
DETAILS = (
    Question("hold_days", N_("被挡住时最多等几天"), "number", hint=N_("触达上限、优先旅程、客户休息期间。")),
    Question("late.within_hours", N_("程序停机后几小时内补做"), "number"),
    Question("late.then", N_("再晚就"), "choice", {"skip": N_("跳过"), "do": N_("照做")}),
)


def dig(source: Any, path: str) -> Any:
    """The value at a path of names (`when.days`), or None."""
    for name in path.split("."):
        source = source.get(name) if isinstance(source, Mapping) else None
    return source


def put(source: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path of names; None takes it away, so that the default holds."""
    *within, last = path.split(".")
    for name in within:
        inner = source.get(name)
        source[name] = source = dict(inner) if isinstance(inner, Mapping) else {}
    if value is None:
        source.pop(last, None)
    else:
        source[last] = value


def read(ask: Ask, questions: Iterable[Question], target: dict[str, Any], prefix: str) -> None:
    """Put what a form says into what is edited."""
    for question in questions:
        path = f"{prefix}.{question.name}" if prefix else question.name
        put(target, question.name, _read(ask, question.shape, path))


def _read(ask: Ask, shape: str, path: str) -> Any:
    text = ask.text(path, 4000)
    match shape:
        case "number":
            return number_in(text)
        case "yuan":
            try:
                return round(float(text) * 100) if text else None
            except (ValueError, OverflowError):
                return text
        case "tick":
            return True if text == "yes" else None
        case "lines":
            return [line.strip() for line in text.splitlines() if line.strip()] or None
        case "tags" | "channels":
            return ask.texts(path) or None
        case _:
            return text.replace("\r\n", "\n") or None


def number_in(text: str) -> int | str | None:
    """A whole number; what is none stays as it was typed, to be refused where it stands."""
    bare = text.removeprefix("-")
    return int(text) if bare.isascii() and bare.isdecimal() and len(bare) <= 15 else text or None


def show(
    ask: Ask,
    questions: Iterable[Question],
    source: Mapping[str, Any],
    prefix: str,
    names: Names,
    problems: Mapping[str, Sequence[str]],
) -> list[Shown]:
    """The questions with what is answered now, and what is wrong with it."""
    found = []
    for question in questions:
        path = f"{prefix}.{question.name}" if prefix else question.name
        value = dig(source, question.name)
        values = tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()
        text = _text(question.shape, value, values)
        options = tuple(_options(ask, question, value, names))
        found.append(Shown(path, id_of(path), question, text, values, options, ask.told(problems.get(path, ()))))
    return found


def _text(shape: str, value: Any, values: Sequence[str]) -> str:
    match shape:
        case "lines":
            return "\n".join(values)
        case "yuan" if value is not None:
            return yuan_of(value)
        case "time" if value:
            return str(value)[:5]
        case _ if value is None or values or isinstance(value, Mapping):
            return ""
        case _ if isinstance(value, bool):
            return "true" if value else "false"
        case _:
            return str(value)


def _options(ask: Ask, question: Question, value: Any, names: Names) -> list[tuple[str, str]]:
    match question.shape:
        case "choice":
            return [(key, ask._(text)) for key, text in question.options.items()]
        case "tag" | "tags":
            return _with(names.tags, value)
        case "channels":
            return _with({state: name or state for state, name in names.channels.items()}, value)
        case "member":
            return list(names.staff.items())
        case "field":
            return _with({name: each.title for name, each in names.fields.items()}, value)
        case "date_field":
            return _with({name: each.title for name, each in names.fields.items() if each.kind == "date"}, value)
        case "link":
            return _with({name: name for name in names.links}, value)
        case "form":
            return _with({name: name for name in names.forms}, value)
        case _:
            return []


def _with(known: Mapping[str, str], value: Any) -> list[tuple[str, str]]:
    """What can be chosen, and what is chosen already though it is gone."""
    chosen = [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)] if value else []
    return [*known.items(), *((each, each) for each in chosen if each not in known)]
