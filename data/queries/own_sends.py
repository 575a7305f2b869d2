"""Group-sends that staff made themselves: what reached customers, and how far it has been read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from data.models import OwnSendPull
from data.queries import touches
from data.queries.touches import NewTouch
from data.rules.preferences import TouchKind

ONLY = 1


def find_read_until(session: Session) -> datetime | None:
    """How far they were read; None: never."""
    pull = session.get(OwnSendPull, ONLY)
    return None if pull is None else pull.read_until


def note_read_until(session: Session, until: datetime) -> None:
    """All that was made before this instant was read."""
    pull = session.get(OwnSendPull, ONLY, with_for_update=True)
    if pull is None:
        session.add(OwnSendPull(id=ONLY, read_until=until))
    else:
        pull.read_until = max(pull.read_until, until)


def write_reached(session: Session, msgid: str, reached: Sequence[tuple[str, str, datetime]]) -> None:
    """Whom one of them reached: (external_userid, userid, when). What is known stays."""
    new = [NewTouch(f"own_send:{msgid}:{whom}", whom, userid, at) for whom, userid, at in reached]
    touches.record_many(session, new, TouchKind.OWN_SEND)
