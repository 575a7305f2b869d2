"""Waves (波次): what the parts of a campaign have in common, whatever they send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import Field, model_validator

from bot.phrases import Phrase
from data.rules.problems import RuleModel
from data.rules.timings import Timing

#: The kinds of waves, and of the batches that carry them.
CUSTOMERS, GROUPS, MOMENTS = "customers", "groups", "moments"
#: WeCom lists what it was asked for at most 30 days at a time; a run is over before that.
VALID_HOURS_MAX = 30 * 24
Which = TypeVar("Which", str, tuple[int, str])
_SPLITTING = frozenset({"variants", "hold_out_percent"})


class WavePlan(RuleModel):
    """A part of a campaign of one `kind`: when it is sent, and how long staff have to do their part."""

    kind: str
    valid_hours: int = Field(default=72, ge=1, le=VALID_HOURS_MAX)
    timing: Timing = Timing()

    @model_validator(mode="before")
    @classmethod
    def _only_customers_are_split(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.keys() & _SPLITTING - cls.model_fields.keys():
            raise ValueError(Phrase("只有发给客户的波次（customers）可以有 variants 和 hold_out_percent"))
        return given


def most_first(counts: Counter[Which]) -> list[tuple[Which, int]]:
    """Counts in the order in which they are shown: the largest first, equal ones always in the same order."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))
