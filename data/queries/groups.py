"""Customer groups and their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlmodel import Session, col

from data.models import CustomerGroup, GroupMember, Staff
from data.queries.upsert import upsert


def find_group(session: Session, chat_id: str) -> CustomerGroup | None:
    """The group, if known."""
    return session.get(CustomerGroup, chat_id)


def count_members(session: Session, chat_id: str) -> int:
    """Members now in the group; of a dismissed one, those who were in it to the end."""
    group = session.get(CustomerGroup, chat_id)
    ended_at = group.dismissed_at if group else None
    query = select(func.count()).where(
        col(GroupMember.chat_id) == chat_id,
        or_(col(GroupMember.left_at).is_(None), col(GroupMember.left_at) == ended_at),
    )
    return int(session.execute(query).scalar_one())


def apply_member_change(
    session: Session,
    chat_id: str,
    *,
    joined: Sequence[str],
    left: Sequence[str],
    join_scene: int | None,
    quit_scene: int | None,
    last_version: str,
    current_version: str,
    at: datetime,
) -> bool:
    """Apply a change of members if it continues the version we hold; False: the group has to be fetched."""
    group = session.get(CustomerGroup, chat_id, with_for_update=True)
    if group is None or not last_version or group.member_version != last_version:
        return False
    staff = set(session.execute(select(col(Staff.userid)).where(col(Staff.userid).in_(joined))).scalars())
    upsert(
        session,
        GroupMember,
        [
            {
                "chat_id": chat_id,
                "userid": userid,
                "type": 1 if userid in staff else 2,
                "join_scene": join_scene,
                "invitor": "",
                "state": "",
                "joined_at": at,
                "left_at": None,
                "quit_scene": None,
            }
            for userid in joined
        ],
    )
    session.execute(
        update(GroupMember)
        .where(col(GroupMember.chat_id) == chat_id, col(GroupMember.userid).in_(left))
        .values(left_at=at, quit_scene=quit_scene)
    )
    group.member_version = current_version
    return True


def apply_fetched(session: Session, told: Mapping[str, Any], now: datetime) -> None:
    """Write what `groupchat/get` answered: the group and exactly its members."""
    chat_id = str(told["chat_id"])
    members = told.get("member_list") or []
    upsert(
        session,
        CustomerGroup,
        [
            {
                "chat_id": chat_id,
                "name": str(told.get("name") or "")[:256],
                "owner": str(told.get("owner") or "")[:64],
                "notice": str(told.get("notice") or ""),
                "member_version": str(told.get("member_version") or "")[:64],
                "created_at": _instant(told.get("create_time")),
                "fetched_at": now,
                "dismissed_at": None,
            }
        ],
    )
    upsert(
        session,
        GroupMember,
        [
            {
                "chat_id": chat_id,
                "userid": str(member["userid"]),
                "type": int(member.get("type") or 2),
                "join_scene": member.get("join_scene"),
                "invitor": str((member.get("invitor") or {}).get("userid") or "")[:64],
                "state": str(member.get("state") or "")[:64],
                "joined_at": _instant(member.get("join_time")),
                "left_at": None,
                "quit_scene": None,
            }
            for member in members
        ],
    )
    present = {str(member["userid"]) for member in members}
    known = session.execute(
        select(col(GroupMember.userid)).where(col(GroupMember.chat_id) == chat_id, col(GroupMember.left_at).is_(None))
    ).scalars()
    session.execute(
        update(GroupMember)
        .where(col(GroupMember.chat_id) == chat_id, col(GroupMember.userid).in_(set(known) - present))
        .values(left_at=now)
    )


def mark_dismissed(session: Session, chat_id: str, at: datetime) -> bool:
    """The group is no more. False when that was known."""
    group = session.get(CustomerGroup, chat_id)
    if group is None:
        session.add(CustomerGroup(chat_id=chat_id, dismissed_at=at))
        return True
    if group.dismissed_at is not None:
        return False
    group.dismissed_at = at
    session.execute(
        update(GroupMember)
        .where(col(GroupMember.chat_id) == chat_id, col(GroupMember.left_at).is_(None))
        .values(left_at=at)
    )
    return True


def _instant(epoch_seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(int(epoch_seconds), UTC) if epoch_seconds else None
