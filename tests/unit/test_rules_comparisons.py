"""Comparisons: what is more than chance, what is not, and when nothing can be said."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.rules.comparisons import LEVEL, Shares, Verdict, compare, p_value, words_of

sizes = st.integers(0, 2_000_000)


@st.composite
def shares(draw: st.DrawFn, name: str = "甲") -> Shares:
    customers = draw(sizes)
    return Shares(name, customers, draw(st.integers(0, customers)))


def test_the_p_value_is_the_one_of_the_books() -> None:
    # By hand: pooled 0.1, spread sqrt(0.1 * 0.9 * 0.002) = 0.013416, z = 0.04 / 0.013416 = 2.981.
    assert p_value(Shares("a", 1000, 120), Shares("b", 1000, 80)) == pytest.approx(0.00287, abs=1e-5)
    assert p_value(Shares("a", 1000, 100), Shares("b", 1000, 100)) == 1
    assert p_value(Shares("a", 10_000, 520), Shares("b", 5000, 230)) == pytest.approx(0.1124, abs=1e-3)


@given(shares(), shares("乙"))
def test_it_is_the_same_from_either_side_and_a_probability(first: Shares, second: Shares) -> None:
    p = p_value(first, second)
    assert p == p_value(second, first)
    assert p is None or 0 <= p <= 1
    (one,), (other,) = compare([first, second]), compare([second, first])
    opposite = {Verdict.HIGHER: Verdict.LOWER, Verdict.LOWER: Verdict.HIGHER}
    assert other.verdict is opposite.get(one.verdict, one.verdict)
    assert first.name in words_of(one, "下单率")


@given(shares(), shares("乙"))
def test_few_are_called_few(first: Shares, second: Shares) -> None:
    did = first.did + second.did
    if min(first.customers, second.customers, did, first.customers + second.customers - did) < 10:
        (compared,) = compare([first, second])
        assert (compared.p, compared.verdict) == (None, Verdict.TOO_FEW)
        assert "人数太少" in words_of(compared, "下单率")


@given(st.integers(200, 10**6), st.floats(0.1, 0.9), st.floats(0, 0.09))
def test_more_of_the_same_makes_it_surer(customers: int, rate: float, more: float) -> None:
    first, second = (Shares("甲", customers, round(customers * each)) for each in (rate + more, rate))
    assume(first.did != second.did)
    p, surer = (
        p_value(Shares("甲", first.customers * k, first.did * k), Shares("乙", second.customers * k, second.did * k))
        for k in (1, 4)
    )
    assert p is not None
    assert surer is not None
    assert surer < p or p == 0


def test_equals_are_seldom_called_different_however_many_pairs_there_are() -> None:
    rng = random.Random(7)
    for groups in (2, 5):
        wrong = 0
        for _ in range(400):
            drawn = [Shares(str(each), 2000, sum(rng.random() < 0.03 for _ in range(2000))) for each in range(groups)]
            wrong += any(each.verdict in (Verdict.HIGHER, Verdict.LOWER) for each in compare(drawn))
        # 20 of 400 are expected at most; 40 would be more than four standard deviations away.
        assert wrong < 40 == 2 * LEVEL * 400


def test_the_words_name_the_better_one() -> None:
    better, worse = Shares("甲", 10_000, 400), Shares("乙", 10_000, 300)
    for pair in ([better, worse], [worse, better]):
        assert "「甲」比「乙」高，不像是偶然（p=<0.001）" in words_of(compare(pair)[0], "下单率")
    (even,) = compare([better, Shares("丙", 10_000, 401)])
    assert "只是偶然" in words_of(even, "下单率")
    assert "4.01%" in words_of(even, "下单率")
    assert compare([better]) == compare([]) == []
