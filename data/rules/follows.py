"""What a reading of WeCom says about a follow, beside what our own row says.

WeCom's lists know two states where ours has five: a follow is listed or it is not. A follow that the customer ended is
listed all the same, and for some seconds after any change a reading may still show the time before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from data.models import FollowStatus

#: Right after an event WeCom's reads may still show the time before it, for some seconds.
READ_LAG = timedelta(seconds=60)
#: Ways of adding that are a hand-over: by an admin, and by the staff members themselves.
INHERITED_WAYS = (201, 202)
ID_MAX = 64


class FollowFacts(NamedTuple):
    """What a follow is, whoever told it; the names are those of the row."""

    status: str = ""
    state: str = ""
    add_way: int | None = None
    remark: str = ""
    description: str = ""
    remark_mobiles: list[str] = []  # noqa: RUF012 - never changed
    oper_userid: str = ""
    inherited: bool = False
    added_at: datetime | None = None
    ended_at: datetime | None = None
    remark_corp_name: str = ""


def read_follow(told: Mapping[str, Any]) -> FollowFacts:
    """A follow as WeCom lists it (`follow_user`, `follow_info`).

    Raises ValueError, TypeError, OSError or OverflowError for a record that WeCom's description does not allow.
    """
    add_way = told.get("add_way")
    return FollowFacts(
        status=FollowStatus.PRESENT.value,
        state=str(told.get("state") or "")[:ID_MAX],
        add_way=None if add_way is None else int(add_way),
        remark=str(told.get("remark") or "")[:128],
        description=str(told.get("description") or "")[:512],
        remark_mobiles=[str(mobile)[:32] for mobile in told.get("remark_mobiles") or ()],
        oper_userid=str(told.get("oper_userid") or "")[:ID_MAX],
        inherited=add_way in INHERITED_WAYS,
        added_at=datetime.fromtimestamp(int(told.get("createtime") or 0), UTC),
        remark_corp_name=str(told.get("remark_corp_name") or "")[:128],
    )


def merge_follow(known: FollowFacts | None, told: FollowFacts, asked_at: datetime) -> FollowFacts:
    """The follow after a reading that began at `asked_at` listed it as `told`.

    One that the customer ended stays ended, and so does one that ended a moment ago; only a newer `createtime` revives
    them. What WeCom forgets stays known: the channel it came through, and that it was inherited.
    """
    if known is None:
        return told
    assert told.added_at is not None
    stays = known.status != FollowStatus.PRESENT and _stays_ended(known, asked_at) and not revives(known, told.added_at)
    return told._replace(
        status=known.status if stays else told.status,
        ended_at=known.ended_at if stays or known.status == FollowStatus.PRESENT else None,
        state=told.state or known.state,
        inherited=known.inherited or told.inherited,
    )


def revives(known: FollowFacts, added_at: datetime) -> bool:
    """Whether the follow was added again after it had ended."""
    return known.ended_at is not None and added_at > known.ended_at


def _stays_ended(known: FollowFacts, asked_at: datetime) -> bool:
    just_ended = known.ended_at is not None and known.ended_at > asked_at - READ_LAG
    return known.status == FollowStatus.DELETED_BY_CUSTOMER or just_ended


def is_revival(before: FollowFacts | None, after: FollowFacts) -> bool:
    """Whether a follow that had ended is one again."""
    return (
        before is not None
        and before.status not in ("", FollowStatus.HALF, FollowStatus.PRESENT)
        and after.status == FollowStatus.PRESENT
    )


def has_come(before: FollowFacts | None, after: FollowFacts) -> bool:
    """Whether the two have become contacts: for the first time that we see, or once more, which has a time of its own.

    A follow that only came back into our sight has not."""
    if after.status != FollowStatus.PRESENT:
        return False
    if before is None or before.status == FollowStatus.HALF:
        return True
    return before.status != FollowStatus.PRESENT and before.added_at != after.added_at


def unlisted_status(status: str, *, in_sight: bool) -> FollowStatus | None:
    """What a follow is that a complete reading does not list; None: what it was.

    `in_sight`: the staff member is there and has the customer-contact feature. Of one who is not, WeCom tells nothing:
    that the customer had deleted them stays known, for WeCom will list the follow again when they are back.
    """
    if in_sight and status in (FollowStatus.PRESENT, FollowStatus.DELETED_BY_CUSTOMER):
        return FollowStatus.DELETED_BY_STAFF
    if not in_sight and status == FollowStatus.PRESENT:
        return FollowStatus.OUT_OF_SIGHT
    return None


class ContactFacts(NamedTuple):
    """What a customer is; the names are those of the row."""

    name: str
    avatar: str
    type: int
    gender: int
    unionid: str
    corp_name: str
    position: str


def read_contact(told: Mapping[str, Any]) -> ContactFacts:
    """A customer as `external_contact` tells. Raises ValueError or TypeError for a record that cannot be."""
    return ContactFacts(
        name=str(told.get("name") or "")[:256],
        avatar=str(told.get("avatar") or "")[:512],
        type=int(told.get("type") or 0),
        gender=int(told.get("gender") or 0),
        unionid=str(told.get("unionid") or "")[:ID_MAX],
        corp_name=str(told.get("corp_name") or "")[:256],
        position=str(told.get("position") or "")[:128],
    )


def read_tag_ids(told: Mapping[str, Any]) -> set[str]:
    """The company's tags on a follow: `tags` of `follow_user`, `tag_id` of `follow_info`.

    Personal tags have no id: they are the staff member's own and not for us.
    """
    if "tag_id" in told:
        return {str(tag_id) for tag_id in told["tag_id"] or ()}
    return {str(tag["tag_id"]) for tag in told.get("tags") or () if tag.get("tag_id")}
