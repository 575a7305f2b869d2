"""What every handler and job receives: the parts of the running bot, typed."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from bot.clock import Clock
from bot.config import Settings
from bot.metrics import Metrics
from bot.render import Renderer
from bot.replies import Replies
from bot.wecom.client import WeComClient
from data.db import Database


class Restore(NamedTuple):
    """The databases were restored at an instant, from a backup that was made at another. While it `waits`, nothing is
    sent: a person has to say so first."""

    at: datetime
    made_at: datetime
    waits: bool


@dataclass(slots=True, eq=False)
class Line:
    """Who wants the same thing read, one after the other: so many `came`, and for the first `read_to` it is read."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    came: int = 0
    read_to: int = 0


@dataclass(slots=True, eq=False)
class Context:
    """The running bot.

    `settings` are those of the configuration file (`filed`) with what is set in the console; they and `restore` follow
    the database (`bot.kept`), so whoever needs them asks for them anew each time. The other parts stay.
    """

    settings: Settings
    clock: Clock
    db: Database
    wecom: WeComClient
    renderer: Renderer
    metrics: Metrics
    random: random.Random
    restore: Restore | None = None
    kept_revision: int = 0
    replies: Replies = field(default_factory=Replies)
    kf_lines: defaultdict[str, Line] = field(default_factory=lambda: defaultdict(Line))
    filed: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.filed = self.settings

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
