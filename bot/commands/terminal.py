"""What every command shares: the configuration, the databases it works on, how answers are shown.

Commands import what they need inside their functions: `siyu --help` must not load the whole program.
"""

from __future__ import annotations

import asyncio
import json
import os
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from bot.commands.clocks import clock_of

if TYPE_CHECKING:
    from bot.config import Settings
    from bot.context import Context
    from data.db import Database

T = TypeVar("T")

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="SIYU_CONFIG", help="The configuration file.", show_default="config.toml"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many rows.")]

DEFAULT_CONFIG = Path("config.toml")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def load(config: Path | None) -> Settings:
    """The settings of `--config`, else of ./config.toml, else of the environment where that holds any.

    Raises ConfigurationError.
    """
    from bot.config import Settings, load_settings

    if config is None and not DEFAULT_CONFIG.exists():
        sections = {f"SIYU_{field}".upper() for field in Settings.model_fields}
        names = [name for name in os.environ if name.upper().split("__")[0] in sections]
        if names:
            return load_settings(None)
    return load_settings(config or DEFAULT_CONFIG)


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a command works on. `now` is the instant of the command."""

    settings: Settings
    now: datetime
    db: Database
    inbox: Database

    def local(self, at: datetime | None) -> str:
        """An instant by the company's wall clock; empty for None."""
        return at.astimezone(self.settings.zone).strftime("%Y-%m-%d %H:%M:%S") if at else ""

    def instant(self, text: str | None) -> datetime | None:
        """The instant that somebody wrote; a time without a zone is the company's. None for None."""
        return None if text is None else parse_instant(text, self.settings, self.now)


def parse_instant(text: str, settings: Settings, now: datetime) -> datetime:
    """The instant of `2026-03-04T10:00`, `2026-03-04`, or `2h` (ago): seconds, minutes, hours, days, weeks."""
    number, unit = text[:-1], text[-1:]
    if unit in UNITS and number.isdecimal():
        try:
            return now - timedelta(**{UNITS[unit]: int(number)})
        except OverflowError:
            refuse(f"{text!r} is longer ago than there are dates.")
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=settings.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        refuse(f"{text!r} is no time: write 2026-03-04T10:00, 2026-03-04 or 2h (ago).")


def work(config: Path | None, action: Callable[[Workplace], Awaitable[T]], *, inbox: bool = False) -> T:
    """Run `action` on the configured database (`inbox`: it uses the inbox as well); its tables are made if need be."""

    async def run() -> T:
        from bot.kept import settings_now
        from data import migrate
        from data.db import open_database

        settings = load(config)
        await migrate.prepare(settings.database.url, "main")
        if inbox:
            await migrate.prepare(settings.inbox_url, "inbox")
        async with AsyncExitStack() as stack:
            db = open_database(settings.database.url, pool_size=2)
            stack.push_async_callback(db.close)
            inbox_db = db
            if inbox and settings.inbox_url != settings.database.url:
                inbox_db = open_database(settings.inbox_url, pool_size=2)
                stack.push_async_callback(inbox_db.close)
            settings = await settings_now(db, settings)
            return await action(Workplace(settings, clock_of(settings).now(), db, inbox_db))

    return asyncio.run(run())


def work_with_wecom(config: Path | None, action: Callable[[Context], Awaitable[T]]) -> T:
    """Run `action` with what a job of the bot has: the database and a client of WeCom."""

    async def run() -> T:
        from bot.assembly import open_context
        from bot.logs import configure_logs
        from bot.metrics import Metrics
        from data import migrate
        from data.db import open_database

        settings = load(config)
        configure_logs(settings.logs.level if settings.logs.level != "INFO" else "WARNING", settings.logs.output)
        await migrate.prepare(settings.database.url, "main")
        async with AsyncExitStack() as stack:
            db = open_database(settings.database.url, pool_size=10)
            stack.push_async_callback(db.close)
            return await action(await open_context(stack, settings, clock_of(settings), db, Metrics()))

    return asyncio.run(run())


def say(text: str = "") -> None:
    """One line to standard output."""
    typer.echo(text)


def say_json(value: Any) -> None:
    """A value as JSON; instants in UTC."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def refuse(message: str) -> NoReturn:
    """End the command because of what was typed."""
    typer.echo(message, err=True)
    raise typer.Exit(2)


def say_table(head: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Rows in columns as wide as a terminal shows them; `empty` when there are none."""
    lines = [[str(cell).replace("\n", " ") for cell in row] for row in rows]
    if not lines:
        typer.echo(empty)
        return
    lines.insert(0, list(head))
    widths = [max(shown_width(line[index]) for line in lines) for index in range(len(head))]
    for line in lines:
        cells = (cell + " " * (width - shown_width(cell)) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def shown_width(text: str) -> int:
    """Columns a text takes in a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, width: int) -> str:
    """The beginning of a text as one line of at most `width` columns."""
    line = " ".join(text.split())
    if shown_width(line) <= width:
        return line
    while shown_width(line) > width - 1:
        line = line[:-1]
    return f"{line}…"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")
