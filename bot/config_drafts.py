"""Settings of the optional language model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bot.config_section import Section


class DraftsSettings(Section):
    """A language model that words answers of customer service from the knowledge (知识库), and from nothing else."""

    mode: Literal["off", "draft", "send"] = Field(
        "off", description="draft: whoever serves the customer decides; send: it is sent at once."
    )
    url: str = Field(
        "",
        max_length=512,
        pattern=r"^(https?://[A-Za-z0-9.:/_-]+)?$",
        description="Where OpenAI's chat completions are spoken: https://api.example.com/v1.",
    )
    key: SecretStr = Field(SecretStr(""), description="Its key; empty: none is sent.")
    model: str = Field("", max_length=128, description="The name of the model.")
    budget_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        6, description="An answer that is not there by then is not waited for: the rules go on."
    )

    hold: bool = Field(
        True,
        description="draft: the customer gets the answer when somebody sends it; false: the knowledge's own words go "
        "out at once, and the draft is shown besides.",
    )

    @model_validator(mode="after")
    def _knows_whom_to_ask(self) -> Self:
        if self.mode != "off" and not (self.url and self.model):
            raise ValueError('url and model are needed, or mode = "off"')
        return self
