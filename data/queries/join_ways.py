"""Join ways: kept before WeCom is asked for them, since it has no list of them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal_column, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.models import CustomerGroup, GroupMember, JoinWay, JoinWayImage, JoinWayStatus
from data.queries.upsert import upsert
from data.rules.join_ways import CALL_SECONDS, JoinWayDraft

#: Written out, not bound: only then do the databases see that the partial index holds the rows.
_EMPTY: Any = literal_column("''")


def list_join_ways(session: Session, limit: int = 50, before_id: int | None = None) -> list[JoinWay]:
    """Those that are not removed, newest first."""
    query = select(JoinWay).where(col(JoinWay.removed_at).is_(None)).order_by(col(JoinWay.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(JoinWay.id) < before_id)
    return list(session.execute(query).scalars())


def get_join_way(session: Session, id_: int) -> JoinWay:
    """One of them. Raises NotFoundError."""
    row = session.get(JoinWay, id_)
    if row is None or row.removed_at is not None:
        raise NotFoundError(Phrase("没有编号为 %(id_)s 的群活码。", id_=id_), Phrase("请在群活码列表里核对。"))
    return row


def list_known_groups(session: Session, chat_ids: Collection[str]) -> frozenset[str]:
    """Those of some groups that there are."""
    query = select(col(CustomerGroup.chat_id)).where(
        col(CustomerGroup.chat_id).in_(chat_ids), col(CustomerGroup.dismissed_at).is_(None)
    )
    return frozenset(session.execute(query).scalars())


def map_groups(session: Session, chat_ids: Collection[str]) -> dict[str, str]:
    """The names of groups."""
    query = select(col(CustomerGroup.chat_id), col(CustomerGroup.name)).where(col(CustomerGroup.chat_id).in_(chat_ids))
    return dict(session.execute(query).all())


def count_joined(session: Session, states: Collection[str]) -> dict[str, int]:
    """How many customers have joined by each code, now in their group or not."""
    query = (
        select(col(GroupMember.state), func.count())
        .where(col(GroupMember.state) != _EMPTY, col(GroupMember.state).in_(states), col(GroupMember.type) == 2)
        .group_by(col(GroupMember.state))
    )
    return dict(session.execute(query).all())


def add_join_way(session: Session, draft: JoinWayDraft, made_by: str, now: datetime) -> JoinWay:
    """Keep one that WeCom is about to be asked for."""
    row = JoinWay(
        state=f"jw{secrets.token_hex(6)}",
        status=JoinWayStatus.ADDING,
        made_by=made_by[:80],
        made_at=now,
        called_at=now,
        **_values(draft),
    )
    session.add(row)
    session.flush()
    return row


def begin_again(session: Session, id_: int, now: datetime) -> JoinWay:
    """WeCom is about to be asked once more for one of which no answer came. Raises ConflictError."""
    row = session.get(JoinWay, id_, with_for_update=True, populate_existing=True) or get_join_way(session, id_)
    stuck = row.status == JoinWayStatus.ADDING and row.called_at + timedelta(seconds=CALL_SECONDS) < now
    if row.status not in (JoinWayStatus.UNKNOWN, JoinWayStatus.GONE) and not stuck:
        raise ConflictError(f"Join way {id_} is {row.status}.", "Only one of which WeCom has nothing is made again.")
    row.status, row.error, row.called_at, row.config_id, row.qr_code = JoinWayStatus.ADDING, "", now, None, ""
    return row


def note_made(session: Session, id_: int, config_id: str) -> None:
    """WeCom has made it."""
    row = session.get_one(JoinWay, id_)
    row.status, row.config_id, row.error = JoinWayStatus.MADE, config_id, ""


def note_failed(session: Session, id_: int, status: JoinWayStatus, error: str) -> None:
    """No answer came, or WeCom has it no more."""
    row = session.get_one(JoinWay, id_)
    row.status, row.error = status, error


def forget(session: Session, id_: int) -> None:
    """WeCom made nothing of it."""
    session.delete(session.get_one(JoinWay, id_))


def note_changed(session: Session, id_: int, draft: JoinWayDraft) -> None:
    """WeCom has taken other values."""
    row = session.get_one(JoinWay, id_)
    for name, value in _values(draft).items():
        setattr(row, name, value)


def note_read(session: Session, id_: int, told: Mapping[str, Any], now: datetime) -> None:
    """What WeCom shows of it: groups that it has opened by itself are among them."""
    row = session.get(JoinWay, id_)
    if row is None:
        return
    row.qr_code = str(told.get("qr_code") or "")[:512]
    row.chat_ids = [str(each) for each in told.get("chat_id_list") or []]
    row.base_id = max(row.base_id, int(told.get("room_base_id") or 0))
    row.read_at = now


def note_removed(session: Session, id_: int, now: datetime) -> None:
    """It is no more."""
    row = session.get_one(JoinWay, id_)
    row.status, row.removed_at = JoinWayStatus.REMOVED, now


def find_image(session: Session, row: JoinWay) -> bytes | None:
    """The picture of its code, if it was fetched."""
    query = select(col(JoinWayImage.content)).where(
        col(JoinWayImage.way_id) == row.id, col(JoinWayImage.config_id) == row.config_id
    )
    return session.execute(query).scalar()


def save_image(session: Session, row: JoinWay, content: bytes, now: datetime) -> None:
    """Keep the picture of its code."""
    kept = {"way_id": row.id, "config_id": row.config_id, "content": content, "fetched_at": now}
    upsert(session, JoinWayImage, [kept])


def list_made(session: Session) -> list[tuple[int, str]]:
    """(number, config_id) of those that WeCom has."""
    query = select(col(JoinWay.id), col(JoinWay.config_id)).where(
        col(JoinWay.status) == JoinWayStatus.MADE, col(JoinWay.removed_at).is_(None)
    )
    return [(int(row[0] or 0), str(row[1])) for row in session.execute(query.order_by(col(JoinWay.id)))]


def has_made(session: Session) -> bool:
    """Whether there is one by which people may have come in."""
    query = select(col(JoinWay.id)).where(col(JoinWay.status) == JoinWayStatus.MADE, col(JoinWay.removed_at).is_(None))
    return session.execute(query.limit(1)).first() is not None


def _values(draft: JoinWayDraft) -> dict[str, Any]:
    return {**draft.model_dump(), "chat_ids": list(draft.chat_ids)}
