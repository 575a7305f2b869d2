"""Segments as trees: what is refused and where, what is written, and that every leaf is described."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules import birthdays
from data.rules.forms import Form
from data.rules.problems import InvalidRuleError, parse
from data.rules.segments import DEPTH_MAX, LEAVES, Known, KnownForm, Segment, list_nodes, unknown_names

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "segments.md"


def segment(definition: Any) -> Segment:
    return parse(Segment, {"name": "x", "definition": definition})


REFUSED = [
    ({"all": [1]}, "definition.all[0]"),
    ({"all": [{"all": []}, {"any": [{"tags": {"tag_ids": []}}]}]}, "definition.all[1].any[0].tags.tag_ids"),
    ({"any": []}, "definition"),
    ({"not": {"added": {"within_days": -1}}}, "definition.not.added.within_days"),
    ({"tags": {"tag_ids": ["a"]}, "all": []}, "definition"),
    ({"colour": {}}, "definition.colour"),
    ({"added": {}}, "definition.added"),
    ({"added": {"since": "2026-02-02", "until": "2026-02-01"}}, "definition.added"),
    ({"orders": {"yuan_at_least": 1.005}}, "definition.orders.yuan_at_least"),
    ({"field": {"name": "a", "equals": "x", "at_least": 2}}, "definition.field"),
    ({"gender": {"genders": ["m"]}}, "definition.gender.genders[0]"),
    ([], "definition"),
]


@pytest.mark.parametrize(("definition", "path"), REFUSED, ids=[path for _, path in REFUSED])
def test_a_fault_is_told_by_its_path_in_chinese(definition: Any, path: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        segment(definition)
    assert path in [problem.path for problem in refused.value.problems]
    for problem in refused.value.problems:
        assert re.search(r"[\u4e00-\u9fff]", problem.message), problem


def nested(levels: int) -> Any:
    tree: Any = {"tags": {"tag_ids": ["a"]}}
    for _ in range(levels - 1):
        tree = {"all": [tree]}
    return tree


def test_depth_and_size_are_bounded() -> None:
    assert segment(nested(DEPTH_MAX))
    for definition in (
        nested(DEPTH_MAX + 1),
        nested(5000),
        {"any": [{"tags": {"tag_ids": ["a"]}}] * 101},
        {"all": [{"tags": {"tag_ids": [f"t{each}" for each in range(499)]}} for _ in range(11)]},
    ):
        with pytest.raises(InvalidRuleError):
            segment(definition)


def test_what_is_not_there_is_named_with_its_path() -> None:
    tree = segment(
        {"all": [{"tags": {"tag_ids": ["t1", "t2"]}}, {"not": {"field": {"name": "age", "at_least": 3}}},
                 {"any": [{"campaign": {"campaign_id": 7}}, {"group": {"chat_ids": ["c"]}}]}]}
    ).definition  # fmt: skip
    found = unknown_names(tree, Known(tag_nos={"t1": 1}, field_kinds={"age": "text"}))
    assert [problem.path for problem in found] == [
        "definition.all[0].tags.tag_ids",
        "definition.all[1].not.field",
        "definition.all[2].any[0].campaign.campaign_id",
        "definition.all[2].any[1].group.chat_ids",
    ]
    assert [path for path, _ in list_nodes(tree)][:2] == ["definition", "definition.all[0].tags"]


def test_what_a_form_does_not_ask_is_named_with_what_it_does() -> None:
    choices = [{"text": "红茶"}, {"text": "绿茶"}]
    questions = [
        {"key": "tea", "title": "?", "ask": "choice", "choices": choices}, {"key": "says", "title": "?", "ask": "text"},
        {"key": "yes", "title": "?", "ask": "consent", "text": "!"}, {"key": "born", "title": "?", "ask": "birthday"},
    ]  # fmt: skip
    known = Known(forms={"taste": KnownForm(1, parse(Form, {"name": "taste", "title": "?", "questions": questions}))})
    for asked, path, words in (
        ({"question": "tea", "one_of": ["红茶"]}, "", ""),
        ({"question": "says", "one_of": ["随便"]}, "", ""),
        ({"question": "yes", "ticked": False}, "", ""),
        ({"question": "born"}, "", ""),
        ({"question": "tee"}, "question", "tea、says、yes、born"),
        ({"question": "tea", "one_of": ["咖啡", "红茶"]}, "one_of", "红茶、绿茶"),
        ({"question": "says", "ticked": True}, "ticked", "one_of"),
        ({"question": "yes", "one_of": ["是"]}, "one_of", "ticked"),
        ({"question": "born", "one_of": ["1月1日"]}, "one_of", "birthday"),
    ):
        tree = segment({"form": {"form": "taste", **asked}}).definition
        found = unknown_names(tree, known)
        assert [each.path for each in found] == ([f"definition.form.{path}"] if path else []), asked
        assert all(words in each.message for each in found)
    (gone,) = unknown_names(segment({"form": {"form": "gone"}}).definition, known)
    assert gone.path == "definition.form.form"
    for wrong in ({"one_of": ["x"]}, {"question": "tea", "did": "not_answered"}, {"ticked": True},
                  {"question": "tea", "one_of": ["x"], "ticked": True}, {"question": "tea", "one_of": []}):  # fmt: skip
        with pytest.raises(InvalidRuleError):
            segment({"form": {"form": "taste", **wrong}})


def test_every_leaf_is_described_with_an_example_that_can_be_used() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| `(\{.+?\})` \|", REFERENCE.read_text("utf-8"), re.M))
    assert rows.keys() == set(LEAVES)
    for name, example in rows.items():
        assert segment({name: json.loads(example)})
    for text in re.findall(r"^```json\n(.*?)^```", REFERENCE.read_text("utf-8"), re.M | re.S):
        assert segment(json.loads(text))


def test_every_field_of_a_leaf_is_described() -> None:
    text = REFERENCE.read_text("utf-8")
    for name in LEAVES:
        model = next(iter(each for each in _models(name)))
        for field in model.model_fields:
            assert re.search(rf"\b{field}\b", text), f"{name}.{field}"


def _models(name: str) -> Any:
    from data.rules.segments import Node

    annotation: Any = Node.model_fields[name].annotation
    return [each for each in annotation.__args__ if each is not type(None)]


LEAP = date(2025, 7, 25)  # the first day of the leap sixth month of that year


def test_birthdays_are_celebrated_on_days_that_there_are() -> None:
    solar, lunar = birthdays.SOLAR, birthdays.LUNAR
    assert (solar, 229, False) in birthdays.celebrated_on(date(2026, 2, 28))
    assert (solar, 229, False) not in birthdays.celebrated_on(date(2028, 2, 28))
    assert {key for key in birthdays.celebrated_on(LEAP) if key.calendar == lunar} == {(lunar, 601, True)}
    assert (lunar, 101, True) in birthdays.celebrated_on(date(2026, 2, 17)), "the year has no such leap month"
    assert (lunar, 1230, False) in birthdays.celebrated_on(date(2026, 2, 16)), "the last day of a short month"


@given(
    day=st.dates(date(1990, 1, 1), date(2090, 1, 1)), calendar=st.sampled_from(["solar", "lunar"]),
    month=st.integers(1, 12), of_month=st.integers(1, 29), leap=st.booleans(),
)  # fmt: skip
def test_every_birthday_is_celebrated_within_thirteen_months(
    day: date, calendar: str, month: int, of_month: int, leap: bool
) -> None:
    key = birthdays.BirthdayKey(calendar, month * 100 + of_month, leap and calendar == "lunar")
    if calendar == "lunar" or of_month <= 28:
        assert key in birthdays.upcoming(day, 385)


@given(day=st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_a_lunar_day_follows_the_day_before(day: date) -> None:
    def lunar(at: date) -> int:
        return min(key.month_day for key in birthdays.celebrated_on(at) if key.calendar == "lunar")

    assert lunar(day + timedelta(days=1)) % 100 in (lunar(day) % 100 + 1, 1)
