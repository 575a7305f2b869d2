"""Settings of WeChat customer service."""

from __future__ import annotations

from pydantic import Field

from bot.config_section import Section


class KfSettings(Section):
    """WeChat customer service (微信客服). The app must be in 微信客服 - 可调用接口的应用, and have the accounts."""

    pull_minutes: int = Field(
        5, ge=0, le=1440, description="An account of which no event came for so long is read all the same; 0: never."
    )
    answer_within_minutes: int = Field(
        60,
        ge=0,
        le=2880,
        description="A message that is older is left to people; 0: answered as long as WeCom takes it.",
    )
