"""How much may reach one customer: the company's limits over all journeys and campaigns."""

from __future__ import annotations

from pydantic import Field

from bot.config_section import Section


class CapsSettings(Section):
    """Limits on what reaches one customer: journeys and campaigns keep them alike, and what either sends counts."""

    per_day: int = Field(
        0, ge=0, le=1000, description="Messages of all kinds that may reach a customer on a day; 0: any number."
    )
    per_week: int = Field(0, ge=0, le=1000, description="The same within 7 days, today included.")
    per_month: int = Field(0, ge=0, le=1000, description="The same within 30 days.")

    @property
    def is_set(self) -> bool:
        """Whether there is any."""
        return bool(self.per_day or self.per_week or self.per_month)


BOTH_GIVEN = (
    "is the older way to say what [caps] says, and both are set: write caps.per_day, caps.per_week and caps.per_month,"
    " and let campaigns.cap_count be 0"
)
