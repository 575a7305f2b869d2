"""The backup of each night."""

from __future__ import annotations

import asyncio
from datetime import datetime

from bot.backups import is_due, list_backups, make_backup, name_for, remove_old
from bot.context import Context
from bot.logs import get_logger
from data.queries import kept as rows

log = get_logger("backups")


async def back_up_when_due(ctx: Context) -> bool:
    """Make the backup that is due, and remove those that are too many. False: none is."""
    settings, now = ctx.settings.backup, ctx.clock.now()
    if settings.folder is None:
        return False
    found = await asyncio.to_thread(list_backups, settings.folder)
    wanted = await ctx.db.read(rows.find_kept, rows.BACKUP_WANTED)
    wanted_at = datetime.fromisoformat(wanted.value["at"]) if wanted else None
    if not is_due(settings.at, ctx.settings.zone, now, found[0].made_at if found else None, wanted_at):
        return False
    manifest = await make_backup(ctx.settings, settings.folder / name_for(now), now)
    removed = await asyncio.to_thread(remove_old, settings.folder, settings.keep)
    log.info("backed_up", rows=manifest.rows, removed=removed)
    return True
