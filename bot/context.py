"""What every handler and job receives: the parts of the running bot, typed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from bot.clock import Clock
from bot.config import Settings
from bot.metrics import Metrics
from bot.render import Renderer
from bot.wecom.client import WeComClient
from data.db import Database


@dataclass(frozen=True, slots=True)
class Context:
    """The running bot."""

    settings: Settings
    clock: Clock
    db: Database
    wecom: WeComClient
    renderer: Renderer
    metrics: Metrics
    random: random.Random

    @property
    def observes(self) -> bool:
        """Whether everything is recorded and nothing sent."""
        return self.settings.mode == "observe"


@dataclass(frozen=True, slots=True)
class Receipt:
    """How an event came to its handler. `attempts` counts the tries that failed before this one."""

    event_id: int
    received_at: datetime
    attempts: int = 0
    collapsed: int = 0
