"""What all waves have in common."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from data.rules.waves import most_first


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 3), max_size=8), st.randoms())
def test_counts_are_shown_in_one_order_however_they_came(counts: dict[str, int], random: object) -> None:
    shuffled = list(counts.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    told = most_first(Counter(dict(shuffled)))
    assert told == most_first(Counter(counts))
    assert [number for _, number in told] == sorted(counts.values(), reverse=True)
