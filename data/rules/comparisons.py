"""Comparisons (对比) of the variants of a wave, with each other and with those held out: more than chance, or not.

Two shares are told apart by the two-proportion z-test, pooled and two-sided. It needs some customers of each kind in
both groups; with fewer nothing is said. The more pairs are compared, the surer each has to be (Bonferroni), for one in
twenty pairs of equals would look different.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import combinations
from math import erfc, sqrt
from typing import NamedTuple

from bot.phrases import Phrase

#: How often equals may be called different, over all pairs of one comparison.
LEVEL = 0.05
#: Customers who did, and who did not, that each group must be expected to have if the groups were equal.
EXPECTED_MIN = 10
DAYS, DAYS_MAX = 7, 90


class Shares(NamedTuple):
    """A group of customers, and how many of them did something."""

    name: str
    customers: int
    did: int

    @property
    def rate(self) -> float:
        return self.did / self.customers if self.customers else 0.0


class Verdict(StrEnum):
    """What two groups say. `too_few`: nothing yet."""

    HIGHER = "higher"
    LOWER = "lower"
    NO_DIFFERENCE = "no_difference"
    TOO_FEW = "too_few"


class Compared(NamedTuple):
    """The `first` of two groups against the `second`; `p` is how often chance alone differs as much, if it is known."""

    first: Shares
    second: Shares
    p: float | None
    verdict: Verdict


def p_value(first: Shares, second: Shares) -> float | None:
    """How often two equal groups of these sizes differ at least as much by chance; None: too few to say."""
    customers, did = first.customers + second.customers, first.did + second.did
    if not first.customers or not second.customers:
        return None
    smallest = min(first.customers, second.customers) / customers * min(did, customers - did)
    if smallest < EXPECTED_MIN:
        return None
    pooled = did / customers
    spread = sqrt(pooled * (1 - pooled) * (1 / first.customers + 1 / second.customers))
    return erfc(abs(first.rate - second.rate) / spread / sqrt(2))


def compare(groups: Sequence[Shares]) -> list[Compared]:
    """Every pair of groups."""
    pairs = list(combinations(groups, 2))
    return [_compared(first, second, LEVEL / len(pairs)) for first, second in pairs]


def _compared(first: Shares, second: Shares, level: float) -> Compared:
    p = p_value(first, second)
    if p is None:
        verdict = Verdict.TOO_FEW
    elif p > level:
        verdict = Verdict.NO_DIFFERENCE
    else:
        verdict = Verdict.HIGHER if first.rate > second.rate else Verdict.LOWER
    return Compared(first, second, p, verdict)


def words_of(compared: Compared, what: str) -> str:
    """The same for a person; `what` is compared, such as 下单率."""
    first, second, p, verdict = compared
    shown = Phrase("%(first)s，%(second)s", first=_told(first), second=_told(second))
    if p is None:
        return Phrase("%(what)s：%(shown)s。人数太少，还看不出差别", what=what, shown=shown)
    if verdict is Verdict.NO_DIFFERENCE:
        return Phrase("%(what)s：%(shown)s。这点差别可能只是偶然（p=%(p)s）", what=what, shown=shown, p=_p(p))
    better, worse = (first, second) if verdict is Verdict.HIGHER else (second, first)
    return Phrase(
        "%(what)s：%(shown)s。「%(better)s」比「%(worse)s」高，不像是偶然（p=%(p)s）",
        what=what,
        shown=shown,
        better=better.name,
        worse=worse.name,
        p=_p(p),
    )


def _told(shares: Shares) -> str:
    told = f"{shares.did}/{shares.customers} = {shares.rate:.2%}"
    return Phrase("「%(name)s」%(told)s", name=shares.name, told=told)


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"
