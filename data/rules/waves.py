"""Waves (波次): what the parts of a campaign have in common, whatever they send."""

from __future__ import annotations

from pydantic import Field

from data.rules.problems import RuleModel
from data.rules.timings import Timing

#: The kinds of waves, and of the batches that carry them.
CUSTOMERS, GROUPS, MOMENTS = "customers", "groups", "moments"
#: WeCom lists what it was asked for at most 30 days at a time; a run is over before that.
VALID_HOURS_MAX = 30 * 24


class WavePlan(RuleModel):
    """A part of a campaign of one `kind`: when it is sent, and how long staff have to do their part."""

    kind: str
    valid_hours: int = Field(default=72, ge=1, le=VALID_HOURS_MAX)
    timing: Timing = Timing()
