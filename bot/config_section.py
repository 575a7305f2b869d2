"""What every table of the configuration file is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]
TimeOrNever = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$")]


class Section(BaseModel):
    """One table of the configuration file: unknown keys are refused, so a typing error is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")
