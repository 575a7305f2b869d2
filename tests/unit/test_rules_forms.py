"""Forms: what is wrong with one by its path, what is read from a page, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.shipped import LANGUAGES, list_shipped, read_shipped
from data.rules.form_answers import (
    Answers,
    fields_of,
    from_kept,
    input_name,
    is_opted_out,
    read_posted,
    tags_of,
    to_kept,
    to_posted,
    words_of,
)
from data.rules.forms import Form, problems
from data.rules.problems import InvalidRuleError, parse

TEA = {"text": "绿茶", "tag_ids": ["green"]}
BLACK = {"text": "红茶", "tag_ids": ["black", "warm"]}
QUESTIONS: list[dict[str, Any]] = [
    {"key": "birthday", "ask": "birthday", "title": "生日"},
    {"key": "since", "ask": "date", "title": "纪念日", "field": "anniversary"},
    {"key": "tea", "ask": "choice", "title": "口味", "choices": [TEA, BLACK], "field": "taste"},
    {"key": "news", "ask": "choices", "title": "内容", "choices": [TEA, {"text": "活动"}, {"text": "新品"}], "most": 2},
    {"key": "said", "ask": "text", "title": "留言", "max_length": 5, "field": "said"},
    {
        "key": "agree",
        "ask": "consent",
        "title": "消息",
        "text": "我同意接收消息。",
        "field": "agrees",
        "wish": "opt_in",
    },
]
FORM = parse(Form, {"name": "tea", "title": "喜好", "questions": QUESTIONS, "tag_ids": ["sent"]})


def faults_of(**changes: Any) -> list[str]:
    """The paths of what is wrong with the form, changed so."""
    try:
        return [each.path for each in problems(parse(Form, {**FORM.model_dump(mode="json"), **changes}))]
    except InvalidRuleError as error:
        return [each.path for each in error.problems]


def question(**changes: Any) -> list[dict[str, Any]]:
    return [{**QUESTIONS[2], **changes}]


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({}, []),
        ({"name": "Tea"}, ["name"]),
        ({"title": ""}, ["title"]),
        ({"introduction": "x" * 1001}, ["introduction"]),
        ({"introduction": "两行\n可以"}, []),
        ({"introduction": "\x07"}, ["introduction"]),
        ({"questions": []}, ["questions"]),
        ({"questions": [*QUESTIONS, QUESTIONS[0]]},
         ["questions[0].key", "questions[6].key", "questions[0].field", "questions[6].field"]),
        ({"questions": question(ask="colour")}, ["questions[0]"]),
        ({"questions": question(choices=[TEA])}, ["questions[0].choices"]),
        ({"questions": question(choices=[TEA, TEA])}, ["questions[0].choices[0].text", "questions[0].choices[1].text"]),
        ({"questions": question(choices=[TEA, {"text": ""}])}, ["questions[0].choices[1].text"]),
        ({"questions": question(field="birthday")}, ["questions[0].field"]),
        ({"questions": question(field="Taste")}, ["questions[0].field"]),
        ({"questions": question(most=1)}, ["questions[0].most"]),
        ({"questions": [{**QUESTIONS[5], "text": " "}]}, ["questions[0].text"]),
        ({"questions": [QUESTIONS[5], {**QUESTIONS[5], "key": "b", "field": None, "wish": "opt_out"}]},
         ["questions[1].wish"]),
        ({"questions": [{"key": "many", "ask": "choices", "title": "x",
                         "choices": [{"text": f"{n:040}"} for n in range(20)]}]}, ["questions[0].choices"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_form_is_told_by_its_path(changes: dict[str, Any], paths: list[str]) -> None:
    assert faults_of(**changes) == paths


def test_the_forms_that_come_with_the_program_are_right_and_the_same_in_both_languages() -> None:
    assert list_shipped("forms") == ["birthday", "consent"]
    for name in list_shipped("forms"):
        found = [parse(Form, read_shipped("forms", name, language)) for language in LANGUAGES]
        assert [problems(each) for each in found] == [[], []]
        keys = [[(each.key, each.ask, each.field, each.required) for each in form.questions] for form in found]
        assert keys[0] == keys[1]


def posted(**given: Any) -> dict[str, list[str]]:
    names = {name: name.replace("__", ".") for name in given}
    return {f"a.{names[name]}": value if isinstance(value, list) else [value] for name, value in given.items()}


@pytest.mark.parametrize(
    ("given", "value", "fault"),
    [
        (posted(birthday__month="8", birthday__day="15", birthday__calendar="lunar", birthday__leap_month="yes"),
         {"calendar": "lunar", "month": 8, "day": 15, "leap_month": True, "year": None}, ""),
        (posted(birthday__month="2", birthday__day="29", birthday__leap_month="yes"),
         {"calendar": "solar", "month": 2, "day": 29, "leap_month": False, "year": None}, ""),
        (posted(birthday__month="2", birthday__day="29", birthday__year="2023"), None, "birthday"),
        (posted(birthday__month="8", birthday__day=""), None, "birthday"),
        (posted(birthday__year="1990"), None, "birthday"),
        (posted(birthday__month="８", birthday__day="1"), None, "birthday"),
        (posted(birthday__calendar="solar"), None, ""),
        (posted(since="2026-03-04"), "2026-03-04", ""),
        (posted(since="20260304"), None, "date"),
        (posted(since="2026-02-30"), None, "date"),
        (posted(since="0001-01-01"), None, "date"),
        (posted(tea="绿茶"), "绿茶", ""),
        (posted(tea="白茶"), None, "choice"),
        (posted(tea=["绿茶", "红茶"]), None, "choice"),
        (posted(news=["新品", "绿茶", "新品"]), ["绿茶", "新品"], ""),
        (posted(news=["新品", "绿茶", "活动"]), None, "most"),
        (posted(said="  好\n茶\x07 "), "好 茶", ""),
        (posted(said="一二三四五六"), None, "long"),
        (posted(agree="yes"), True, ""),
        (posted(agree=""), False, ""),
    ],
)  # fmt: skip
def test_an_answer_is_read_from_the_page(given: dict[str, list[str]], value: Any, fault: str) -> None:
    key = next(iter(given)).split(".")[1]
    filled = read_posted(FORM, given)
    assert (filled.answers.get(key), filled.faults.get(key, "")) == (value, fault)


def test_what_has_to_be_answered_is_asked_for() -> None:
    form = parse(
        Form, {"name": "x", "title": "x", "questions": [{**each, "required": True} for each in QUESTIONS]}
    )  # fmt: skip
    assert set(read_posted(form, {}).faults.values()) == {"required"}
    assert len(read_posted(form, {"a.tea": ["绿茶"], "unknown": ["x"]}).faults) == len(QUESTIONS) - 1


NAMES = [input_name(each["key"], part) for each in QUESTIONS for part in ("", "month", "day", "year", "calendar")]
VALUES = st.one_of(st.text(max_size=8), st.sampled_from(["绿茶", "红茶", "yes", "8", "15", "lunar", "2026-03-04"]))


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, max_size=3)))
def test_whatever_a_browser_sends_is_read_and_what_is_shown_again_is_read_as_the_same(given: dict[str, Any]) -> None:
    filled = read_posted(FORM, given)
    assert not filled.answers.keys() & filled.faults.keys()
    assert read_posted(FORM, to_posted(filled.answers)) == (filled.answers, {})
    assert from_kept(to_kept(FORM, filled.answers)) == filled.answers
    assert len(words_of(to_kept(FORM, filled.answers)).splitlines()) == len(filled.answers)


def test_a_correction_takes_back_what_was_said_before_and_nothing_else() -> None:
    first: Answers = {"tea": "绿茶", "news": ["绿茶", "活动"], "said": "好", "agree": True}
    assert fields_of(FORM, first, {}) == {"taste": "绿茶", "said": "好", "agrees": True}
    assert tags_of(FORM, first, {}) == ({"sent", "green"}, set())
    second: Answers = {"tea": "红茶", "agree": True}
    assert fields_of(FORM, second, first) == {"taste": "红茶", "said": None, "agrees": True}
    assert tags_of(FORM, second, first) == ({"sent", "black", "warm"}, {"green"})
    assert words_of(to_kept(FORM, first)) == "口味：绿茶\n内容：绿茶、活动\n留言：好\n消息：是"


@pytest.mark.parametrize(
    ("wish", "ticked", "before", "opted_out"),
    [
        ("opt_in", True, None, False), ("opt_in", False, None, None), ("opt_in", False, True, True),
        ("opt_in", False, False, None), ("opt_out", True, None, True), ("opt_out", False, None, None),
        ("opt_out", False, True, False), ("none", True, True, None),
    ],
)  # fmt: skip
def test_a_box_says_something_of_messages_once_it_was_ticked(
    wish: str, ticked: bool, before: bool | None, opted_out: bool | None
) -> None:
    form = parse(Form, {"name": "x", "title": "x", "questions": [{**QUESTIONS[5], "wish": wish}]})
    assert is_opted_out(form, {"agree": ticked}, {} if before is None else {"agree": before}) == opted_out
