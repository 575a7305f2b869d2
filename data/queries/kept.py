"""Values that hold for all replicas, by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from bot.phrases import Phrase
from data.errors import StaleError
from data.models import KeptValue
from data.queries.upsert import insert_into

#: Settings that admins have made in the console: sections of the configuration file, with what differs from it.
SETTINGS = "settings"
#: The databases were restored: when (`at`), from a backup of when (`made_at`), and whether sending waits (`waits`).
RESTORED = "restored"
#: Somebody wants a backup: since when (`at`).
BACKUP_WANTED = "backup_wanted"


def map_kept(session: Session) -> dict[str, KeptValue]:
    """All of them; there are few."""
    return {row.key: row for row in session.execute(select(KeptValue)).scalars()}


def find_kept(session: Session, key: str) -> KeptValue | None:
    """One of them."""
    return session.get(KeptValue, key)


def keep(
    session: Session, key: str, value: Mapping[str, Any], by: str, now: datetime, *, revision: int | None = None
) -> None:
    """Keep a value. Raises StaleError when somebody has changed it since `revision` (0: there was none)."""
    session.execute(
        insert_into(session, KeptValue)
        .values(key=key, value={}, revision=0, changed_by="", changed_at=now)
        .on_conflict_do_nothing(index_elements=["key"])
    )
    row = session.get_one(KeptValue, key, with_for_update=True, populate_existing=True)
    if revision is not None and row.revision != revision:
        raise StaleError(Phrase("有人在您打开之后修改过。"), Phrase("请核对后再保存。"))
    row.value, row.revision, row.changed_by, row.changed_at = dict(value), row.revision + 1, by[:80], now
    session.flush()
