"""API tokens, WeCom's access tokens and leases of jobs."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import AccessToken, ApiToken, Lease
from data.queries.upsert import upsert

#: `last_used_at` is a hint for people: it need not cost a write per request.
USED_EVERY = timedelta(minutes=5)


def digest_of(token: str) -> str:
    """What is kept of an API token."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_api_token(session: Session, name: str, token: str, scopes: list[str], now: datetime) -> None:
    """Keep a token's hash. Raises ConflictError when the name is taken."""
    if session.execute(select(col(ApiToken.id)).where(col(ApiToken.name) == name)).first() is not None:
        raise ConflictError(f"There is already a token named {name!r}.", "Choose another name or revoke that one.")
    session.add(ApiToken(name=name, digest=digest_of(token), scopes=scopes, created_at=now))


def find_api_token(session: Session, token: str) -> ApiToken | None:
    """The live token, or None when it is unknown or revoked."""
    return session.execute(
        select(ApiToken).where(col(ApiToken.digest) == digest_of(token), col(ApiToken.revoked_at).is_(None))
    ).scalar_one_or_none()


def mark_token_used(session: Session, token_id: int, now: datetime) -> None:
    """Note that a token is in use, now and then."""
    token = session.get(ApiToken, token_id)
    if token is not None and (token.last_used_at is None or token.last_used_at < now - USED_EVERY):
        token.last_used_at = now


def revoke_api_token(session: Session, name: str, now: datetime) -> None:
    """From now on the token opens nothing. Raises NotFoundError."""
    token = session.execute(select(ApiToken).where(col(ApiToken.name) == name)).scalar_one_or_none()
    if token is None:
        raise NotFoundError(f"There is no token named {name!r}.", "List them with: siyu token list")
    token.revoked_at = token.revoked_at or now


def list_api_tokens(session: Session) -> list[ApiToken]:
    """All tokens, by name."""
    return list(session.execute(select(ApiToken).order_by(col(ApiToken.name))).scalars())


def find_access_token(session: Session, key: str) -> AccessToken | None:
    """The WeCom token last saved under a key, expired or not."""
    return session.get(AccessToken, key)


def save_access_token(session: Session, key: str, token: str, expires_at: datetime) -> None:
    """Keep a WeCom token in place of what was there."""
    upsert(session, AccessToken, [{"key": key, "token": token, "expires_at": expires_at}])


def take_lease(session: Session, name: str, holder: str, seconds: float, now: datetime) -> int | None:
    """Take or keep the lease of a job; its fencing number, or None while another holds it.

    An expiring row and not a database lock: a lock survives a cut network, a row runs out.
    """
    lease = session.get(Lease, name, with_for_update=True)
    until = now + timedelta(seconds=seconds)
    if lease is None:
        upsert(session, Lease, [{"name": name, "holder": holder, "fence": 1, "expires_at": until}], keep=("holder",))
        session.expire_all()
        lease = session.get_one(Lease, name)
        return lease.fence if lease.holder == holder else None
    if lease.holder != holder:
        if lease.expires_at > now:
            return None
        lease.holder = holder
        lease.fence += 1
    lease.expires_at = until
    return lease.fence


def release_lease(session: Session, name: str, holder: str, now: datetime) -> None:
    """Let another replica take over at once."""
    lease = session.get(Lease, name, with_for_update=True)
    if lease is not None and lease.holder == holder:
        lease.expires_at = now
