"""Journeys that are tried out: in the background, one for each account, with how far it is and what came of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bot.errors import SiyuError
from bot.logs import get_logger

log = get_logger("console")

#: Of all accounts together at once: a trial keeps a core busy.
AT_ONCE = 2

Watch = Callable[[int, int], None]


@dataclass
class Trial:
    """One of them. `told`: what would happen, when it is known; `fault`: why it is not, and never will be."""

    journey_id: int | None
    name: str
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    done: int = 0
    total: int = 0
    told: dict[str, Any] | None = None
    fault: str = ""

    def watch(self, done: int, total: int) -> None:
        """So many customers of so many have been gone through."""
        self.done, self.total = done, total

    @property
    def is_over(self) -> bool:
        return self.told is not None or bool(self.fault)


class Trials:
    """The last one of each account."""

    def __init__(self) -> None:
        self._trials: dict[int, Trial] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def find(self, account_id: int, key: str) -> Trial | None:
        """An account's own."""
        trial = self._trials.get(account_id)
        return trial if trial is not None and trial.key == key else None

    def start(self, account_id: int, trial: Trial, run: Callable[[Watch], Awaitable[dict[str, Any]]]) -> None:
        """Begin one, in the place of what the account had tried out before."""
        if (before := self._tasks.pop(account_id, None)) is not None:
            before.cancel()
        self._trials[account_id] = trial
        self._tasks[account_id] = asyncio.create_task(self._run(trial, run), name=f"trial {trial.key}")

    async def _run(self, trial: Trial, run: Callable[[Watch], Awaitable[dict[str, Any]]]) -> None:
        try:
            async with self._slots:
                trial.told = await run(trial.watch)
        except SiyuError as error:
            trial.fault = error.message
        except Exception:
            log.exception("failed", journey=trial.journey_id)
            trial.fault = "？"

    async def close(self, _app: object = None) -> None:
        """The program ends."""
        for task in self._tasks.values():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
