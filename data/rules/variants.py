"""Variants (版本): several contents of one wave over a random split of its customers, and those who are held out.

The split is a hash of the wave and the customer: the same whenever and wherever it is asked for, through whichever
staff member, and at every sending of a wave; and of what another wave does with the customer it says nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from typing import Any

from pydantic import Field

from bot.phrases import Phrase
from data.rules.messages import MessageContent
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse

VARIANTS_MAX = 6
NAME_MAX_LENGTH = 20
WEIGHT_MAX = 1000
#: Beyond it there is hardly anybody to be written to.
HOLD_OUT_MAX = 90
#: Place of who gets nothing, so that the others can be compared with them.
HELD_OUT = -1
HELD_OUT_NAME = Phrase("对照组")

_POINTS = 2**32


class Variant(RuleModel):
    """One of several contents: it goes to `weight` of the sum of all weights."""

    name: str = Field(min_length=1, max_length=NAME_MAX_LENGTH)
    weight: int = Field(default=1, ge=1, le=WEIGHT_MAX)
    content: MessageContent


class VariantWords(RuleModel):
    """What one variant says at one sending."""

    name: str
    content: MessageContent


class RunWords(RuleModel):
    """What the variants of a wave say at one sending: each of them once."""

    variants: tuple[VariantWords, ...] = Field(min_length=1, max_length=VARIANTS_MAX)


@dataclass(frozen=True)
class Split:
    """How the customers of a wave are split; `seed` tells it from every other wave's.

    `names` and `weights` of its variants; one without a name where there is only one content.
    """

    seed: str
    names: tuple[str, ...] = ("",)
    weights: tuple[int, ...] = (1,)
    hold_out_percent: int = 0

    @property
    def compares(self) -> bool:
        """Whether there is more than one group."""
        return len(self.names) > 1 or self.hold_out_percent > 0

    @cached_property
    def _bounds(self) -> tuple[int, ...]:
        whole = sum(self.weights)
        return tuple(_POINTS * upto // whole for upto in accumulate(self.weights))

    @cached_property
    def _held_out(self) -> int:
        return _POINTS * self.hold_out_percent // 100

    def place(self, external_userid: str) -> int:
        """The number of a customer's variant, or HELD_OUT."""
        drawn = blake2b(f"{self.seed}:{external_userid}".encode(), digest_size=8).digest()
        if int.from_bytes(drawn[:4]) < self._held_out:
            return HELD_OUT
        return bisect_right(self._bounds, int.from_bytes(drawn[4:]))


def alone(split: Split | None, variant: str) -> Split | None:
    """The same with one variant for all who are not held out: these are whom they were. Empty: as it is."""
    return replace(split, names=(variant,), weights=(1,)) if split is not None and variant else split


def split_of(seed: str, variants: Sequence[tuple[str, int]], hold_out_percent: int) -> Split | None:
    """The split by (name, weight) of the variants; None where all get the same."""
    if not variants and not hold_out_percent:
        return None
    names, weights = tuple(zip(*variants, strict=True)) if variants else (("",), (1,))
    return Split(seed, names, weights, hold_out_percent)


def problems(variants: Sequence[Variant], content: MessageContent) -> list[Problem]:
    """What is wrong with the variants of a wave, apart from what each says."""
    if not variants:
        return []
    found = [] if content.is_empty else [Problem("content", Phrase("有了 variants 就不填 content：内容写在每个版本里"))]
    if len(variants) == 1:
        found.append(Problem("variants", Phrase("至少要有两个版本；只有一种内容时写在 content 里")))
    names = [each.name.strip().casefold() for each in variants]
    for number, name in enumerate(names):
        if not name:
            found.append(Problem(f"variants[{number}].name", Phrase("必填")))
        elif name == HELD_OUT_NAME:
            found.append(Problem(f"variants[{number}].name", Phrase("这个名字留给什么都收不到的客户")))
        elif name in names[:number]:
            found.append(Problem(f"variants[{number}].name", Phrase("和前面的版本同名")))
    return found


def each_content(content: Mapping[str, Any], variants: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """(name, content) of all that a wave or a run says, as it is kept; without a name where there is only one."""
    if variants:
        yield from ((str(each["name"]), each["content"]) for each in variants)
    else:
        yield "", content


def said(
    content: Mapping[str, Any],
    variants: Sequence[Mapping[str, Any]],
    written: Mapping[str, Any] | None,
    variant: str = "",
) -> dict[str, Mapping[str, Any]]:
    """What a run says by variant: `written` for it alone, or as its wave does; of a `variant` alone only its words."""
    found = dict(each_content(written, written.get("variants") or ()) if written else each_content(content, variants))
    return {name: each for name, each in found.items() if variant in ("", name)}


def written_alone(written: Mapping[str, Any] | None) -> str:
    """The variant for which alone a run has words of its own, if so."""
    variants: Sequence[Any] = (written or {}).get("variants") or ()
    return str(variants[0]["name"]) if len(variants) == 1 else ""


def parse_words(names: Sequence[str], source: Mapping[str, Any]) -> RunWords:
    """What the variants of these names say at one sending, in their order, or what one says alone.

    Raises InvalidRuleError.
    """
    words = parse(RunWords, source)
    given = [each.name for each in words.variants]
    if sorted(given) != sorted(names) and (len(given) > 1 or given[0] not in names):
        raise InvalidRuleError([Problem("variants", Phrase("请给每个版本各写一次：%(names)s", names=names))])
    return RunWords(variants=tuple(sorted(words.variants, key=lambda each: names.index(each.name))))
