"""`siyu backup`, `siyu restore` and `siyu resume`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot.commands.clocks import clock_of
from bot.commands.terminal import Config, Workplace, load, say, work


def backup(
    to: Annotated[
        Path | None,
        typer.Option("--to", help="The new file.", show_default="one in backup.folder, else in this folder"),
    ] = None,
    config: Config = None,
) -> None:
    """Copy both databases, as they are at one instant, into one file; the bot may run meanwhile.

    The configuration file and its secrets are not in it. Customers' data is: keep it as you keep the database.
    """
    from bot.backups import make_backup, name_for

    settings = load(config)
    now = clock_of(settings).now()
    path = to or (settings.backup.folder or Path()) / name_for(now)
    manifest = asyncio.run(make_backup(settings, path, now))
    say(f"{path}: {manifest.rows:,} rows of {len(manifest.tables)} tables, {path.stat().st_size:,} bytes.")
    say("The configuration file is not in it: keep a copy of that apart.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that siyu backup, or the bot, has made.")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace what is in the databases now.")] = False,
    config: Config = None,
) -> None:
    """Put a backup in the place of both databases. No bot may run; afterwards nothing is sent before siyu resume."""
    from bot.backups import restore as put_back

    settings = load(config)
    manifest = asyncio.run(put_back(settings, file, clock_of(settings).now(), by="siyu restore", replace=yes))
    say(f"Restored: {manifest.rows:,} rows, as of {manifest.made_at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}.")
    say("Start the bot. It takes events and greets new customers, and sends nothing else until you run: siyu resume")
    say("Sendings that were due or begun are paused each: look into WeCom whether they went out, then resume or stop.")


def resume(config: Config = None) -> None:
    """After a restore: let the bot send again. What was paused then stays so until it is resumed itself."""

    async def change(place: Workplace) -> bool:
        from bot.kept import confirm

        return await place.db.write(confirm, "command", place.now)

    if work(config, change):
        say("The bot sends again within seconds. Campaigns and journeys that were paused stay so: look at each.")
    else:
        say("Nothing waits: there was no restore that was not confirmed.")
