"""A journey with which something is wrong stands still until a person has mended that, and keeps no other waiting."""

from __future__ import annotations

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_alert
from bot.errors import SiyuError
from bot.phrases import Phrase
from bot.staff_words import Kept, Value
from data.queries import journeys as rows

#: Of a journey whose newest version was written by another version of the program.
NOT_UNDERSTOOD = Phrase("这个版本的程序看不懂它的内容，请重新填写：siyu journeys edit")


def why_of(error: Exception) -> str:
    """What is said of an error that a journey has brought."""
    cause = str(error) if isinstance(error, SiyuError | ValueError) else type(error).__name__
    return Phrase("不能继续：%(cause)s", cause=cause)


def pause(session: Session, ctx: Context, journey_id: int, why: str) -> None:
    """The journey stands still, and its owner is told; without one the managers are."""
    row = rows.pause_journey(session, journey_id, why)
    if row is None:
        return
    now = ctx.clock.now()
    told: dict[str, Value] = {
        "journey_name": row.name,
        "journey_id": str(journey_id),
        "happened_at": now,
        "cause": Kept(why),
    }
    for userid in [row.owner] if row.owner else ctx.settings.campaigns.managers:
        add_alert(session, ctx, "journey_paused", userid, told, dedupe_key=f"journey:{journey_id}:{now.isoformat()}")
