"""Backups: which there are, having one made, and the word that lets the bot send again after a restore."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from aiohttp import web

from bot import kept
from bot.backups import list_backups
from bot.console.asks import Ask
from bot.phrases import Phrase
from data.errors import ConflictError
from data.queries import kept as rows

PATH = "/console/backups"


async def show_list(ask: Ask) -> web.Response:
    """The backups in the folder, and what a restore has left to do."""
    folder = ask.settings.backup.folder
    found = await asyncio.to_thread(list_backups, folder) if folder else []
    wanted = await ask.db.read(rows.find_kept, rows.BACKUP_WANTED)
    is_coming = wanted is not None and (not found or found[0].made_at.isoformat() < wanted.value["at"])
    return ask.show("backups", backups=found, backup=ask.settings.backup, coming=is_coming, restore=ask.ctx.restore)


async def make(ask: Ask) -> web.Response:
    """One is made within a minute, by whichever replica has a folder for it."""
    if ask.settings.backup.folder is None:
        raise ConflictError(
            Phrase("还没有设置存放备份的文件夹。"), Phrase("请在配置文件里设置 backup.folder，然后重启。")
        )
    # Names of files say whole seconds.
    at = ask.now.replace(microsecond=0)
    await ask.change(
        "backups.make", "databases",
        partial(rows.keep, key=rows.BACKUP_WANTED, value={"at": at.isoformat()}, by=ask.actor.who, now=ask.now),
    )  # fmt: skip
    return ask.go(PATH, "started")


async def resume(ask: Ask) -> web.Response:
    """Whoever asks has looked: the bot sends again."""

    def look(session: Any) -> dict[str, Any] | None:
        row = rows.find_kept(session, rows.RESTORED)
        return dict(row.value) if row else None

    await ask.change("backups.resume", "databases", partial(kept.confirm, by=ask.actor.who, now=ask.now), look)
    await kept.refresh(ask.ctx)
    return ask.go(PATH, "resumed_all")
