"""Moving to a newer version of a journey: nobody is lost, nothing is due before it can be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from data.rules.journey_moves import Waiting, find_ways, key_of, moved, way_problems
from data.rules.journey_steps import Standing
from data.rules.journeys import Journey
from tests.unit.test_rules_journeys import CALENDAR

START = datetime(2026, 3, 4, 2, tzinfo=UTC)
KEYS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)


def journey(keys: list[str], days: int = 1) -> Journey:
    """A journey of steps with these keys."""
    action = {"do": "task", "content": {"text": "x"}}
    steps = [{"key": key, "when": {"days": days, "at": "10:00"}, "action": action} for key in keys]
    return Journey.model_validate({"name": "x", "trigger": {"on": "added"}, "steps": steps})


@given(KEYS, KEYS, st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef")))
def test_everybody_has_a_way_or_is_told_of(old: list[str], new: list[str], told: dict[str, str]) -> None:
    before, newest = journey(old), journey(new)
    waiting = [Waiting(1, step, key_of(before, step), 2) for step in range(len(old) + 1)]
    ways = find_ways(waiting, newest, told)
    problems = {problem.path for problem in way_problems(waiting, newest, told, ways)}
    for each in waiting:
        number = ways.get((1, each.step))
        if number is None:
            assert f"steps.{each.key}" in problems
        else:
            assert key_of(newest, number) == (told.get(each.key, each.key) if each.key else "")
    if not problems:
        assert len(ways) == len(waiting)


@given(
    st.integers(0, 3), st.integers(0, 3), st.integers(1, 30), st.integers(1, 30), st.integers(-40, 40), st.booleans()
)
def test_where_they_stand_then(step: int, number: int, was: int, is_: int, hours: int, is_held: bool) -> None:
    before, newest = journey(["a", "b", "c"], was), journey(["a", "b", "c"], is_)
    now, due = START + timedelta(hours=hours), START + timedelta(days=was)
    standing = Standing(step, START, START, due, START if is_held else None, held_out=True)
    found = moved(before, newest, standing, number, now, CALENDAR)
    assert (found.step, found.started_at, found.before_at, found.held_out) == (number, START, START, True)
    if was == is_ and step < 3 and number < 3:
        assert (found.due_at, found.wanted_at) == (due, standing.wanted_at), "as it was"
    else:
        assert found.due_at >= now
        assert found.wanted_at is None
