"""Processes that tests may kill, forked from one that has loaded the program: to load it takes each of them seconds."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "bot.app", "bot.cli", "bot.commands.accounts", "bot.commands.markings", "bot.commands.serving",
        "bot.commands.sync", "tests.journeys.worker", "tests.scenarios.campaign_worker",
        "tests.scenarios.handover_worker", "tests.scenarios.kf_worker",
    ]
)  # fmt: skip


class Fork:
    """A process that does some work and ends."""

    _ended: asyncio.Task[None]

    def __init__(self, work: Callable[..., Any], args: tuple[Any, ...], output: Path, errors: bool) -> None:
        self._process = FORKS.Process(target=_run, args=(work, args, output, errors), daemon=True)

    @classmethod
    async def start(
        cls, work: Callable[..., Any], *args: Any, output: Path = Path(os.devnull), errors: bool = False
    ) -> Self:
        """Start `work(*args)`, a function of a module. What it prints goes to `output`; errors too, if so wished."""
        fork = cls(work, args, output, errors)
        await asyncio.to_thread(fork._process.start)
        fork._ended = asyncio.create_task(asyncio.to_thread(fork._process.join))
        return fork

    @property
    def returncode(self) -> int | None:
        """What it ended with, the negative number of a signal that killed it; None while it runs."""
        return self._process.exitcode if self._ended.done() else None

    async def wait(self) -> int:
        """Wait for its end."""
        await asyncio.shield(self._ended)
        assert self._process.exitcode is not None
        return self._process.exitcode

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        self._process.kill()

    def terminate(self) -> None:
        """SIGTERM, if it still runs."""
        self._process.terminate()


def siyu(*words: str) -> None:
    """The command."""
    from bot import cli

    sys.argv = ["siyu", *words]
    cli.main()


def _run(work: Callable[..., Any], args: tuple[Any, ...], output: Path, errors: bool) -> None:
    with output.open("ab") as file:
        for number in (1, 2) if errors else (1,):
            os.dup2(file.fileno(), number)
    made = work(*args)
    if inspect.iscoroutine(made):
        asyncio.run(made)
