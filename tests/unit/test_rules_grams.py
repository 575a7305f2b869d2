"""Pairs of characters by which texts are found."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.grams import coded, folded, grams, searchable, sought

#: Characters that are themselves once folded, and others that part them.
LETTERS, BLANKS = "王伟退款多久vip07", " ，。？-\n"
RUNS = st.text(LETTERS, min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("，。！", []),
        ("王", ["王"]),
        ("王伟", ["王伟"]),
        ("怎么退款？", ["怎么", "么退", "退款"]),
        ("ＶＩＰ 客户", ["vi", "ip", "客户"]),
        ("a，b", ["a", "b"]),
        ("Straße", ["st", "tr", "ra", "as", "ss", "se"]),
        ("é", ["é"]),
        ("5折🎉券", ["5折", "券"]),
        ("客\u200b户", ["客户"]),
    ],
)
def test_pairs_of_a_text(text: str, found: list[str]) -> None:
    assert grams(text) == found


@given(st.text())
def test_any_text_has_grams_of_one_or_two_letters(text: str) -> None:
    found = grams(text)
    assert all(1 <= len(gram) <= 2 for gram in found)
    assert all(unicodedata.category(char)[0] in "LMN" for gram in found for char in gram)
    assert found == grams(text.upper()) or folded(text) != folded(text.upper())


@given(st.lists(RUNS, min_size=1, max_size=4), st.sampled_from(BLANKS))
def test_runs_are_read_each_by_itself(runs: list[str], blank: str) -> None:
    assert grams(blank.join(runs)) == [gram for run in runs for gram in grams(run)]


@given(st.text(LETTERS, max_size=6), st.text(LETTERS, min_size=2, max_size=6), st.text(LETTERS, max_size=6))
def test_a_part_of_a_run_has_only_pairs_of_the_run(before: str, part: str, after: str) -> None:
    whole, pairs = grams(before + part + after), grams(part)
    assert len(pairs) == len(part) - 1
    assert any(whole[at : at + len(pairs)] == pairs for at in range(len(whole)))


MIXED = st.text(LETTERS + BLANKS + "*'&|ｖßİﬁ🎉\ue020", max_size=6)


@given(st.lists(st.one_of(MIXED, st.text(max_size=6)), max_size=4), st.one_of(MIXED, st.text(max_size=4)), st.data())
def test_what_is_sought_stands_in_what_is_kept_of_every_text_that_has_it_and_of_no_other(
    texts: list[str], text: str, data: Any
) -> None:
    if texts and data.draw(st.booleans(), "a part of one of them"):
        whole = data.draw(st.sampled_from(texts))
        text = whole[data.draw(st.integers(0, 3)) :][: data.draw(st.integers(1, 4))]
    kept, part = coded(texts), searchable(text)
    if part:
        assert (sought(text) in kept) == any(part in searchable(each) for each in texts)
    else:
        assert sought(text) == ""
    assert all(len(pair) == 2 for pair in kept.split(" ") if kept)
    assert not set(kept.encode()) & set(b"\t\n\r'\"*\\")
