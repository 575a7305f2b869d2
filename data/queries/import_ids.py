"""Ids of other providers' apps in imported tables, and what WeCom says they are here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import delete, func, or_, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import Customer, ImportedId

I: Any = ImportedId.__table__  # type: ignore[attr-defined]  # noqa: E741
C: Any = Customer.__table__  # type: ignore[attr-defined]

_KEPT = BulkUpsert(ImportedId, ("import_id", "source_agentid", "told", "external_userid", "userid"))


class Converted(NamedTuple):
    """How many ids WeCom was asked about, and for how many it has one of ours."""

    asked: int
    found: int


def list_strangers(session: Session, external_userids: Collection[str]) -> set[str]:
    """Those of some ids that are of no customer known here."""
    wanted = sorted({*external_userids} - {""})
    query = select(C.c.external_userid).where(
        among(session.get_bind().dialect.name, C.c.external_userid, "values")
    )  # fmt: skip
    return {*wanted} - {*session.execute(query, {"values": wanted}).scalars()}


def map_ids(session: Session, import_id: int, agentid: int, told: Collection[str]) -> dict[str, str]:
    """What is known of some ids; empty: WeCom has none for it."""
    query = select(I.c.told, I.c.external_userid, I.c.userid).where(
        I.c.import_id == import_id,
        I.c.source_agentid == agentid,
        among(session.get_bind().dialect.name, I.c.told, "values"),
    )
    found = session.execute(query, {"values": sorted(told)})
    return {each.told: each.external_userid or each.userid for each in found}


def map_members(session: Session, import_id: int, agentid: int) -> dict[str, str]:
    """Members by the ids that the file has for them."""
    query = select(I.c.told, I.c.userid).where(
        I.c.import_id == import_id, I.c.source_agentid == agentid, I.c.userid != ""
    )
    return {each.told: each.userid for each in session.execute(query)}


def save_ids(
    session: Session, import_id: int, agentid: int, found: Iterable[tuple[str, str]], *, members: bool = False
) -> None:
    """Keep what WeCom said of ids."""
    _KEPT.write(
        session,
        [
            (import_id, agentid, told, "" if members else ours[:64], ours[:64] if members else "")
            for told, ours in found
        ],
    )


def count_ids(session: Session, import_id: int, agentid: int) -> Converted:
    """How far an import has come with the ids of this app."""
    query = select(func.count(), func.count().filter(or_(I.c.external_userid != "", I.c.userid != ""))).where(
        I.c.import_id == import_id, I.c.source_agentid == agentid
    )
    return Converted(*session.execute(query).one())


def forget_ids(session: Session, import_id: int, limit: int) -> bool:
    """Remove some of them. False: none is left."""
    some = session.execute(
        select(I.c.source_agentid, I.c.told).where(I.c.import_id == import_id).limit(limit)
    ).all()  # fmt: skip
    for agentid in {each.source_agentid for each in some}:
        told = [each.told for each in some if each.source_agentid == agentid]
        session.execute(
            delete(ImportedId).where(
                col(ImportedId.import_id) == import_id,
                col(ImportedId.source_agentid) == agentid,
                col(ImportedId.told).in_(told),
            )
        )
    return len(some) == limit
