"""Lists of customers given for waves: which follows they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import literal, or_, select
from sqlmodel import Session

from data.bulk import among
from data.models import Follow, FollowStatus, WaveCustomer

F: Any = Follow.__table__  # type: ignore[attr-defined]
W: Any = WaveCustomer.__table__  # type: ignore[attr-defined]


def list_of_wave(session: Session, wave_id: int) -> tuple[tuple[int, ...], int]:
    """The follows of a wave's list that are contacts, and how many entries are nobody's contact."""
    entries = session.execute(
        select(W.c.external_userid, W.c.userid, F.c.id)
        .select_from(W)
        .outerjoin(F, _on_list())
        .where(W.c.wave_id == wave_id)
    ).all()
    found = {follow_id for _, _, follow_id in entries if follow_id is not None}
    known = {(whom, who) for whom, who, follow_id in entries if follow_id is not None}
    return tuple(sorted(found)), len({(whom, who) for whom, who, _ in entries} - known)


def list_of_draft(session: Session, entries: Sequence[tuple[str, str]]) -> tuple[tuple[int, ...], int]:
    """The same for a list that is not kept: (external_userid, userid or empty) each."""
    wanted: dict[str, set[str]] = {}
    for whom, who in entries:
        wanted.setdefault(whom, set()).add(who)
    query = select(F.c.id, F.c.external_userid, F.c.userid).where(
        among(session.get_bind().dialect.name, F.c.external_userid, "whom"), F.c.status == FollowStatus.PRESENT
    )
    found: set[int] = set()
    known: set[tuple[str, str]] = set()
    for follow_id, whom, userid in session.execute(query, {"whom": list(wanted)}):
        mine = wanted[whom] & {"", userid}
        known |= {(whom, who) for who in mine}
        if mine:
            found.add(follow_id)
    return tuple(sorted(found)), len(set(entries) - known)


def _on_list() -> Any:
    return (
        (F.c.external_userid == W.c.external_userid)
        & or_(W.c.userid == literal(""), W.c.userid == F.c.userid)
        & (F.c.status == FollowStatus.PRESENT)
    )
