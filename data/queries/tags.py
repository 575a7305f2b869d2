"""The company's tags and their groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlmodel import Session, col

from data.errors import NotFoundError
from data.models import Follow, FollowTag, Tag, TagGroup
from data.queries.follow_facts import note_tags
from data.queries.upsert import PER_STATEMENT, upsert_differing

#: A tag is taken off so many follows at a time: one that everybody wears is not one long transaction.
SWEPT_ROWS = 2000


@dataclass(frozen=True, slots=True)
class TagChanges:
    """What a reading changed: tags and groups written, and those found to be deleted."""

    written: int = 0
    deleted: int = 0


def replace_tags(
    session: Session, groups: Sequence[Mapping[str, Any]], now: datetime, *, asked_at: datetime | None = None
) -> TagChanges:
    """Write what differs in a complete reading of `get_corp_tag_list`, asked for at `asked_at`.

    Tags not in it are deleted; `take_off_deleted` then takes them off the customers. What we changed ourselves after
    the request is newer than the answer and stays.
    """
    asked_at = asked_at or now
    newer_groups = set(session.execute(select(col(TagGroup.group_id)).where(_newer(TagGroup, asked_at))).scalars())
    newer_tags = set(session.execute(select(col(Tag.tag_id)).where(_newer(Tag, asked_at))).scalars())
    group_rows = {
        str(group["group_id"]): {
            "group_id": str(group["group_id"]),
            "name": str(group.get("group_name") or "")[:128],
            "order": int(group.get("order") or 0),
            "deleted_at": None,
        }
        for group in groups
    }
    tag_rows = {
        str(tag["id"]): {
            "tag_id": str(tag["id"]),
            "group_id": str(group["group_id"]),
            "name": str(tag.get("name") or "")[:128],
            "order": int(tag.get("order") or 0),
            "deleted_at": None,
        }
        for group in groups
        for tag in group.get("tag") or []
    }
    written = upsert_differing(
        session, TagGroup, [row for key, row in group_rows.items() if key not in newer_groups], key="group_id"
    )
    written += upsert_differing(
        session, Tag, [row for key, row in tag_rows.items() if key not in newer_tags], key="tag_id"
    )
    known = set(session.execute(select(col(TagGroup.group_id)).where(col(TagGroup.deleted_at).is_(None))).scalars())
    gone_groups = known - group_rows.keys() - newer_groups
    gone_tags = set(list_live_ids(session)) - tag_rows.keys() - newer_tags
    mark_deleted(session, gone_groups, gone_tags, now)
    return TagChanges(len(written), len(gone_groups) + len(gone_tags))


def _newer(model: type[Tag | TagGroup], asked_at: datetime) -> Any:
    return col(model.changed_at) > asked_at


def list_live_ids(session: Session) -> list[str]:
    """Ids of the tags that exist."""
    return list(session.execute(select(col(Tag.tag_id)).where(col(Tag.deleted_at).is_(None))).scalars())


def mark_deleted(
    session: Session, group_ids: Collection[str], tag_ids: Collection[str], now: datetime, *, by_us: bool = False
) -> None:
    """These groups and tags are gone from WeCom; `by_us`: at our wish, so that no older reading brings them back."""
    values = {"deleted_at": now} | ({"changed_at": now} if by_us else {})
    for model, key, ids in ((Tag, col(Tag.tag_id), tag_ids), (TagGroup, col(TagGroup.group_id), group_ids)):
        for start in range(0, len(ids), PER_STATEMENT):
            some = sorted(ids)[start : start + PER_STATEMENT]
            session.execute(update(model).where(key.in_(some)).values(values))


def take_off_deleted(session: Session) -> bool:
    """Take tags that were deleted off some of the follows that wear them. False: nobody wears one."""
    # A tag without a group was seen on a customer and never listed: it may be one that the list does not show yet.
    worn = select(FollowTag).where(col(FollowTag.tag_no) == col(Tag.tag_no)).exists()
    tag_no = session.execute(
        select(col(Tag.tag_no)).where(col(Tag.deleted_at).is_not(None), col(Tag.group_id) != "", worn).limit(1)
    ).scalar()
    if tag_no is None:
        return False
    some = select(col(FollowTag.follow_id)).where(col(FollowTag.tag_no) == tag_no).limit(SWEPT_ROWS)
    follow_ids = list(session.execute(some).scalars())
    for start in range(0, len(follow_ids), PER_STATEMENT):
        wearers = col(FollowTag.follow_id).in_(follow_ids[start : start + PER_STATEMENT])
        session.execute(delete(FollowTag).where(wearers, col(FollowTag.tag_no) == tag_no))
    note_tags(session, follow_ids)
    return True


def record_made(session: Session, group: Mapping[str, Any], *, new_group: bool, now: datetime) -> list[str]:
    """Write the group and the tags that `add_corp_tag` answered, as ours; the ids of the tags."""
    group_row = {
        "group_id": str(group["group_id"]),
        "name": str(group.get("group_name") or "")[:128],
        "order": int(group.get("order") or 0),
        "deleted_at": None,
        "changed_at": now,
    } | ({"made_by_us": True} if new_group else {})
    upsert_differing(session, TagGroup, [group_row], key="group_id", beside=("changed_at",))
    rows: list[dict[str, Any]] = [
        {
            "tag_id": str(tag["id"]),
            "group_id": str(group["group_id"]),
            "name": str(tag.get("name") or "")[:128],
            "order": int(tag.get("order") or 0),
            "made_by_us": True,
            "deleted_at": None,
            "changed_at": now,
        }
        for tag in group.get("tag") or []
    ]
    upsert_differing(session, Tag, rows, key="tag_id", beside=("changed_at",))
    return [row["tag_id"] for row in rows]


def record_edit(session: Session, row: Tag | TagGroup, name: str | None, order: int | None, now: datetime) -> None:
    """WeCom took our change of a tag or group: so it is one that we made."""
    _update(
        session,
        row,
        made_by_us=True,
        changed_at=now,
        **({} if name is None else {"name": name}),
        **({} if order is None else {"order": order}),
    )


def record_refused(session: Session, row: Tag | TagGroup) -> None:
    """WeCom did not let us change a tag or group: others made it."""
    _update(session, row, made_by_us=False)


def _update(session: Session, row: Tag | TagGroup, **values: object) -> None:
    if isinstance(row, Tag):
        session.execute(update(Tag).where(col(Tag.tag_id) == row.tag_id).values(values))
    else:
        session.execute(update(TagGroup).where(col(TagGroup.group_id) == row.group_id).values(values))


def get_tag(session: Session, tag_id: str) -> Tag:
    """A tag that exists. Raises NotFoundError."""
    found: Tag | None = session.execute(
        select(Tag).where(col(Tag.tag_id) == tag_id, col(Tag.deleted_at).is_(None))
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"There is no tag {tag_id}.", "List them with: siyu tags list")
    return found


def get_group(session: Session, group_id: str) -> TagGroup:
    """A group that exists. Raises NotFoundError."""
    found = session.get(TagGroup, group_id)
    if found is None or found.deleted_at is not None:
        raise NotFoundError(f"There is no tag group {group_id}.", "List them with: siyu tags groups list")
    return found


def find_group(session: Session, name: str) -> TagGroup | None:
    """The group of that name."""
    return session.execute(
        select(TagGroup).where(col(TagGroup.name) == name, col(TagGroup.deleted_at).is_(None)).limit(1)
    ).scalar_one_or_none()


def list_named(session: Session, group_id: str, names: Collection[str]) -> list[Tag]:
    """The tags of a group that have these names."""
    return list(
        session.execute(
            select(Tag).where(
                col(Tag.group_id) == group_id, col(Tag.name).in_(list(names)), col(Tag.deleted_at).is_(None)
            )
        ).scalars()
    )


def list_tags(session: Session) -> list[dict[str, Any]]:
    """The tags that exist, in WeCom's order, each with its group's name."""
    rows = session.execute(
        select(
            col(Tag.tag_id), col(Tag.name), col(TagGroup.group_id), col(TagGroup.name), col(Tag.order),
            col(Tag.made_by_us),
        )
        .join(TagGroup, col(TagGroup.group_id) == col(Tag.group_id))
        .where(col(Tag.deleted_at).is_(None))
        .order_by(col(TagGroup.order).desc(), TagGroup.group_id, col(Tag.order).desc(), Tag.tag_id)
    )  # fmt: skip
    names = ("tag_id", "name", "group_id", "group_name", "order", "made_by_us")
    return [dict(zip(names, row, strict=True)) for row in rows]


def list_groups(session: Session) -> list[dict[str, Any]]:
    """The groups that exist, in WeCom's order, each with the number of its tags."""
    of_it = (col(Tag.group_id) == col(TagGroup.group_id)) & col(Tag.deleted_at).is_(None)
    tags = select(func.count()).where(of_it).correlate(TagGroup).scalar_subquery()
    rows = session.execute(
        select(col(TagGroup.group_id), col(TagGroup.name), col(TagGroup.order), col(TagGroup.made_by_us), tags)
        .where(col(TagGroup.deleted_at).is_(None))
        .order_by(col(TagGroup.order).desc(), TagGroup.group_id)
    )
    return [dict(zip(("group_id", "name", "order", "made_by_us", "tags"), row, strict=True)) for row in rows]


def list_ids_of_group(session: Session, group_id: str) -> list[str]:
    """Ids of the tags of a group that exist."""
    return list(
        session.execute(
            select(col(Tag.tag_id)).where(col(Tag.group_id) == group_id, col(Tag.deleted_at).is_(None))
        ).scalars()
    )


def count_wearers(session: Session, tag_ids: Collection[str]) -> int:
    """How many contacts wear any of these tags; one with two of them counts twice."""
    numbers = select(col(Tag.tag_no)).where(col(Tag.tag_id).in_(list(tag_ids)))
    worn = select(func.count()).select_from(FollowTag).where(col(FollowTag.tag_no).in_(numbers), col(FollowTag.live))
    return int(session.execute(worn).scalar_one())


def count_each(session: Session, userids: Collection[str] | None = None) -> dict[str, int]:
    """How many contacts wear each tag, by its id. `userids`: of these members' contacts alone."""
    worn = select(col(FollowTag.tag_no), func.count()).where(col(FollowTag.live).is_(True))
    if userids is not None:
        worn = worn.join(Follow, col(Follow.id) == col(FollowTag.follow_id)).where(col(Follow.userid).in_(userids))
    ids = dict(session.execute(select(col(Tag.tag_no), col(Tag.tag_id))).all())
    counts = session.execute(worn.group_by(col(FollowTag.tag_no))).all()
    return {ids[number]: count for number, count in counts if number in ids}
