"""Winners: which variant a person has chosen for the runs of a wave that are still to begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from data.models import Winner


def find_winner(session: Session, wave_id: int) -> Winner | None:
    """The choice that holds for a wave."""
    return find_winners(session, [wave_id]).get(wave_id)


def find_variant(session: Session, wave_id: int) -> str:
    """The variant that is sent alone by runs that begin now; empty: all are."""
    winner = find_winner(session, wave_id)
    return winner.variant if winner is not None else ""


def find_winners(session: Session, wave_ids: Sequence[int]) -> dict[int, Winner]:
    """The choices that hold for some waves."""
    query = select(Winner).where(col(Winner.wave_id).in_(wave_ids), col(Winner.undone_at).is_(None))
    return {each.wave_id: each for each in session.execute(query).scalars()}


def list_winners(session: Session, wave_id: int) -> list[Winner]:
    """Every choice for a wave, newest first."""
    query = select(Winner).where(col(Winner.wave_id) == wave_id).order_by(col(Winner.id).desc())
    return list(session.execute(query).scalars())


def add_winner(
    session: Session, wave_id: int, variant: str, chosen_by: str, figures: dict[str, Any], now: datetime
) -> None:
    """A choice in the place of what was chosen before. Its campaign is locked."""
    undo_winner(session, wave_id, chosen_by, now)
    session.add(
        Winner(wave_id=wave_id, variant=variant, chosen_by=chosen_by[:80], chosen_at=now, figures=figures)
    )  # fmt: skip


def undo_winner(session: Session, wave_id: int, undone_by: str, now: datetime) -> bool:
    """The choice for a wave holds no more; whether there was one. Its campaign is locked."""
    winner = find_winner(session, wave_id)
    if winner is None:
        return False
    winner.undone_at, winner.undone_by = now, undone_by[:80]
    return True
