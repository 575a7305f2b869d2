"""The company's tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from data.models import Tag, TagGroup
from data.queries.follow_tags import take_off_everywhere
from data.queries.upsert import upsert


def replace_tags(session: Session, groups: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Write a complete reading of `get_corp_tag_list`: tags not in it are deleted, and off every customer."""
    upsert(
        session,
        TagGroup,
        [
            {
                "group_id": str(group["group_id"]),
                "name": str(group.get("group_name") or "")[:128],
                "order": int(group.get("order") or 0),
                "deleted_at": None,
            }
            for group in groups
        ],
    )
    upsert(
        session,
        Tag,
        [
            {
                "tag_id": str(tag["id"]),
                "group_id": str(group["group_id"]),
                "name": str(tag.get("name") or "")[:128],
                "order": int(tag.get("order") or 0),
                "deleted_at": None,
            }
            for group in groups
            for tag in group.get("tag") or []
        ],
        key="tag_id",
    )
    group_ids = {str(group["group_id"]) for group in groups}
    tag_ids = {str(tag["id"]) for group in groups for tag in group.get("tag") or []}
    known_groups = session.execute(select(col(TagGroup.group_id)).where(col(TagGroup.deleted_at).is_(None))).scalars()
    mark_deleted(session, set(known_groups) - group_ids, set(list_live_ids(session)) - tag_ids, now)


def list_live_ids(session: Session) -> list[str]:
    """Ids of the tags that exist."""
    return list(session.execute(select(col(Tag.tag_id)).where(col(Tag.deleted_at).is_(None))).scalars())


def mark_deleted(session: Session, group_ids: set[str], tag_ids: set[str], now: datetime) -> None:
    """These groups and tags are gone from WeCom."""
    for start in range(0, len(tag_ids), 500):
        some = sorted(tag_ids)[start : start + 500]
        session.execute(update(Tag).where(col(Tag.tag_id).in_(some)).values(deleted_at=now))
        take_off_everywhere(session, some)
    if group_ids:
        session.execute(update(TagGroup).where(col(TagGroup.group_id).in_(group_ids)).values(deleted_at=now))


def list_tags(session: Session) -> list[dict[str, str]]:
    """The tags that exist, in WeCom's order, each with its group's name."""
    rows = session.execute(
        select(col(Tag.tag_id), col(Tag.name), col(TagGroup.group_id), col(TagGroup.name))
        .join(TagGroup, col(TagGroup.group_id) == col(Tag.group_id))
        .where(col(Tag.deleted_at).is_(None))
        .order_by(col(TagGroup.order).desc(), TagGroup.group_id, col(Tag.order).desc(), Tag.tag_id)
    )
    return [
        {"tag_id": tag_id, "name": name, "group_id": group_id, "group_name": group_name}
        for tag_id, name, group_id, group_name in rows
    ]
