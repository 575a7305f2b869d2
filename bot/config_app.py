"""Settings of the company's app."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from bot.config_section import Section


class AppSettings(Section):
    """The self-built app (自建应用) whose secret the bot uses."""

    agentid: int = Field(0, description="AgentId of the app.")
    secret: SecretStr = Field(SecretStr(""), description="Secret of the app.")
    answer_unknown: bool = Field(
        True, description="Tell staff what can be asked when nobody understands what they wrote."
    )
    language: Literal["zh", "en"] = Field("zh", description="Language of messages to staff who have not chosen one.")
    menu: bool = Field(False, description="Create the app's menu when the bot starts, if it has another one.")
