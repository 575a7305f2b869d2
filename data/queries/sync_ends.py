"""Follows that a sync does not find any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from data.models import Follow, FollowStatus, Staff
from data.queries.follow_tags import note_status
from data.queries.happenings import note_lost
from data.rules.follows import READ_LAG, unlisted_status
from data.rules.happenings import TAKEN_OVER

F: Any = Follow.__table__  # type: ignore[attr-defined]


def list_present(session: Session, userid: str, until: datetime) -> list[str]:
    """The customers whom we think WeCom lists for a member, and thought so for a while before `until`."""
    rows = session.execute(
        select(F.c.external_userid).where(
            F.c.userid == userid,
            F.c.status.in_([FollowStatus.PRESENT, FollowStatus.DELETED_BY_CUSTOMER]),
            F.c.changed_at <= until - READ_LAG,
        )
    )
    return list(rows.scalars())


def end_unlisted(
    session: Session, userid: str, external_userids: Sequence[str], *, asked_at: datetime, now: datetime
) -> int:
    """WeCom lists these customers no more for a member, to a request made at `asked_at`; how many follows ended."""
    staff = session.get(Staff, userid)
    in_sight = staff is not None and staff.gone_at is None and staff.follows_customers
    ended = 0
    for status in (FollowStatus.PRESENT, FollowStatus.DELETED_BY_CUSTOMER):
        after = unlisted_status(status, in_sight=in_sight)
        if after is None:
            continue
        for start in range(0, len(external_userids), 500):
            some = sorted(external_userids)[start : start + 500]
            changed = session.execute(
                update(F)
                .where(
                    F.c.userid == userid,
                    F.c.external_userid.in_(some),
                    F.c.status == status,
                    F.c.changed_at <= asked_at - READ_LAG,
                )
                .values(status=after, ended_at=now, changed_at=now)
                .returning(F.c.id, F.c.external_userid)
            ).all()
            note_status(session, [row[0] for row in changed], after)
            if status is FollowStatus.PRESENT:
                # Why they ended is not known: a colleague may be taking over.
                note_lost(session, (row[1] for row in changed), now + TAKEN_OVER)
            ended += len(changed)
    return ended


def list_members_out_of_sight(session: Session) -> list[str]:
    """Members with customers whom we think present, but whom WeCom does not show us any more."""
    present = select(F.c.userid).where(F.c.status == FollowStatus.PRESENT).distinct()
    seen = select(col(Staff.userid)).where(col(Staff.gone_at).is_(None), col(Staff.follows_customers))
    return sorted(set(session.execute(present).scalars()) - set(session.execute(seen).scalars()))
