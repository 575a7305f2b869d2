"""Values of customers' fields: what is taken, what is refused, and that what is told is what is taken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.fields import FieldDefinition, FieldKind, read_birthday, read_values, told_value
from data.rules.problems import InvalidRuleError, parse

KINDS = {"level": FieldKind.TEXT, "points": FieldKind.NUMBER, "joined": FieldKind.DATE, "vip": FieldKind.FLAG}


@pytest.mark.parametrize(
    "value",
    [
        {"month": 8, "day": 15},
        {"month": 2, "day": 29},
        {"month": 2, "day": 29, "year": 2000},
        {"calendar": "lunar", "month": 12, "day": 30, "leap_month": True, "year": 1990},
        "1990-08-15",
        "2000-02-29",
    ],
)
def test_a_birthday_that_can_be_is_taken(value: Any) -> None:
    born = read_birthday(value)
    assert born is not None
    assert read_birthday(born.model_dump()) == born


@pytest.mark.parametrize(
    "value",
    [
        {}, {"month": 8}, {"month": 2, "day": 30}, {"month": 2, "day": 29, "year": 2001}, {"month": 13, "day": 1},
        {"month": 0, "day": 1}, {"month": 4, "day": 31}, {"calendar": "lunar", "month": 1, "day": 31},
        {"month": 8, "day": 15, "leap_month": True}, {"month": True, "day": 1}, {"month": "8", "day": 1},
        {"month": 8, "day": 15, "year": 1}, {"month": 8, "day": 15, "calendar": "julian"},
        {"month": 8, "day": 15, "zodiac": "lion"}, {"month": 8.0, "day": 15},
        "", "1990-8-15", "1990-02-30", "19900815", "0001-01-01", "1990-08-15T00:00", "１９９０-08-15", 5, True, [],
    ],
)  # fmt: skip
def test_a_birthday_that_cannot_be_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRuleError):
        read_birthday(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level", 5), ("level", ""), ("level", " "), ("level", "x" * 513), ("level", "\ud800"), ("level", "a\nb"),
        ("points", "5"), ("points", True), ("points", 1e16), ("points", 10**400), ("points", float("inf")),
        ("points", float("nan")), ("joined", "2026-13-01"), ("joined", 20260101), ("joined", "2026-1-1"),
        ("vip", 1), ("vip", "true"), ("unknown", "x"), ("birthday", "tomorrow"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused_with_its_field(name: str, value: Any) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        read_values({name: value}, KINDS)
    assert [problem.path for problem in refused.value.problems] == [name]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidRuleError) as refused:
        read_values({"level": 1, "points": "x", "birthday": {"month": 2, "day": 30}}, KINDS)
    assert len(refused.value.problems) == 3


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "level": st.text(st.characters(categories=("L", "N")), min_size=1, max_size=512),
            "points": st.one_of(st.integers(-(10**15), 10**15), st.floats(-1e15, 1e15)),
            "joined": st.dates().filter(lambda day: 1900 <= day.year <= 2100).map(str),
            "vip": st.booleans(),
        },
    )
)
def test_what_is_told_is_what_was_taken(values: dict[str, Any]) -> None:
    stored = read_values(values, KINDS).fields
    told = {name: told_value(KINDS[name], value) for name, value in stored.items() if value is not None}
    assert told == values
    assert read_values(told, KINDS).fields == stored


def test_a_field_has_a_plain_name_that_is_not_taken() -> None:
    for name in ("", "1a", "A", "a-b", "等级", "a" * 65, "a\n"):
        with pytest.raises(InvalidRuleError):
            parse(FieldDefinition, {"name": name, "kind": "text"})
    assert parse(FieldDefinition, {"name": "birthday", "kind": "date"}).problems()
