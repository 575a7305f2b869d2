"""Variants: the split is near its weights, the same wherever it is asked for, and tells nothing of another wave's."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.models.campaigns import RecipientState
from data.rules.campaigns import CustomerWave, split
from data.rules.group_waves import GroupWave
from data.rules.messages import MessageContent
from data.rules.moments import MomentWave
from data.rules.problems import InvalidRuleError, parse
from data.rules.senders import Decision
from data.rules.variants import (
    HELD_OUT,
    Split,
    Variant,
    alone,
    parse_words,
    problems,
    said,
    split_of,
    written_alone,
)

PEOPLE = [f"wm{number:05}" for number in range(2000)]
#: So many standard deviations from what is expected happen once in some ten million tries.
FAR = 5.5

seeds = st.integers(1, 10**9).map(lambda number: f"wave {number}")
weights = st.lists(st.integers(1, 1000), min_size=1, max_size=6)


def split_by(seed: str, weights: list[int], percent: int) -> Split:
    return Split(seed, tuple(f"版本{number}" for number in range(len(weights))), tuple(weights), percent)


def is_near(found: int, of: int, share: float) -> bool:
    return abs(found - of * share) <= FAR * sqrt(of * share * (1 - share)) + 1


@given(seeds, weights, st.integers(0, 90))
def test_a_split_is_near_its_weights_and_its_hold_out(seed: str, weights: list[int], percent: int) -> None:
    by = split_by(seed, weights, percent)
    places = Counter(by.place(each) for each in PEOPLE)
    assert set(places) <= {HELD_OUT, *range(len(weights))}
    assert is_near(places[HELD_OUT], len(PEOPLE), percent / 100)
    for number, weight in enumerate(weights):
        assert is_near(places[number], len(PEOPLE), (1 - percent / 100) * weight / sum(weights))


@given(seeds, seeds, st.sampled_from([0, 20, 50]))
def test_two_waves_are_split_independently(one: str, other: str, percent: int) -> None:
    first, second = split_by(one, [1, 1], percent), split_by(other, [1, 1], percent)
    pairs = Counter((first.place(each), second.place(each)) for each in PEOPLE)
    if one == other:
        assert all(mine == theirs for mine, theirs in pairs)
        return
    shares = {HELD_OUT: percent / 100, 0: (1 - percent / 100) / 2, 1: (1 - percent / 100) / 2}
    for (mine, theirs), found in pairs.items():
        assert is_near(found, len(PEOPLE), shares[mine] * shares[theirs])


@given(seeds, st.text(min_size=1, max_size=64), st.integers(0, 90), weights)
def test_more_held_out_changes_no_variant(seed: str, whom: str, percent: int, weights: list[int]) -> None:
    whole = split_by(seed, weights, 0).place(whom.encode(errors="replace").decode())
    assert split_by(seed, weights, percent).place(whom.encode(errors="replace").decode()) in (whole, HELD_OUT)


def test_the_split_stays_what_it_was_over_versions_of_the_program() -> None:
    by = split_by("wave 7", [1, 1, 1], 30)
    assert [by.place(f"wm{number}") for number in range(12)] == [1, -1, -1, 2, 1, -1, -1, 1, 0, 1, 1, 1]


def test_only_who_would_get_something_is_held_out() -> None:
    by = Split("wave 1", ("A", "B"), (1, 1), 50)
    states = [RecipientState.WAITING, RecipientState.CAPPED, RecipientState.DUPLICATE]
    decisions = [Decision(number, "ann", states[number % 3]) for number in range(300)]
    customers = {number: PEOPLE[number] for number in range(300)}
    for before, after in zip(decisions, split(decisions, customers, by), strict=True):
        if before.state is not RecipientState.WAITING:
            assert after == before
        elif by.place(customers[before.follow_id]) == HELD_OUT:
            assert (after.state, after.variant) == (RecipientState.HOLD_OUT, "")
        else:
            assert (after.state, after.variant) == (RecipientState.WAITING, "AB"[by.place(customers[before.follow_id])])


def test_without_variants_and_hold_out_there_is_no_split() -> None:
    assert split_of("wave 1", [], 0) is None
    assert split_of("wave 1", [], 5) == Split("wave 1", ("",), (1,), 5)
    assert split_of("wave 1", [("A", 2), ("B", 1)], 0) == Split("wave 1", ("A", "B"), (2, 1), 0)


def variants(*names: str) -> tuple[Variant, ...]:
    return tuple(Variant(name=name, content=MessageContent(text=name)) for name in names)


def test_what_is_wrong_with_variants_is_told_with_its_path() -> None:
    nothing = MessageContent()
    assert problems((), MessageContent(text="x")) == problems(variants("A", "B"), nothing) == []
    for given_, content, paths in (
        (variants("A", "B"), MessageContent(text="x"), ["content"]),
        (variants("A"), nothing, ["variants"]),
        (variants("A", "b", "B "), nothing, ["variants[2].name"]),
        (variants("A", " "), nothing, ["variants[1].name"]),
        (variants("A", " 对照组"), nothing, ["variants[1].name"]),
    ):
        assert [each.path for each in problems(given_, content)] == paths


@pytest.mark.parametrize(("model", "whom"), [(GroupWave, {"audience": {}}), (MomentWave, {})])
def test_only_waves_to_customers_are_split(model: Any, whom: dict[str, Any]) -> None:
    draft = {"kind": model.model_fields["kind"].default, "content": {"text": "x"}, **whom}
    parse(model, draft)
    more: dict[str, Any]
    for more in ({"variants": []}, {"hold_out_percent": 5}):
        with pytest.raises(InvalidRuleError, match="只有发给客户的波次"):
            parse(model, draft | more)
    with pytest.raises(InvalidRuleError, match="hold_out_percent: 不能大于 90"):
        parse(CustomerWave, {"content": {"text": "x"}, "audience": {"everyone": True}, "hold_out_percent": 91})


def test_a_sending_says_what_its_wave_says_or_what_was_written_for_it() -> None:
    a, b = ({"name": name, "content": {"text": name}} for name in "AB")
    assert said({"text": "x"}, [], None) == said({"text": "x"}, [], {}) == {"": {"text": "x"}}
    assert said({"text": "x"}, [], {"text": "y"}) == {"": {"text": "y"}}
    assert said({}, [a, b], None) == {"A": {"text": "A"}, "B": {"text": "B"}}
    new = parse_words(["A", "B"], {"variants": [{"name": "B", "content": {"text": "2"}}, {**a}]})
    assert [each.name for each in new.variants] == ["A", "B"]
    assert said({}, [a, b], new.model_dump(mode="json"))["B"]["text"] == "2"
    assert parse_words(["A", "B"], {"variants": [a]}).variants[0].name == "A"
    for wrong in ([{**b, "name": "C"}], [a, b, b], [a, {**b, "name": "C"}]):
        with pytest.raises(InvalidRuleError, match="variants: 请给每个版本各写一次：A、B"):
            parse_words(["A", "B"], {"variants": wrong})


@given(st.text(max_size=9), st.integers(0, 90), st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=30))
def test_one_variant_alone_goes_to_all_but_those_who_are_held_out_anyway(
    seed: str, percent: int, whom: list[str]
) -> None:
    split = split_of(seed, [("A", 2), ("B", 1)], percent)
    assert split is not None
    only = alone(split, "B")
    assert only is not None
    assert (only.names, only.compares, alone(split, ""), alone(None, "B")) == (("B",), percent > 0, split, None)
    for each in whom:
        assert only.place(each) == (HELD_OUT if split.place(each) == HELD_OUT else 0)


def test_one_variant_alone_says_its_own_words() -> None:
    a, b = ({"name": name, "content": {"text": name}} for name in "AB")
    assert said({}, [a, b], None, "B") == {"B": {"text": "B"}}
    new = parse_words(["A", "B"], {"variants": [{"name": "B", "content": {"text": "2"}}]}).model_dump(mode="json")
    assert said({}, [a, b], new, "B")["B"]["text"] == "2"
    assert (written_alone(new), written_alone({"variants": [a, b]}), written_alone({"text": "x"})) == ("B", "", "")
    assert written_alone(None) == ""
    assert len(parse_words(["A", "B"], {"variants": [a, b]}).variants) == 2
