"""Sessions of the staff: begun when WeCom has told who it is, over after a while or when the member has left."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import Session, col

from data.models import Staff, StaffSession

_ACTIVE = 1


def add_session(session: Session, token: str, userid: str, now: datetime, expires_at: datetime) -> bool:
    """Begin a session under a token that nobody can guess. False: there is no such member, or they have left."""
    if not _is_member(session, userid):
        return False
    session.execute(delete(StaffSession).where(col(StaffSession.expires_at) <= now))
    session.add(StaffSession(digest=digest_of(token), userid=userid, made_at=now, expires_at=expires_at))
    session.flush()
    return True


def find_member(session: Session, token: str, now: datetime) -> str | None:
    """Whose session it is; None: nobody's, or it is over."""
    found = session.get(StaffSession, digest_of(token))
    if found is None or found.expires_at <= now or not _is_member(session, found.userid):
        return None
    return found.userid


def end_session(session: Session, token: str) -> None:
    """The browser is nobody's any more."""
    session.execute(delete(StaffSession).where(col(StaffSession.digest) == digest_of(token)))


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is_member(session: Session, userid: str) -> bool:
    member = select(col(Staff.userid)).where(
        col(Staff.userid) == userid, col(Staff.gone_at).is_(None), col(Staff.status) == _ACTIVE
    )
    return session.execute(member).first() is not None
