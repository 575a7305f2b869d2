"""Sessions of accounts: begun when somebody has shown who they are, over after a working day or when they are ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select
from sqlmodel import Session, col

from data.models import Account, AccountSession
from data.queries.access import digest_of
from data.queries.accounts import account_of_member, get_account, is_open
from data.rules.accounts import SESSION_LIFE, SESSIONS_AT_MOST

#: `seen_at` is for people: it need not cost a write for every page.
SEEN_EVERY = timedelta(minutes=5)
_SESSION = (
    select(Account, AccountSession)
    .join(AccountSession, col(AccountSession.account_id) == col(Account.id))
    .where(col(AccountSession.digest) == bindparam("digest"))
)


def begin_session(
    session: Session, token: str, account_id: int, now: datetime, *, address: str = "", browser: str = ""
) -> bool:
    """Begin a session under a token that nobody can guess. False: the account is closed."""
    account = get_account(session, account_id)
    if not is_open(session, account):
        return False
    session.execute(delete(AccountSession).where(col(AccountSession.expires_at) <= now))
    theirs = select(col(AccountSession.digest)).where(col(AccountSession.account_id) == account_id)
    latest = theirs.order_by(col(AccountSession.made_at).desc()).limit(SESSIONS_AT_MOST - 1)
    kept = session.execute(latest).scalars().all()
    session.execute(
        delete(AccountSession).where(
            col(AccountSession.account_id) == account_id, col(AccountSession.digest).not_in(kept)
        )
    )
    session.add(
        AccountSession(
            digest=digest_of(token), account_id=account_id, made_at=now, seen_at=now, expires_at=now + SESSION_LIFE,
            address=address, browser=browser[:200],
        )
    )  # fmt: skip
    session.flush()
    return True


def begin_for_member(
    session: Session, token: str, userid: str, now: datetime, *, address: str = "", browser: str = ""
) -> bool:
    """The same for a member whom WeCom has named; their account is made where there is none."""
    account = account_of_member(session, userid, now)
    if account is None or account.id is None:
        return False
    return begin_session(session, token, account.id, now, address=address, browser=browser)


def find_session(session: Session, token: str, now: datetime) -> tuple[Account, AccountSession] | None:
    """Whose session it is; None: nobody's, or it is over."""
    row = session.execute(_SESSION, {"digest": digest_of(token)}).one_or_none()
    if row is None or row[1].expires_at <= now:
        return None
    account, found = row
    return (account, found) if is_open(session, account) else None


def note_seen(session: Session, digest: str, now: datetime) -> None:
    """The browser has just asked for a page."""
    found = session.get(AccountSession, digest)
    if found is not None:
        found.seen_at = now


def list_sessions(session: Session, account_id: int, now: datetime) -> list[AccountSession]:
    """An account's browsers, the latest seen first."""
    theirs = select(AccountSession).where(
        col(AccountSession.account_id) == account_id, col(AccountSession.expires_at) > now
    )
    return list(session.execute(theirs.order_by(col(AccountSession.seen_at).desc())).scalars())


def end_session(session: Session, token: str) -> None:
    """The browser is nobody's any more."""
    session.execute(delete(AccountSession).where(col(AccountSession.digest) == digest_of(token)))


def end_one(session: Session, account_id: int, digest: str) -> None:
    """End one of an account's sessions."""
    session.execute(
        delete(AccountSession).where(col(AccountSession.account_id) == account_id, col(AccountSession.digest) == digest)
    )


def end_others(session: Session, account_id: int, digest: str = "") -> None:
    """End all of an account's sessions but this one."""
    session.execute(
        delete(AccountSession).where(col(AccountSession.account_id) == account_id, col(AccountSession.digest) != digest)
    )
