"""`siyu sync`: read WeCom whole, now; look at how the last ones went."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.clocks import clock_of
from bot.commands.loop import run
from bot.commands.terminal import AsJson, Config, Limit, Workplace, load, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import SyncRun

app = typer.Typer(help="Read staff, tags, customers and groups from WeCom.")

STAGES = {"directory": "staff and departments", "tags": "tags", "customers": "customers", "groups": "groups"}
BAR_WIDTH = 30
LINE_SECONDS = 1.0
#: How long a command waits for the lease of a sync that was killed.
WAIT_SECONDS = 90.0
#: Of SQLite's write-ahead log: a first sync writes pages all over the indexes, and of a longer log fewer of them are
#: copied into the file again and again. In a bot, where somebody waits for the copying, it is shorter (`data.sqlite`).
CHECKPOINT_PAGES = 16_000
#: How far the command steps back behind other processes (0 to 19).
NICENESS = 10


@app.callback(invoke_without_command=True)
def sync(context: typer.Context, config: Config = None) -> None:
    """Read everything now, or go on with what was interrupted.

    Shows a bar on a terminal, and one JSON object a line where the output goes elsewhere.
    """
    if context.invoked_subcommand is None:
        run(_sync(config))


async def _sync(config: Config) -> None:
    from contextlib import AsyncExitStack

    from bot.assembly import open_context
    from bot.logs import configure_logs
    from bot.metrics import Metrics
    from data import migrate
    from data.db import open_database
    from data.queries import sync_runs as rows
    from scheduler.sync import Sync, SyncBusyError

    settings = load(config)
    clock = clock_of(settings)
    # Beside a running bot on the same machine: who waits for an acknowledgement or a welcome goes first.
    os.nice(NICENESS)
    configure_logs(settings.logs.level if settings.logs.level != "INFO" else "WARNING", settings.logs.output)
    await migrate.prepare(settings.database.url, "main")
    async with AsyncExitStack() as stack:
        db = open_database(settings.database.url, pool_size=10, checkpoint_pages=CHECKPOINT_PAGES)
        stack.push_async_callback(db.close)
        context = await open_context(stack, settings, clock, db, Metrics())
        run = await db.write(rows.ask_for_run, "command", clock.now())
        assert run.id is not None
        shown = _Shown(sys.stdout.isatty())
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                await Sync(context, on_progress=shown).run(run.id)
                break
            except SyncBusyError:
                # Perhaps the lease of a process that was killed: it runs out.
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1)
        counts, problems = await db.read(rows.sum_report, run.id)
        shown.end(run.id, counts, problems)


class _Shown:
    """Progress: a bar on a terminal, lines of JSON elsewhere."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._stage = ""
        self._began = self._said = time.monotonic()
        self._first = (0, 0)

    def __call__(self, stage: str, done: int, parts: int, rows: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            if self._stage and self._terminal:
                typer.echo()
            self._stage, self._began, self._said, self._first = stage, now, 0.0, (done - 1, 0)
        if now - self._said < LINE_SECONDS and done < parts:
            return
        self._said = now
        seconds = max(now - self._began, 0.001)
        here = done - self._first[0]
        left = (parts - done) * seconds / here if here else None
        if not self._terminal:
            line: dict[str, Any] = {"stage": stage, "done": done, "of": parts, "rows": rows}
            line |= {"rows_per_second": round(rows / seconds), "seconds_left": None if left is None else round(left)}
            say(json.dumps(line))
            return
        filled = BAR_WIDTH * done // max(parts, 1)
        bar = "█" * filled + "░" * (BAR_WIDTH - filled)
        rest = "" if left is None else f" · {_minutes(left)} left"
        typer.echo(
            f"\r{STAGES[stage]:<22} {bar} {done}/{parts} · {rows:,} rows · {rows / seconds:,.0f}/s{rest}   ", nl=False
        )

    def end(self, run_id: int, counts: dict[str, int], problems: list[dict[str, str]]) -> None:
        """What the sync changed."""
        if not self._terminal:
            say(json.dumps({"stage": "done", "run": run_id, "changed": counts, "problems": problems}))
            return
        typer.echo()
        say(f"Sync {run_id} is done. " + (_words(counts) or "Nothing had changed."))
        for problem in problems[:20]:
            say(f"  could not be used: {problem['stage']} {problem['key']}: {problem['what']}")
        if len(problems) > 20:
            say(f"  … and {len(problems) - 20} more: siyu sync show {run_id}")


@app.command("log")
def log(limit: Limit = 20, as_json: AsJson = False, config: Config = None) -> None:
    """List syncs, newest first."""
    from data.queries import sync_runs as rows

    async def read(place: Workplace) -> None:
        runs: list[SyncRun] = await place.db.read(rows.list_runs, limit)
        if as_json:
            say_json([run.model_dump() for run in runs])
            return
        say_table(
            ("id", "asked", "by", "status", "ended", "error"),
            [
                (run.id, place.local(run.asked_at), run.cause, run.status, place.local(run.ended_at), run.error)
                for run in runs
            ],
            "No sync yet: siyu sync",
        )

    work(config, read)


@app.command("show")
def show(
    run_id: Annotated[int, typer.Argument(help="As `siyu sync log` lists it.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """What one sync changed, and which records it could not use."""
    from data.queries import sync_runs as rows

    async def read(place: Workplace) -> None:
        progress = await place.db.read(rows.find_progress, run_id)
        counts, problems = await place.db.read(rows.sum_report, run_id)
        if as_json:
            run = progress.run.model_dump()
            say_json({**run, "parts": progress.parts, "parts_done": progress.parts_done, "changed": counts,
                      "problems": problems})  # fmt: skip
            return
        stage = f", reading {STAGES[progress.stage]} ({progress.parts_done}/{progress.parts})" if progress.stage else ""
        say(f"Sync {run_id} by {progress.run.cause}: {progress.run.status}{stage}")
        if progress.run.error:
            say(f"  {progress.run.error}")
        say("  " + (_words(counts) or "Nothing changed."))
        for problem in problems:
            say(f"  could not be used: {problem['stage']} {problem['key']}: {problem['what']}")

    work(config, read)


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in counts.items())


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
