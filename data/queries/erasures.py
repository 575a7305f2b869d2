"""Tombstones of erased customers: who may not be written down again, whoever tells of them.

A tombstone is an HMAC-SHA256 of the id under a key of our own, so that it tells of nobody that they were erased. The
key is made with the first one: while there is none, nothing is computed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, select
from sqlmodel import Session, col

from data.errors import ErasedError
from data.models import Customer, Erasure, ErasureKey
from data.queries.locks import lock_names
from data.queries.privacy import Person, erase_person, find_person
from data.queries.upsert import insert_into, upsert

#: Asked in the way of everything that is written about a customer: past the ORM, it takes half the time.
_KEY = select(col(ErasureKey.key))
_ERASED = select(col(Erasure.digest), col(Erasure.erased_at)).where(
    col(Erasure.digest).in_(bindparam("digests", expanding=True))
)
_UNIONIDS = select(col(Erasure.unionid_digest)).where(
    col(Erasure.unionid_digest).in_(bindparam("digests", expanding=True))
)


def has_any(session: Session) -> bool:
    """Whether anybody was ever erased."""
    return session.connection().execute(_KEY).scalar() is not None


def find_erased_at(session: Session, external_userid: str) -> datetime | None:
    """When a customer was erased; None for everybody else."""
    key = session.connection().execute(_KEY).scalar()
    if key is None:
        return None
    row = session.connection().execute(_ERASED, {"digests": [digest_of(key, external_userid)]}).first()
    return None if row is None else row.erased_at


def list_erased(session: Session, external_userids: Collection[str]) -> set[str]:
    """Those of the customers who were erased."""
    key = session.connection().execute(_KEY).scalar() if external_userids else None
    if key is None:
        return set()
    digests = {digest_of(key, each): each for each in external_userids}
    return {digests[row.digest] for row in session.connection().execute(_ERASED, {"digests": list(digests)})}


def refuse_erased(session: Session, external_userid: str) -> None:
    """Raise ErasedError for a customer who was erased: nothing about them may be written."""
    if external_userid and find_erased_at(session, external_userid) is not None:
        raise ErasedError("The customer was erased.", "They are known again once they add a staff member anew.")


def list_erased_unionids(session: Session, unionids: Collection[str]) -> set[str]:
    """Those of the unionids that are of customers who were erased: shops name buyers so."""
    key = session.connection().execute(_KEY).scalar() if unionids else None
    if key is None:
        return set()
    digests = {digest_of(key, each, "unionid"): each for each in unionids}
    return {digests[found] for found in session.connection().execute(_UNIONIDS, {"digests": list(digests)}).scalars()}


class Mark(NamedTuple):
    """What changes with every erasure."""

    erased: int
    last_at: datetime | None


def read_mark(session: Session) -> Mark:
    """To be compared under `hold_mark`."""
    return Mark(*session.execute(select(func.count(), func.max(col(Erasure.erased_at)))).one())


def hold_mark(session: Session) -> Mark:
    """The same; nobody is erased until the transaction ends."""
    lock_names(session, "erasures", ["all"])
    return read_mark(session)


def digest_of(key: str, value: str, what: str = "external_userid") -> str:
    """The keyed hash of an id."""
    return hmac.new(bytes.fromhex(key), f"{what}\n{value}".encode(), hashlib.sha256).hexdigest()


def begin_erasure(session: Session, external_userid: str, by: str, now: datetime) -> dict[str, int]:
    """Set the tombstone and erase the customer from the main database, in one transaction; rows removed, by table.

    What is left to do stands in the tombstone's `pending` until `finish_erasure`.
    """
    lock_names(session, "erasures", ["all"])
    session.execute(
        insert_into(session, ErasureKey)
        .values(id=1, key=secrets.token_hex(32), made_at=now)
        .on_conflict_do_nothing(index_elements=["id"])
    )
    key = session.connection().execute(_KEY).scalar_one()
    session.get(Customer, external_userid, with_for_update=True)
    person = find_person(session, external_userid)
    digest = digest_of(key, external_userid)
    known = session.get(Erasure, digest)
    row = {
        "digest": digest,
        "unionid_digest": digest_of(key, person.unionid, "unionid") if person.unionid
        else known.unionid_digest if known else "",
        "erased_at": now,
        "erased_by": by[:64],
        "pending": {
            "external_userid": external_userid,
            "unionid": person.unionid,
            "mobiles": list(person.mobiles),
            "event_ids": [],
            "read_to": None,
        },
        "finished_at": None,
    }  # fmt: skip
    upsert(session, Erasure, [row])
    return erase_person(session, person)


def note_events(session: Session, external_userid: str, event_ids: Collection[int], read_to: int) -> None:
    """The inbox was read up to an id, and these of its events are to be erased: written before any of them is."""
    row = _get(session, external_userid)
    if row is not None:
        known = set(row.pending.get("event_ids", ()))
        row.pending = {**row.pending, "event_ids": sorted(known | set(event_ids)), "read_to": read_to}


def list_unfinished(session: Session, before: datetime) -> list[Mapping[str, Any]]:
    """What is pending of erasures that began before an instant."""
    query = select(col(Erasure.pending)).where(col(Erasure.finished_at).is_(None), col(Erasure.erased_at) <= before)
    return [pending for pending in session.execute(query.order_by(col(Erasure.erased_at))).scalars() if pending]


def finish_erasure(session: Session, person: Person, now: datetime) -> None:
    """Erase what was written by a transaction that began before the tombstone stood; then nothing is left but it."""
    erase_person(session, person)
    row = _get(session, person.external_userid)
    if row is not None:
        row.pending, row.finished_at = {}, now


def lift_erasure(session: Session, external_userid: str, added_at: datetime) -> bool:
    """The customer added a staff member anew, by their own wish, after they were erased: they are known again.

    False while the inbox has not been read through for them.
    """
    row = _get(session, external_userid)
    if row is None:
        return True
    if row.erased_at >= added_at or (row.pending and row.pending["read_to"] is None):
        return False
    session.execute(delete(Erasure).where(col(Erasure.digest) == row.digest))
    return True


def _get(session: Session, external_userid: str) -> Erasure | None:
    key = session.connection().execute(_KEY).scalar()
    return None if key is None else session.get(Erasure, digest_of(key, external_userid), with_for_update=True)
