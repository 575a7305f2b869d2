"""The kinds of waves (波次): what a campaign asks of each, and the piece that answers for it.

When one is due, `scheduler/campaigns.py` has it planned and sent, by kind as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlmodel import Session

from bot import customer_waves, group_waves, moments
from bot.context import Context
from data.models import Wave
from data.rules.messages import MessageContent
from data.rules.moments import MomentContent
from data.rules.problems import Problem
from data.rules.variants import RunWords
from data.rules.waves import CUSTOMERS, GROUPS, MOMENTS

RunContent = MessageContent | MomentContent | RunWords


class WaveKind(Protocol):
    """One kind. `draft` is a WaveDraft of it, `content` what its `parse_words` gave, `wave` a row of it."""

    async def wave_problems(self, ctx: Context, draft: Any, /) -> list[Problem]:
        """What is wrong with a draft apart from its timing and its segment."""

    async def with_segment(self, ctx: Context, draft: Any, /) -> Any:
        """A draft with its saved segment read, where it has one. Raises InvalidRuleError."""

    def draft_of(self, session: Session, wave: Wave, /) -> dict[str, Any]:
        """The draft that would make a wave."""

    async def tell_draft(self, ctx: Context, draft: Any, /) -> dict[str, Any]:
        """What a wave would do that is not kept, as it is shown. It was checked, and its segment read."""

    async def tell_wave(self, ctx: Context, wave: Wave, /) -> dict[str, Any]:
        """What a wave would do that is kept, as it is shown."""

    async def count_reached(self, ctx: Context, wave: Wave, /) -> tuple[int, Mapping[str, int]]:
        """How many customers a wave would reach now, and how many of what it goes to are each sender's."""

    def wave_to_json(self, wave: Wave, /) -> dict[str, Any]:
        """A wave as it is shown."""

    async def tell_words(self, ctx: Context, wave: Wave, written: Mapping[str, Any] | None, userid: str, /) -> str:
        """What a wave says, or one of its sendings for which that was `written`, as `userid` sends it."""

    def parse_words(self, wave: Wave, source: Mapping[str, Any], /) -> RunContent:
        """What a sending is to say. Raises InvalidRuleError."""

    async def words_problems(self, ctx: Context, content: Any, /) -> list[Problem]:
        """What is wrong with what a sending is to say."""


KINDS: Mapping[str, WaveKind] = {CUSTOMERS: customer_waves, GROUPS: group_waves, MOMENTS: moments}
