"""Signs of life of the callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from data.models import CallbackHealth
from data.queries.upsert import insert_into


@dataclass(slots=True)
class Signs:
    """What one callback showed since the last write; adds are counted in arrival order."""

    verified_at: datetime | None = None
    last_event_at: datetime | None = None
    last_add_at: datetime | None = None
    last_welcome_code_at: datetime | None = None
    adds_without_code: int = 0

    def add(self, newer: Signs) -> None:
        """Continue with what was seen after this."""
        _continue(self, newer)


def record_signs(session: Session, signs: dict[str, Signs]) -> None:
    """Add what was seen to what is known."""
    for name, seen in sorted(signs.items()):
        session.execute(
            insert_into(session, CallbackHealth)
            .values(name=name, adds_without_code=0)
            .on_conflict_do_nothing(index_elements=["name"])
        )
        _continue(session.get_one(CallbackHealth, name, with_for_update=True), seen)


def _continue(known: Signs | CallbackHealth, newer: Signs) -> None:
    for field in ("verified_at", "last_event_at", "last_add_at", "last_welcome_code_at"):
        value = getattr(newer, field)
        if value is not None:
            setattr(known, field, value)
    before = 0 if newer.last_welcome_code_at else known.adds_without_code
    known.adds_without_code = before + newer.adds_without_code


def list_health(session: Session) -> list[CallbackHealth]:
    """All callbacks that ever showed a sign."""
    return list(session.execute(select(CallbackHealth)).scalars())
