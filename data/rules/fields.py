"""Custom fields of customers: what may be defined, and what may be written into them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, StrictBool, StrictInt, model_validator

from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.texts import Line, one_line

#: The field that every company has; it is kept in a table of its own.
BIRTHDAY = "birthday"
TEXT_MAX = 512
#: Beyond this a number with decimals is no longer exact.
NUMBER_MAX = 1e15
YEARS = (1900, 2100)
DEFINITIONS_MAX = 200

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class FieldKind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    FLAG = "flag"


class FieldDefinition(RuleModel):
    """A field: `name` is what programs call it, `title` what people read."""

    name: FieldName
    title: Annotated[Line, Field(max_length=64)] = ""
    kind: FieldKind

    def problems(self) -> list[Problem]:
        return [Problem("name", Phrase("birthday 是自带的字段，不用定义"))] if self.name == BIRTHDAY else []


class Birthday(RuleModel):
    """A birthday (生日) by the solar (公历) or lunar calendar (农历). `leap_month`: born in a leap month (闰月)."""

    calendar: Literal["solar", "lunar"] = "solar"
    month: Annotated[StrictInt, Field(ge=1, le=12)]
    day: Annotated[StrictInt, Field(ge=1, le=31)]
    leap_month: StrictBool = False
    year: Annotated[StrictInt, Field(ge=YEARS[0], le=YEARS[1])] | None = None

    @model_validator(mode="after")
    def _is_a_day(self) -> Birthday:
        if self.calendar == "lunar":
            if self.day > 30:
                raise ValueError(Phrase("农历每月最多 30 天"))
            return self
        if self.leap_month:
            raise ValueError(Phrase("公历没有闰月"))
        try:
            # A leap year stands in for one that is not known.
            date(self.year or 2000, self.month, self.day)
        except ValueError:
            raise ValueError(Phrase("没有这一天")) from None
        return self

    @property
    def month_day(self) -> int:
        """Month and day as one number: 815 is the 15th of the 8th."""
        return self.month * 100 + self.day


class StoredValue(NamedTuple):
    """A value as its row keeps it."""

    text: str | None = None
    number: float | None = None


#: Values by field; None: there is none any more.
Values = Mapping[str, StoredValue | None]


class CustomerValues(NamedTuple):
    """Values of one customer's fields as they are to be written; `birthday` counts where `has_birthday`."""

    fields: Values
    birthday: Birthday | None = None
    has_birthday: bool = False


def read_values(given: Mapping[str, Any], kinds: Mapping[str, FieldKind]) -> CustomerValues:
    """Values as sent, checked against the fields' kinds. Raises InvalidRuleError with a path per fault."""
    values: dict[str, StoredValue | None] = {}
    found: list[Problem] = []
    birthday = None
    for name, value in given.items():
        if name == BIRTHDAY:
            try:
                birthday = read_birthday(value)
            except InvalidRuleError as error:
                found += [Problem(f"{name}.{each.path}".rstrip("."), each.message) for each in error.problems]
            continue
        if name not in kinds:
            found.append(Problem(_shown(name), Phrase("没有这个字段，请先定义")))
            continue
        problem, values[name] = _read(kinds[name], value)
        if problem:
            found.append(Problem(name, problem))
    if found:
        raise InvalidRuleError(found)
    return CustomerValues(values, birthday, BIRTHDAY in given)


def read_birthday(value: Any) -> Birthday | None:
    """A birthday as an object or as a solar date `1990-08-15`; None for null. Raises InvalidRuleError."""
    if value is None:
        return None
    if isinstance(value, str):
        day = _date(value)
        if day is None:
            raise InvalidRuleError([Problem("", Phrase("应为 1990-08-15 这样的日期，或 {calendar, month, day}"))])
        return parse(Birthday, {"month": day.month, "day": day.day, "year": day.year})
    if not isinstance(value, Mapping):
        raise InvalidRuleError([Problem("", Phrase("应为日期或一个对象"))])
    return parse(Birthday, value)


def _read(kind: FieldKind, value: Any) -> tuple[str, StoredValue | None]:
    """(what is wrong, the value to keep)."""
    if value is None:
        return "", None
    match kind:
        case FieldKind.TEXT:
            if not isinstance(value, str) or not value.strip() or len(value) > TEXT_MAX:
                return Phrase("应为 1 到 %(most)s 个字的文字", most=TEXT_MAX), None
            try:
                return "", StoredValue(text=one_line(value.strip()))
            except ValueError as error:
                return str(error), None
        case FieldKind.NUMBER:
            if isinstance(value, bool) or not isinstance(value, int | float) or not _is_small(value):
                return Phrase("应为不超过 %(most)s 的数", most=f"{NUMBER_MAX:.0f}"), None
            return "", StoredValue(number=float(value))
        case FieldKind.DATE:
            day = _date(value) if isinstance(value, str) else None
            return ("", StoredValue(text=day.isoformat())) if day else (Phrase("应为 2026-03-04 这样的日期"), None)
        case FieldKind.FLAG:
            if not isinstance(value, bool):
                return Phrase("应为 true 或 false"), None
            return "", StoredValue(number=float(value))


def told_value(kind: str, stored: StoredValue) -> Any:
    """A value as it is told: what `read_values` takes."""
    if kind == FieldKind.FLAG:
        return bool(stored.number)
    if kind == FieldKind.NUMBER:
        number = stored.number or 0.0
        return int(number) if number.is_integer() else number
    return stored.text


def _is_small(value: int | float) -> bool:
    return math.isfinite(value) and abs(value) <= NUMBER_MAX if isinstance(value, float) else abs(value) <= NUMBER_MAX


def _date(text: str) -> date | None:
    """The day that `YYYY-MM-DD` names, if there is one."""
    if len(text) != 10 or not text.isascii():
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if YEARS[0] <= day.year <= YEARS[1] and day.isoformat() == text else None


def _shown(name: str) -> str:
    """A name that somebody sent, short enough to be told back."""
    return name[:64]
