"""Journeys as JSON: read, written, and refused with the path of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from data.rules.journeys import Journey, problems
from data.rules.problems import InvalidRuleError, parse
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar
from tests.unit.test_rules_journey_times import SHANGHAI

CALENDAR = Calendar(SHANGHAI, TimeWindow.model_validate({"start": "09:00", "end": "21:00"}), ())
TREE = {"tags": {"tag_ids": ["et1"]}}
GOOD: dict[str, Any] = {
    "name": "新客 7 天",
    "trigger": {"on": "added", "state_prefixes": ["shop-"]},
    "audience": {"not": TREE},
    "again": {"after_days": 90},
    "goal": {"on": "ordered", "min_fen": 100},
    "stops": [{"on": "tagged", "tag_id": "et9"}, {"on": "group", "did": "left"}],
    "hold_out_percent": 10,
    "steps": [
        {"key": "hello", "when": {"minutes": 60}, "action": {"do": "tags", "put_on": ["et2", "et1"]}},
        {
            "key": "fork",
            "when": {"days": 1, "at": "10:00", "only": "workdays"},
            "action": {"do": "branch", "cases": [{"segment": TREE, "go": "ask"}], "otherwise": "over"},
        },
        {
            "key": "ask",
            "only_if": TREE,
            "action": {"do": "task", "content": {"text": "{{ customer }}"}, "worth": 80},
            "late": {"within_hours": 2, "then": "do"},
        },
        {"key": "gift", "action": {"do": "broadcast", "content": {"text": "周末好礼"}, "valid_hours": 24}},
        {"key": "note", "action": {"do": "field", "field": "level", "value": 3}},
        {"key": "tell", "action": {"do": "webhook", "url": "https://example.com/hook"}},
        {"key": "rest", "when": {"since": "start", "days": 7}, "action": {"do": "wait"}},
        {"key": "over", "action": {"do": "end"}},
    ],
}


def told(changed: dict[str, Any]) -> list[str]:
    """The paths of what is wrong with the good journey so changed."""
    try:
        journey = parse(Journey, GOOD | changed)
    except InvalidRuleError as error:
        return [problem.path for problem in error.problems]
    return [problem.path for problem in problems(journey, CALENDAR)]


def step(**fields: Any) -> dict[str, Any]:
    """A journey of one step."""
    return {"steps": [{"key": "one", "action": {"do": "tags", "put_on": ["et1"]}, **fields}]}


def test_a_journey_is_the_same_after_json_and_back() -> None:
    journey = parse(Journey, GOOD)
    assert not problems(journey, CALENDAR)
    assert parse(Journey, journey.model_dump_json()) == journey
    assert parse(Journey, journey.model_dump(mode="json")) == journey
    assert journey.places["gift"] == 3
    assert [path for path, _ in journey.list_trees()] == [
        "audience",
        "steps[1].action.cases[0].segment",
        "steps[2].only_if",
    ]


@pytest.mark.parametrize(
    ("changed", "paths"),
    [
        ({"trigger": {}}, ["trigger"]),
        ({"trigger": {"on": "moon"}}, ["trigger"]),
        ({"trigger": {"on": "ordered", "nth": 0}}, ["trigger.nth"]),
        ({"trigger": {"on": "calendar", "cron": "* * * * *"}}, ["trigger.cron"]),
        ({"trigger": {"on": "calendar", "cron": "0 10 30 2 *"}}, ["trigger.cron"]),
        ({"trigger": {"on": "calendar", "cron": "0 10 18 * *"}, "again": {}}, ["again.after_days"]),
        ({"trigger": {"on": "segment", "segment": {"tags": {}}}}, ["trigger.segment.tags.tag_ids"]),
        ({"trigger": {"on": "silent", "days": "30"}}, ["trigger.days"]),
        ({"goal": {"on": "added"}}, ["goal"]),
        ({"goal": {"on": "silent", "days": 3}}, ["goal"]),
        ({"stops": [{"on": "group", "chat": "x"}]}, ["stops[0].chat"]),
        ({"audience": {"all": [{"group": {"x": 1}}]}}, ["audience.all[0].group.x"]),
        ({"steps": []}, ["steps"]),
        ({"steps": [{"key": "one", "action": {"do": "wait"}}]}, ["steps"]),
        ({"steps": [GOOD["steps"][0], GOOD["steps"][0]]}, ["steps[1].key"]),
        (step(key="One"), ["steps[0].key"]),
        (step(when={"minutes": 5, "at": "10:00"}), ["steps[0].when.minutes"]),
        (step(when={"at": "25:00"}), ["steps[0].when.at"]),
        (step(action={"do": "tags"}), ["steps[0].action"]),
        (step(action={"do": "tags", "put_on": ["a"], "take_off": ["a"]}), ["steps[0].action.take_off"]),
        (step(when={"at": "22:00"}, action={"do": "task", "content": {"text": "x"}}), ["steps[0].when.at"]),
        (step(action={"do": "webhook", "url": "ftp://x"}), ["steps[0].action.url"]),
        (step(action={"do": "field", "field": "Level", "value": 1}), ["steps[0].action.field"]),
        (
            step(action={"do": "branch", "cases": [{"segment": TREE, "go": "one"}]}),
            ["steps[0].action.cases[0].go", "steps"],
        ),
    ],
)
def test_what_is_wrong_is_told_by_its_path(changed: dict[str, Any], paths: list[str]) -> None:
    assert told(changed) == paths


def test_tags_may_be_changed_at_any_hour() -> None:
    assert not told(step(when={"at": "03:00"}))
