"""API tokens, WeCom's access tokens and leases of jobs."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, case, or_, select, update
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import AccessToken, ApiToken, Lease
from data.queries.upsert import insert_on, upsert

#: `last_used_at` is a hint for people: it need not cost a write per request.
USED_EVERY = timedelta(minutes=5)


def digest_of(token: str) -> str:
    """What is kept of a token."""
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


#: By no more than this do the clocks of replicas differ.
CLOCKS_DIFFER = timedelta(minutes=10)


def take_lease(session: Session, name: str, holder: str, seconds: float, now: datetime) -> int | None:
    """Take or keep the lease of a job; its fencing number, or None while another holds it.

    An expiring row and not a database lock: a lock survives a cut network, a row runs out. One that ends much later
    than anybody takes one for was taken before the clock was put back: whoever has it is gone, or takes it anew.
    """
    expires_at = now + timedelta(seconds=seconds)
    taken = {
        "name": name, "holder": holder, "fence": 1, "expires_at": expires_at, "at": now,
        "too_late": expires_at + CLOCKS_DIFFER,
    }  # fmt: skip
    fence: int | None = session.execute(_take_lease(session.get_bind().dialect.name), taken).scalar()
    return fence


@cache
def _take_lease(dialect: str) -> Any:
    """One statement, for jobs ring every few seconds; it returns nothing while another holds the lease."""
    statement: Any = insert_on(dialect, Lease)
    theirs, ours = statement.table.c, statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[theirs.name],
        set_={
            "holder": ours.holder,
            "fence": case((theirs.holder == ours.holder, theirs.fence), else_=theirs.fence + 1),
            "expires_at": ours.expires_at,
        },
        where=or_(
            theirs.holder == ours.holder,
            theirs.expires_at <= bindparam("at", type_=theirs.expires_at.type),
            theirs.expires_at > bindparam("too_late", type_=theirs.expires_at.type),
        ),
    ).returning(theirs.fence)


def release_leases(session: Session, holder: str, now: datetime) -> None:
    """Let other replicas take over at once what this one holds."""
    session.execute(update(Lease).where(col(Lease.holder) == holder).values(expires_at=now))
