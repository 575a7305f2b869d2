"""Whether backups are made, and whether the bot waits for a person after a restore."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from bot.backups import list_backups
from bot.config import Settings
from bot.doctor.findings import Finding, ok, warn
from bot.errors import SiyuError

#: One night that is missed is no matter.
OLD = timedelta(days=2)


async def examine_backups(settings: Settings, now: datetime) -> Finding:
    """What there is to say of the folder of backups."""
    folder = settings.backup.folder
    if folder is None:
        return ok(
            "backup_unset", "没有设置每晚备份（backup.folder）；请用别的办法备份数据库。",
            "No nightly backup is set (backup.folder): see that the databases are backed up otherwise.",
        )  # fmt: skip
    try:
        found = await asyncio.to_thread(list_backups, folder)
    except SiyuError as error:
        return warn("backup_folder", f"备份文件夹 {folder} 读不了。", str(error))
    if not found:
        return warn(
            "no_backup", f"{folder} 里还没有备份；机器人运行起来会做第一份，失败的原因用 siyu jobs 看。",
            f"There is no backup in {folder} yet: the running bot makes the first one; siyu jobs says why one failed.",
        )  # fmt: skip
    age = now - found[0].made_at
    if settings.backup.at and age > OLD:
        return warn(
            "backup_old", f"最新的备份是 {age.days} 天前的；失败的原因用 siyu jobs 看。",
            f"The newest backup is {age.days} days old: siyu jobs says why one failed.",
        )  # fmt: skip
    return ok("backup", "备份正常。", "Backups are made.")
