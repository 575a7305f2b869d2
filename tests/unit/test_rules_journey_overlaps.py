"""Journeys by the calendar that are not over when they are to begin again."""

from __future__ import annotations

from typing import Any

import pytest

from bot.shipped import LANGUAGES, read_shipped
from data.rules.journey_overlaps import problems
from data.rules.journeys import Journey
from data.rules.problems import parse
from tests.unit.test_rules_journeys import CALENDAR, TREE

MONDAYS = {"on": "calendar", "cron": "0 10 * * mon"}
TAGS = {"do": "tags", "put_on": ["et1"]}
GOAL = {"goal": {"on": "ordered"}}


def told(*days: int, **more: Any) -> list[str]:
    steps = [{"key": f"s{number}", "when": {"days": day}, "action": TAGS} for number, day in enumerate(days)]
    said = {"name": "x", "trigger": MONDAYS, "again": {"after_days": 1}, "steps": steps, **more}
    return [each.path for each in problems(Journey.model_validate(said), CALENDAR)]


@pytest.mark.parametrize(
    ("days", "more", "paths"),
    [
        ((0,), {}, []),
        ((0, 6), {}, []),
        ((0, 7), {}, ["steps"]),
        # Until the goal's days are over nobody begins it anew: with seven of them every second Monday is left out.
        ((0,), GOAL, ["goal_days"]),
        ((0,), {**GOAL, "goal_days": 6}, []),
        ((2,), {**GOAL, "goal_days": 5}, ["goal_days"]),
        # It is not to begin every week.
        ((0,), {**GOAL, "again": {"after_days": 8}}, []),
        ((0, 7), {"trigger": {"on": "silent", "days": 3}}, []),
        ((0, 20), {"trigger": {"on": "calendar", "cron": "0 10 18 * *"}}, []),
        ((0, 28), {"trigger": {"on": "calendar", "cron": "0 10 18 * *"}}, ["steps"]),
        ((0, 7), {"trigger": {"on": "calendar", "cron": "bad"}}, []),
    ],
)
def test_a_journey_has_to_be_over_before_it_is_to_begin_again(days: Any, more: Any, paths: list[str]) -> None:
    assert told(*days, **more) == paths


def test_of_a_journey_with_branches_nobody_knows_how_long_it_takes() -> None:
    which = {"key": "which", "action": {"do": "branch", "cases": [{"segment": TREE, "go": "late"}]}}
    late = {"key": "late", "when": {"days": 9}, "action": TAGS}
    assert told(steps=[which, late]) == []


def test_what_the_shipped_journeys_say_of_today_is_not_said_on_another_day() -> None:
    for language in LANGUAGES:
        for name, key in (("birthday", "the_day"), ("member_day", "invite")):
            step = next(
                each for each in parse(Journey, read_shipped("journeys", name, language)).steps if each.key == key
            )
            assert (step.hold_days, step.late.then) == (0, "skip")
            assert step.late.within_hours <= 12
