"""A journey with which something is wrong stands still until a person has mended that, and keeps no other waiting."""

from __future__ import annotations

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_alert
from bot.errors import SiyuError
from data.queries import journeys as rows
from data.rules.schedule import moment_words

#: Of a journey whose newest version was written by another version of the program.
NOT_UNDERSTOOD = "This version of the program does not understand what it says. Write it anew: siyu journeys edit."


def why_of(error: Exception) -> str:
    """What is said of an error that a journey has brought."""
    return f"It cannot go on: {error if isinstance(error, SiyuError | ValueError) else type(error).__name__}"


def pause(session: Session, ctx: Context, journey_id: int, why: str) -> None:
    """The journey stands still, and its owner is told; without one the managers are."""
    row = rows.pause_journey(session, journey_id, why)
    if row is None:
        return
    now = ctx.clock.now()
    told: dict[str, str | None] = {
        "journey_name": row.name,
        "journey_id": str(journey_id),
        "happened_at": moment_words(now, ctx.settings.zone),
        "cause": why,
    }
    for userid in [row.owner] if row.owner else ctx.settings.campaigns.managers:
        add_alert(session, ctx, "journey_paused", userid, told, dedupe_key=f"journey:{journey_id}:{now.isoformat()}")
