"""Tags and telephone numbers on follows, and the short numbers that stand for tags there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import Follow, FollowMobile, FollowStatus, FollowTag, Tag
from data.models.customers import MOBILE_ENDING
from data.queries.follow_facts import note_tags
from data.queries.happenings import note
from data.queries.order_credits import note_standing
from data.queries.upsert import insert_into
from data.rules.happenings import TAGGED, Happened
from data.rules.texts import normalised_mobile

_TAG_NOS = select(col(Tag.tag_id), col(Tag.tag_no)).where(col(Tag.tag_id).in_(bindparam("ids", expanding=True)))
_TAG_IDS = (
    select(col(Tag.tag_id))
    .join(FollowTag, col(FollowTag.tag_no) == col(Tag.tag_no))
    .where(col(FollowTag.follow_id) == bindparam("follow_id"))
)
_NEW_MOBILES = BulkUpsert(FollowMobile, ("mobile", "follow_id", "ending"))


def ensure_tags(session: Session, tag_ids: Collection[str], now: datetime) -> dict[str, int]:
    """The numbers of tags. Those that we do not know are written down without a name, as not existing yet."""
    if not tag_ids:
        return {}
    found: dict[str, int] = dict(session.execute(_TAG_NOS, {"ids": list(tag_ids)}).all())
    missing = sorted(set(tag_ids) - found.keys())
    if missing:
        session.execute(
            insert_into(session, Tag).on_conflict_do_nothing(index_elements=["tag_id"]),
            [{"tag_id": tag_id, "group_id": "", "name": "", "order": 0, "deleted_at": now} for tag_id in missing],
        )
        found |= dict(session.execute(_TAG_NOS, {"ids": missing}).all())
    return found


def list_tag_ids(session: Session, userid: str, external_userid: str) -> list[str]:
    """The tags on a pair."""
    pair = select(col(Follow.id)).where(col(Follow.userid) == userid, col(Follow.external_userid) == external_userid)
    follow_id = session.execute(pair).scalar()
    return [] if follow_id is None else list(session.execute(_TAG_IDS, {"follow_id": follow_id}).scalars())


class Retagged(NamedTuple):
    """Which tags were put on a follow, and taken off."""

    put_on: Collection[str] = ()
    taken_off: Collection[str] = ()

    def happened(self, userid: str, external_userid: str, at: datetime) -> list[Happened]:
        """The same as what happened to the customer."""
        return [
            Happened(TAGGED, external_userid, at, {"tag_id": tag_id, "put": put}, userid)
            for put, tag_ids in (("on", self.put_on), ("off", self.taken_off))
            for tag_id in sorted(tag_ids)
        ]


def replace_tags(session: Session, follow: Follow, tag_ids: set[str], now: datetime) -> Retagged:
    """Make the tags of a follow exactly these."""
    if follow.id is None:
        session.flush()
    present = set(session.execute(_TAG_IDS, {"follow_id": follow.id}).scalars())
    retagged = Retagged(tag_ids - present, present - tag_ids)
    _change_tags(session, follow, *retagged, now)
    return retagged


def change_tags(
    session: Session, userid: str, external_userid: str, put_on: set[str], take_off: set[str], now: datetime
) -> None:
    """Put tags on a pair and take others off, in our rows. Nothing happens to a pair that we do not know."""
    if not put_on and not take_off:
        return
    follow = session.execute(
        select(Follow)
        .where(col(Follow.userid) == userid, col(Follow.external_userid) == external_userid)
        .with_for_update()
    ).scalar_one_or_none()
    if follow is None:
        return
    # A fetch that began before this knows nothing of it.
    follow.changed_at = now
    present = set(session.execute(_TAG_IDS, {"follow_id": follow.id}).scalars())
    _change_tags(session, follow, put_on, take_off, now)
    if follow.status == FollowStatus.PRESENT:
        retagged = Retagged(put_on - present, take_off & present)
        note(session, retagged.happened(userid, external_userid, now))


def _change_tags(
    session: Session, follow: Follow, put_on: Collection[str], take_off: Collection[str], now: datetime
) -> None:
    _put_on(session, follow, put_on, now)
    _take_off(session, follow, take_off)
    if put_on or take_off:
        note_tags(session, [follow.id])


def _put_on(session: Session, follow: Follow, tag_ids: Collection[str], now: datetime) -> None:
    if tag_ids:
        live = follow.status == FollowStatus.PRESENT
        session.execute(
            insert_into(session, FollowTag).on_conflict_do_nothing(),
            [
                {"follow_id": follow.id, "tag_no": tag_no, "live": live}
                for tag_no in sorted(ensure_tags(session, tag_ids, now).values())
            ],
        )


def _take_off(session: Session, follow: Follow, tag_ids: Collection[str]) -> None:
    if tag_ids:
        numbers = select(col(Tag.tag_no)).where(col(Tag.tag_id).in_(tag_ids))
        session.execute(
            delete(FollowTag).where(col(FollowTag.follow_id) == follow.id, col(FollowTag.tag_no).in_(numbers))
        )


def note_status(session: Session, follow_ids: Sequence[int | None], status: str) -> None:
    """Let what repeats the status of follows know that it is this one now: their tags (`FollowTag.live`), and whom
    their customers' orders count for."""
    live = status == FollowStatus.PRESENT
    for start in range(0, len(follow_ids), 500):
        session.execute(
            update(FollowTag)
            .where(
                col(FollowTag.follow_id).in_([each for each in follow_ids[start : start + 500] if each is not None]),
                col(FollowTag.live).is_(not live),
            )
            .values(live=live)
        )
    note_standing(session, {each for each in follow_ids if each is not None})


def replace_mobiles(session: Session, numbers: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Make the telephone numbers of follows (id, numbers) exactly these, written as they are compared."""
    if not numbers:
        return
    session.execute(_forget_mobiles(session.get_bind().dialect.name), {"ids": [follow_id for follow_id, _ in numbers]})
    written = {(normalised_mobile(mobile), follow_id) for follow_id, mobiles in numbers for mobile in mobiles if mobile}
    kept = sorted(each for each in written if each[0])
    _NEW_MOBILES.write(session, [(mobile, follow_id, mobile[-MOBILE_ENDING:]) for mobile, follow_id in kept])


@lru_cache
def _forget_mobiles(dialect: str) -> Any:
    table: Any = FollowMobile.__table__  # type: ignore[attr-defined]
    return delete(table).where(among(dialect, table.c.follow_id, "ids"))
