"""Channels: contact ways and links as WeCom shows them, and the state that their customers bring."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlmodel import Session, col

from data.models import Channel, ChannelKind, ChannelPlan
from data.queries.upsert import upsert

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
