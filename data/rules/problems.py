"""What is wrong with a rule or a message, told by the path of the faulty field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer, TypeAdapter, ValidationError

from bot.errors import SiyuError
from bot.phrases import Phrase


class RuleModel(BaseModel):
    """A frozen value that comes from and goes to JSON; fields it does not know are refused."""

    # Built at their first use: most runs of the program need a few of hundreds.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, defer_build=True
    )


Item = TypeVar("Item")
#: A set that is always written in the same order, so that equal rules have equal JSON.
SortedSet = Annotated[frozenset[Item], PlainSerializer(sorted, return_type=list[Any])]
Model = TypeVar("Model", bound=RuleModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: `path` like `attachments[2].link.title`, `message` for the person who edits."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidRuleError(SiyuError):
    """A rule or message cannot be used; `problems` says why, field by field."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("；".join(str(problem) for problem in self.problems), Phrase("请修改标出的字段后再提交。"))


def parse(model: type[Model], source: Mapping[str, Any] | str | bytes) -> Model:
    """A rule from JSON text or from already decoded JSON. Raises InvalidRuleError with a path per fault."""
    try:
        if isinstance(source, str | bytes):
            return model.model_validate_json(source)
        return model.model_validate(source)
    except ValidationError as error:
        raise InvalidRuleError(_problems(error)) from None


Value = TypeVar("Value")


def parse_as(union: TypeAdapter[Value], source: Any) -> Value:
    """The same for a union of models of several kinds, from decoded JSON."""
    try:
        return union.validate_python(source)
    except ValidationError as error:
        # A location begins with the kind, which is no field.
        raise InvalidRuleError(_problems(error, behind=1)) from None


MESSAGES: Mapping[str, Phrase] = {
    "missing": Phrase("缺少必填项"),
    "extra_forbidden": Phrase("没有这个字段"),
    "string_type": Phrase("应为文字"),
    "int_type": Phrase("应为整数"),
    "int_parsing": Phrase("应为整数"),
    "int_from_float": Phrase("应为整数"),
    "bool_type": Phrase("应为 true 或 false"),
    "bool_parsing": Phrase("应为 true 或 false"),
    "json_invalid": Phrase("不是有效的 JSON"),
    "model_type": Phrase("应为一个对象"),
    "model_attributes_type": Phrase("应为一个对象"),
    "tuple_type": Phrase("应为一个列表"),
    "frozen_set_type": Phrase("应为一个列表"),
    "timezone_aware": Phrase("应带时区，如 2026-03-04T10:00:00+08:00"),
    "string_unicode": Phrase("有不能用 UTF-8 表示的字符"),
    "float_type": Phrase("应为数字"),
    "float_parsing": Phrase("应为数字"),
    "finite_number": Phrase("应为数字"),
    "date_type": Phrase("应为日期，如 2026-03-04"),
    "date_parsing": Phrase("应为日期，如 2026-03-04"),
    "date_from_datetime_parsing": Phrase("应为日期，如 2026-03-04"),
    "date_from_datetime_inexact": Phrase("应为日期，如 2026-03-04"),
    "datetime_type": Phrase("应为时间，如 2026-03-04T10:00:00+08:00"),
    "datetime_parsing": Phrase("应为时间，如 2026-03-04T10:00:00+08:00"),
    "datetime_from_date_parsing": Phrase("应为时间，如 2026-03-04T10:00:00+08:00"),
    "dict_type": Phrase("应为一个对象"),
    "list_type": Phrase("应为一个列表"),
    "set_type": Phrase("应为一个列表"),
    "int_parsing_size": Phrase("数字太大"),
}
#: The same for those that name a bound.
BOUNDS: Mapping[str, Phrase] = {
    "string_pattern_mismatch": Phrase("写法不对，应符合 %(pattern)s"),
    "too_short": Phrase("至少要 %(min_length)s 项"),
    "too_long": Phrase("最多 %(max_length)s 项"),
    "string_too_short": Phrase("至少 %(min_length)s 个字"),
    "string_too_long": Phrase("最多 %(max_length)s 个字"),
    "greater_than_equal": Phrase("不能小于 %(ge)s"),
    "less_than_equal": Phrase("不能大于 %(le)s"),
    "less_than": Phrase("应小于 %(lt)s"),
    "greater_than": Phrase("应大于 %(gt)s"),
}


def _problems(error: ValidationError, behind: int = 0) -> list[Problem]:
    """What pydantic found, each at its location `behind` so many parts of it."""
    details = error.errors(include_url=False)
    return [
        _problem(detail | {"loc": detail["loc"][behind:]})
        for detail in details
        # A list is too short for pydantic as well when an item in it is faulty.
        if detail["type"] != "too_short" or not any(_is_inside(each["loc"], detail["loc"]) for each in details)
    ]


def _is_inside(location: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(location) > len(outer) and location[: len(outer)] == outer


def _problem(detail: Any) -> Problem:
    kind, context = detail["type"], detail.get("ctx", {})
    message: str | None = MESSAGES.get(kind)
    if message is None and kind in ("enum", "literal_error"):
        message = Phrase("只能是 %(names)s", names=_either(context["expected"]))
    elif kind == "union_tag_not_found":
        message = Phrase("缺少 %(name)s", name=context["discriminator"].strip("'"))
    elif message is None and kind == "union_tag_invalid":
        names = _either(context["expected_tags"])
        message = Phrase("没有类型 %(kind)s，只能是 %(names)s", kind=context["tag"], names=names)
    elif message is None and kind == "value_error":
        message = str(context["error"])
    elif message is None and kind in BOUNDS:
        message = BOUNDS[kind].filled(**context)
    return Problem(_path(detail["loc"]), message or str(detail["msg"]))


def _either(expected: str) -> list[str]:
    """`a`, `b` and `c` of pydantic's `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", expected) or [expected]


def _path(location: tuple[int | str, ...]) -> str:
    """`attachments[2].link.title` of pydantic's location, which repeats the name of a union's member."""
    path = ""
    for index, part in enumerate(location):
        if isinstance(part, int):
            path += f"[{part}]"
        elif index and _is_tag(location, index):
            continue
        else:
            path += f".{part}" if path else part
    return path


def _is_tag(location: tuple[int | str, ...], index: int) -> bool:
    """Whether a part names the member of a union that stands before it, and is no field."""
    before = location[index - 1]
    if isinstance(before, int):
        return location[index] in UNION_TAGS or (index > 1 and location[index - 2] in UNION_LISTS)
    return before in UNIONS


#: Fields, and lists, that hold one of several kinds of models.
UNIONS = frozenset({"attachment", "trigger", "goal", "action"})
UNION_LISTS = frozenset({"stops", "questions", "answers"})
#: Values of `msgtype`, and kinds of waves, where they follow an index.
UNION_TAGS = frozenset({"image", "link", "miniprogram", "video", "file", "customers", "groups", "moments"})
