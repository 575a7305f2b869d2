"""What admins set in the console and what a restore left, brought to every replica within seconds.

The configuration file is what holds where nothing else is set. What is set in the console is kept in the database, goes
before the file, and is checked by the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlmodel import Session

from bot.config import Settings
from bot.config_caps import BOTH_GIVEN
from bot.context import Context, Restore
from bot.errors import ConfigurationError
from bot.logs import get_logger
from data.db import Database
from data.models import KeptValue
from data.queries import kept as rows
from data.queries.runs import wake_resting

log = get_logger("settings")

#: What may be set in the console, by section of the file.
EDITABLE: Mapping[str, tuple[str, ...]] = {
    "campaigns": (
        "hours", "wecom_cap", "cap_count", "cap_days", "remind_after_hours", "escalate_after_hours",
    ),
    "journeys": (
        "cap_per_day", "cap_per_week", "cap_per_month", "gather_minutes", "tasks_per_day", "day_at",
    ),
    "caps": ("per_day", "per_week", "per_month"),
    "digest": ("at", "days"),
    "company": ("holidays", "workdays"),
}  # fmt: skip

Set = Mapping[str, Mapping[str, Any]]


async def refresh(ctx: Context) -> None:
    """Let the settings be those of the file with what is set in the console now, and know whether sending waits."""
    adopt(ctx, await ctx.db.read(rows.map_kept))


def adopt(ctx: Context, kept: Mapping[str, KeptValue]) -> None:
    """The same with what was read already."""
    row = kept.get(rows.SETTINGS)
    # Of two that were read at once the older one may come last.
    if row is not None and row.revision > ctx.kept_revision:
        ctx.kept_revision = row.revision
        ctx.settings = settled(ctx.filed, row.value)
    restore = restore_of(kept.get(rows.RESTORED))
    if ctx.restore is None or restore is None or ctx.restore.at != restore.at or not restore.waits:
        ctx.restore = restore


async def settings_now(db: Database, filed: Settings) -> Settings:
    """The settings as the running bot has them."""
    row = await db.read(rows.find_kept, rows.SETTINGS)
    return settled(filed, row.value if row else {})


def restore_of(row: KeptValue | None) -> Restore | None:
    """What a row says of the last restore."""
    if row is None:
        return None
    at, made_at = (datetime.fromisoformat(row.value[name]) for name in ("at", "made_at"))
    return Restore(at, made_at, bool(row.value["waits"]))


def confirm(session: Session, by: str, now: datetime) -> bool:
    """A person has looked: after a restore what is new may be sent again. False: nothing waited for that."""
    row = rows.find_kept(session, rows.RESTORED)
    if row is None or not row.value["waits"]:
        return False
    rows.keep(session, rows.RESTORED, {**row.value, "waits": False}, by, now)
    return True


def settled(filed: Settings, wanted: Set) -> Settings:
    """The file's settings with those of the console. What another version has set and this one cannot use is left out
    and logged: nothing may keep the bot from starting."""
    faults = problems(filed, wanted)
    if faults:
        log.error("settings_unusable", settings=sorted(faults))
    usable = {
        section: {name: value for name, value in values.items() if f"{section}.{name}" not in faults}
        for section, values in wanted.items()
    }
    try:
        return merged(filed, usable)
    except ConfigurationError:
        return filed


def merged(filed: Settings, wanted: Set) -> Settings:
    """The same. Raises ConfigurationError with a sentence per fault."""
    changed: dict[str, Any] = {}
    faults = problems(filed, wanted)
    if faults:
        told = "; ".join(f"{name}: {words}" for name, words in faults.items())
        raise ConfigurationError(f"Settings of the console cannot be used: {told}.", "Mend them at /console/limits.")
    for section, values in wanted.items():
        if values:
            now = getattr(filed, section)
            changed[section] = type(now).model_validate({**dict(now), **values})
    return filed.model_copy(update=changed)


def problems(filed: Settings, wanted: Set) -> dict[str, str]:
    """What is wrong with settings, by their name: `campaigns.hours`."""
    found: dict[str, str] = {}
    for section, values in wanted.items():
        unknown = set(values) - set(EDITABLE.get(section, ()))
        found |= {f"{section}.{name}": "cannot be set in the console" for name in sorted(unknown)}
        if unknown or not values:
            continue
        now = getattr(filed, section)
        try:
            type(now).model_validate({**dict(now), **values})
        except ValidationError as error:
            for detail in error.errors():
                found.setdefault(f"{section}.{detail['loc'][0]}", str(detail["msg"]))
    return found or _both_caps(filed, wanted)


def _both_caps(filed: Settings, wanted: Set) -> dict[str, str]:
    """The company's limits, if they would be given in the older way too."""
    campaigns, caps = wanted.get("campaigns", {}), wanted.get("caps", {})
    older = campaigns.get("cap_count", filed.campaigns.cap_count)
    if not older or not any({**dict(filed.caps), **caps}.values()):
        return {}
    names = ["campaigns.cap_count"] if campaigns.get("cap_count") else [f"caps.{each}" for each in caps if caps[each]]
    return dict.fromkeys(names, f"campaigns.cap_count {BOTH_GIVEN}")


def differing(filed: Settings, wanted: Set) -> dict[str, dict[str, Any]]:
    """Those of some settings that are not what the file says: the others follow the file."""
    found: dict[str, dict[str, Any]] = {}
    for section, values in wanted.items():
        there = getattr(filed, section)
        differs = {name: value for name, value in values.items() if _plain(getattr(there, name)) != _plain(value)}
        if differs:
            found[section] = differs
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value


def keep_settings(
    session: Session, filed: Settings, wanted: Set, by: str, now: datetime, *, revision: int | None = None
) -> None:
    """Let these be what is set in the console; what is as the file says follows the file.

    Sendings that rest until the hours in which staff are asked look again. Raises ConfigurationError, and StaleError
    when somebody else was quicker.
    """
    merged(filed, wanted)
    rows.keep(session, rows.SETTINGS, differing(filed, wanted), by, now, revision=revision)
    wake_resting(session)


def told(kept_row: KeptValue | None) -> dict[str, Any]:
    """What is set in the console, by name, for the audit log."""
    value = kept_row.value if kept_row else {}
    return {f"{section}.{name}": each for section, values in value.items() for name, each in values.items()}
