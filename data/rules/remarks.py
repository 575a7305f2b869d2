"""What a staff member notes about a customer, as WeCom takes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from data.rules.problems import RuleModel

#: Of WeCom.
REMARK_MAX, DESCRIPTION_MAX, MOBILES_MAX = 20, 150, 5

_Text = Annotated[str, StringConstraints(strip_whitespace=True)]


class Remark(RuleModel):
    """What is noted: the name they go by, a description, telephone numbers."""

    remark: _Text = Field(default="", max_length=REMARK_MAX)
    description: _Text = Field(default="", max_length=DESCRIPTION_MAX)
    remark_mobiles: tuple[Annotated[str, Field(min_length=3, max_length=32)], ...] = Field(
        default=(), max_length=MOBILES_MAX
    )
