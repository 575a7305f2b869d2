"""Channels: contact ways and links as WeCom shows them, and the state that their customers bring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, and_, bindparam, case, cast, exists, func, or_, select, update
from sqlmodel import Session, col

from data.models import Channel, ChannelKind, ChannelMember, ChannelPlan, ChannelStatus, Staff
from data.queries.upsert import upsert
from data.rules.channels import Because, Out

P: Any = ChannelPlan.__table__  # type: ignore[attr-defined]
#: Nobody is on duty for one that is no more.
ENDED = (ChannelStatus.GONE, ChannelStatus.DELETING, ChannelStatus.DELETED)

_BY_STATE = (
    select(Channel)
    .where(col(Channel.state) == bindparam("state"))
    .order_by(col(Channel.deleted_at).is_not(None), col(Channel.seen_at).desc(), col(Channel.config_id))
    .limit(1)
)


def find_by_state(session: Session, state: str) -> Channel | None:
    """The channel whose customers bring this state; of several the one that exists and was read last."""
    return session.execute(_BY_STATE, {"state": state}).scalar_one_or_none() if state else None


def apply_fetched(session: Session, told: Mapping[str, Any], now: datetime, kind: str = ChannelKind.CODE) -> None:
    """Write what `get_contact_way` answered, or a link in the same words."""
    upsert(
        session,
        Channel,
        [
            {
                "config_id": str(told["config_id"]),
                "kind": kind,
                "state": str(told.get("state") or "")[:64],
                "name": str(told.get("remark") or "")[:128],
                "qr_code": str(told.get("qr_code") or "")[:512],
                "userids": [str(userid) for userid in told.get("user") or []],
                "department_ids": [int(party) for party in told.get("party") or []],
                "skip_verify": bool(told.get("skip_verify", True)),
                "seen_at": now,
                "deleted_at": None,
            }
        ],
    )


def apply_link(session: Session, link_id: str, told: Mapping[str, Any], now: datetime) -> None:
    """Write what is told of a link (`data.rules.acquisition.read_link`); one that was made here has name and state."""
    ours = session.execute(
        select(col(ChannelPlan.name), col(ChannelPlan.state)).where(col(ChannelPlan.config_id) == link_id)
    ).first()
    name, state = ours or (told["name"], "")
    shown = {**told, "config_id": link_id, "remark": name, "state": state, "qr_code": told["url"]}
    apply_fetched(session, shown, now, ChannelKind.LINK)


def mark_deleted(session: Session, config_id: str, now: datetime, asked_at: datetime | None = None) -> None:
    """WeCom does not know the contact way any more; its customers keep their state. `asked_at`: when WeCom was asked;
    one that was seen since is there."""
    statement = update(Channel).where(col(Channel.config_id) == config_id, col(Channel.deleted_at).is_(None))
    if asked_at is not None:
        statement = statement.where(col(Channel.seen_at) < asked_at)
    session.execute(statement.values(deleted_at=now))


def list_channels(session: Session, kind: str = "") -> list[Channel]:
    """Channels that exist, all or those of a kind."""
    query = select(Channel).where(col(Channel.deleted_at).is_(None)).order_by(col(Channel.name))
    return list(session.execute(query.where(col(Channel.kind) == kind) if kind else query).scalars())


def list_foreign(session: Session, limit: int, kind: str, member: str = "") -> list[Channel]:
    """Contact ways (or links) that WeCom shows and nobody has made here; those that a `member` is on."""
    query = select(Channel).where(is_foreign(), col(Channel.kind) == kind)
    if member:
        query = query.where(shows_member(member))
    return list(session.execute(query.order_by(col(Channel.name), col(Channel.config_id)).limit(limit)).scalars())


def count_foreign(session: Session, userids: Collection[str]) -> Counter[str]:
    """How many that nobody has made here each of some members is on."""
    found = session.execute(select(col(Channel.userids)).where(is_foreign())).scalars() if userids else ()
    return Counter(each for on_it in found for each in {*on_it} & {*userids})


def shows_member(userid: str) -> Any:
    """Of `Channel`: WeCom has the member on it."""
    return cast(col(Channel.userids), Text).contains(f'"{userid}"', autoescape=True)


def is_foreign() -> Any:
    """Of `Channel`: WeCom shows it, and nobody has made it here."""
    ours = exists(select(P.c.id).where(P.c.config_id == col(Channel.config_id)))
    return and_(col(Channel.deleted_at).is_(None), ~ours)


def list_known_ids(session: Session, but_of: str) -> set[str]:
    """Contact ways of ours, and all that were known before; but those that only bear the state of a channel of which
    it is not known whether it was made: the hourly reading may have come to know its contact way first."""
    ours = select(P.c.config_id).where(P.c.config_id.is_not(None))
    others = select(col(Channel.config_id)).where(col(Channel.state) != but_of)
    return {*session.execute(ours).scalars(), *session.execute(others).scalars()}


# -- of those that were made here


def needs_member(userid: str) -> Any:
    """Of `ChannelPlan`: it names a member, or falls back on them. Of an archived one only the fallback counts, which
    its code leads to."""
    named = exists(
        select(col(ChannelMember.plan_id)).where(
            col(ChannelMember.plan_id) == P.c.id, col(ChannelMember.userid) == userid
        )
    )
    return or_(and_(named, P.c.archived_at.is_(None)), P.c.definition["fallback"].as_string() == userid)


def count_needed(session: Session, among_staff: Any) -> list[tuple[str, int]]:
    """Of members of whom a condition of `Staff` holds: how many channels need each (`needs_member`)."""
    there = P.c.status.not_in(ENDED)
    named = (
        select(col(ChannelMember.userid).label("userid"), P.c.id.label("plan_id"))
        .join(P, P.c.id == col(ChannelMember.plan_id))
        .where(there, P.c.archived_at.is_(None))
    )
    fallback = select(P.c.definition["fallback"].as_string().label("userid"), P.c.id.label("plan_id")).where(there)
    both = named.union(fallback).subquery()
    query = (
        select(both.c.userid, func.count())
        .join(Staff, col(Staff.userid) == both.c.userid)
        .where(among_staff)
        .group_by(both.c.userid)
    )
    return [(userid, int(number)) for userid, number in session.execute(query)]


def is_stranded() -> Any:
    """Of `ChannelPlan`: nobody whom it names can have customers any more, so that the fallback, or whoever is left, has
    them all until somebody gives it other members."""
    because, out = P.c.duty["because"].as_string(), cast(P.c.duty, Text)
    # Those who are full or away are back soon. A member may be called so, too: what stands behind a colon is why.
    only_unable = and_(
        because == Because.NOBODY.value, ~or_(*(out.contains(f': "{each.value}"') for each in (Out.FULL, Out.AWAY)))
    )
    return or_(because.in_([Because.LAST_RESORT.value, Because.STUCK.value]), only_unable)


def list_untold(session: Session, *, lock: bool = False) -> list[tuple[ChannelPlan, str]]:
    """Codes of which people were told something else than is so, each with why nobody stands behind it; empty: somebody
    does. Of links WeCom itself says so, and they are told then (`bot/acquisition.py`)."""
    because = case((is_stranded(), P.c.duty["because"].as_string()), else_="")
    query = select(ChannelPlan, because).where(
        P.c.kind == ChannelKind.CODE, P.c.status.not_in(ENDED), P.c.stranded_as != because
    )
    found = session.execute(query.order_by(P.c.id).with_for_update() if lock else query)
    return [(plan, why) for plan, why in found]
