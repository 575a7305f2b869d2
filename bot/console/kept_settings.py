"""Settings that are made in the console: kept, written down, and in force here at once."""

from __future__ import annotations

from functools import partial

from bot import kept
from bot.console.asks import Ask
from data.queries import kept as rows


async def forget(ask: Ask, section: str, names: tuple[str, ...]) -> None:
    """What is set here of a section is what the file says again."""
    row = await ask.db.read(rows.find_kept, rows.SETTINGS)
    wanted = {each: dict(values) for each, values in (row.value if row else {}).items()}
    wanted[section] = {name: value for name, value in wanted.get(section, {}).items() if name not in names}
    await change(ask, "settings.reset", wanted, row.revision if row else 0)


async def change(ask: Ask, action: str, wanted: kept.Set, revision: int) -> None:
    """Keep what is set, write it down in the audit log, and go by it here at once."""
    await ask.change(
        action, "settings",
        partial(kept.keep_settings, filed=ask.ctx.filed, wanted=wanted, by=ask.actor.who, now=ask.now,
                revision=revision),
        lambda session: kept.told(rows.find_kept(session, rows.SETTINGS)),
    )  # fmt: skip
    await kept.refresh(ask.ctx)
