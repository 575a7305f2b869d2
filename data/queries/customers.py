"""Customers and follows: what events and fetches tell about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, exists, select, update
from sqlmodel import Session, col

from data.models import Customer, Follow, FollowStatus, FollowTag, Staff
from data.queries.upsert import insert_into

#: Relations in which the staff member still sees the customer.
CONTACTS = (FollowStatus.PRESENT, FollowStatus.HALF)
#: Right after an event WeCom's reads may still show the time before it, for some seconds.
READ_LAG = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class AddRecord:
    """What an add changed. `came_back`: the pair had been contacts before."""

    is_new: bool
    came_back: bool
    stale: bool = False


def lock_customer(session: Session, external_userid: str, now: datetime) -> Customer:
    """The customer's row, made if there is none, known by id alone; locked until the transaction ends.

    Everything that writes a customer or a follow comes through here first, so that two replicas never both find a
    follow missing and both write it.
    """
    session.execute(
        insert_into(session, Customer)
        .values(
            external_userid=external_userid,
            name="",
            avatar="",
            type=0,
            gender=0,
            unionid="",
            corp_name="",
            position="",
            first_seen_at=now,
        )
        .on_conflict_do_nothing(index_elements=["external_userid"])
    )
    return session.get_one(Customer, external_userid, with_for_update=True)


def record_add(
    session: Session,
    userid: str,
    external_userid: str,
    *,
    state: str,
    half: bool,
    inherited: bool,
    event_at: datetime | None,
    now: datetime,
) -> AddRecord:
    """A customer added a staff member, or they became contacts. An older event that comes late changes nothing."""
    lock_customer(session, external_userid, now)
    status = FollowStatus.HALF if half else FollowStatus.PRESENT
    follow = session.get(Follow, (userid, external_userid), with_for_update=True)
    if follow is None:
        session.add(
            Follow(
                userid=userid,
                external_userid=external_userid,
                status=status,
                state=state,
                inherited=inherited,
                added_at=event_at or now,
                event_at=event_at,
                changed_at=now,
            )
        )
        return AddRecord(is_new=True, came_back=False)
    late = bool(event_at and follow.event_at and event_at < follow.event_at)
    confirmed = (
        half
        and follow.status == FollowStatus.PRESENT
        and not (event_at and follow.event_at and event_at > follow.event_at)
    )
    if late or confirmed:
        # A half-add that comes after its confirmation still tells the channel.
        follow.state = follow.state or state
        return AddRecord(is_new=False, came_back=False, stale=True)
    came_back = follow.status not in CONTACTS
    follow.status = status
    follow.state = state or ("" if came_back else follow.state)
    follow.inherited = inherited
    if came_back or follow.added_at is None:
        follow.added_at = event_at or now
    follow.ended_at = None
    follow.event_at = event_at or follow.event_at
    follow.changed_at = now
    return AddRecord(is_new=came_back, came_back=came_back)


def record_end(
    session: Session,
    userid: str,
    external_userid: str,
    status: FollowStatus,
    *,
    event_at: datetime | None,
    now: datetime,
) -> bool:
    """The pair are contacts no more. False when another event told that already, or a newer one says otherwise."""
    lock_customer(session, external_userid, now)
    follow = session.get(Follow, (userid, external_userid), with_for_update=True)
    if follow is None:
        session.add(
            Follow(
                userid=userid,
                external_userid=external_userid,
                status=status,
                ended_at=event_at or now,
                event_at=event_at,
                changed_at=now,
            )
        )
        return True
    if event_at and follow.event_at and event_at < follow.event_at:
        return False
    if follow.status == status and follow.ended_at == follow.event_at != event_at:
        return False
    # New, or found by a fetch before its event came, or this very event once more after a crash.
    follow.status = status
    follow.event_at = event_at or follow.event_at
    follow.ended_at = event_at or now
    follow.changed_at = now
    return True


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What a fetch changed: follows written, revived and found to have ended."""

    follows: int = 0
    revived: int = 0
    ended: int = 0
    kept: int = 0


def apply_fetched(
    session: Session,
    contact: Mapping[str, Any],
    follow_user: Sequence[Mapping[str, Any]],
    *,
    asked_at: datetime,
    now: datetime,
) -> FetchResult:
    """Write what `externalcontact/get` answered (all pages) to a request made at `asked_at`.

    A row that changed after the request began is newer than the answer and stays. A follow that the customer ended
    stays ended although WeCom lists it, and so does one that ended a moment ago, because WeCom's reads lag behind its
    events; only a newer `createtime` revives them.
    """
    external_userid = str(contact["external_userid"])
    _write_customer(session, external_userid, contact, now)
    known = {
        follow.userid: follow
        for follow in session.execute(
            select(Follow).where(col(Follow.external_userid) == external_userid).with_for_update()
        ).scalars()
    }
    revived = kept = 0
    for told in follow_user:
        follow = known.get(str(told["userid"]))
        if follow is not None and follow.changed_at > asked_at:
            kept += 1
            continue
        added_at = datetime.fromtimestamp(int(told.get("createtime") or 0), UTC)
        if follow is None:
            follow = Follow(
                userid=str(told["userid"]),
                external_userid=external_userid,
                status="",
                added_at=added_at,
                changed_at=now,
            )
            session.add(follow)
        revived += _write_follow(follow, told, added_at, asked_at, now)
        _write_tags(session, follow, told, now)
    listed = {str(told["userid"]) for told in follow_user}
    ended = _end_unlisted(session, [follow for userid, follow in known.items() if userid not in listed], asked_at, now)
    return FetchResult(len(follow_user), revived, ended, kept)


def _write_customer(session: Session, external_userid: str, contact: Mapping[str, Any], now: datetime) -> None:
    customer = lock_customer(session, external_userid, now)
    customer.name = str(contact.get("name") or "")[:256]
    customer.avatar = str(contact.get("avatar") or "")[:512]
    customer.type = int(contact.get("type") or 0)
    customer.gender = int(contact.get("gender") or 0)
    customer.unionid = str(contact.get("unionid") or "")[:64]
    customer.corp_name = str(contact.get("corp_name") or "")[:256]
    customer.position = str(contact.get("position") or "")[:128]
    customer.fetched_at = now


def _write_follow(
    follow: Follow, told: Mapping[str, Any], added_at: datetime, asked_at: datetime, now: datetime
) -> bool:
    revived = False
    just_ended = follow.ended_at is not None and follow.ended_at > asked_at - READ_LAG
    stays_ended = follow.status == FollowStatus.DELETED_BY_CUSTOMER or just_ended
    newer = follow.ended_at is not None and added_at > follow.ended_at
    if follow.status != FollowStatus.PRESENT and (newer or not stays_ended):
        revived = follow.status not in ("", FollowStatus.HALF)
        follow.status = FollowStatus.PRESENT
        follow.ended_at = None
    follow.added_at = added_at
    follow.remark = str(told.get("remark") or "")[:128]
    follow.description = str(told.get("description") or "")[:512]
    follow.remark_mobiles = [str(mobile)[:32] for mobile in told.get("remark_mobiles") or []]
    follow.add_way = None if told.get("add_way") is None else int(told["add_way"])
    follow.state = str(told.get("state") or follow.state)[:64]
    follow.oper_userid = str(told.get("oper_userid") or "")[:64]
    follow.inherited = follow.inherited or follow.add_way in (201, 202)
    follow.changed_at = now
    return revived


def _write_tags(session: Session, follow: Follow, told: Mapping[str, Any], now: datetime) -> None:
    # Personal tags have no id: they are the staff member's own and not for us.
    wanted = {str(tag["tag_id"]) for tag in told.get("tags") or [] if tag.get("tag_id")}
    replace_tags(session, follow.userid, follow.external_userid, wanted, now)


def replace_tags(session: Session, userid: str, external_userid: str, tag_ids: set[str], now: datetime) -> None:
    """Make the tags of a pair exactly these."""
    present = set(list_tag_ids(session, userid, external_userid))
    change_tags(session, userid, external_userid, tag_ids - present, present - tag_ids, now)


def change_tags(
    session: Session, userid: str, external_userid: str, put_on: set[str], take_off: set[str], now: datetime
) -> None:
    """Put tags on a pair and take others off, in our rows."""
    if not put_on and not take_off:
        return
    # A fetch that began before this knows nothing of it.
    session.execute(
        update(Follow)
        .where(col(Follow.userid) == userid, col(Follow.external_userid) == external_userid)
        .values(changed_at=now)
    )
    if put_on:
        session.execute(
            insert_into(session, FollowTag).on_conflict_do_nothing(),
            [
                {"userid": userid, "external_userid": external_userid, "tag_id": tag_id, "put_on_at": now}
                for tag_id in sorted(put_on)
            ],
        )
    if take_off:
        session.execute(
            delete(FollowTag).where(
                col(FollowTag.userid) == userid,
                col(FollowTag.external_userid) == external_userid,
                col(FollowTag.tag_id).in_(take_off),
            )
        )


def list_tag_ids(session: Session, userid: str, external_userid: str) -> list[str]:
    """The tags on a pair."""
    return list(
        session.execute(
            select(col(FollowTag.tag_id)).where(
                col(FollowTag.userid) == userid, col(FollowTag.external_userid) == external_userid
            )
        ).scalars()
    )


def _end_unlisted(session: Session, follows: Sequence[Follow], asked_at: datetime, now: datetime) -> int:
    """Follows that WeCom lists no more: the staff member deleted the customer, or is out of our sight.

    One that changed a moment ago stays: WeCom's reads lag behind its events.
    """
    ended = 0
    for follow in follows:
        if follow.changed_at > asked_at - READ_LAG or follow.status not in (
            FollowStatus.PRESENT,
            FollowStatus.DELETED_BY_CUSTOMER,
        ):
            continue
        staff = session.get(Staff, follow.userid)
        seen = staff is not None and staff.gone_at is None and staff.follows_customers
        follow.status = FollowStatus.DELETED_BY_STAFF if seen else FollowStatus.OUT_OF_SIGHT
        follow.ended_at = now
        follow.changed_at = now
        ended += 1
    return ended


def record_nobody_follows(session: Session, external_userid: str, *, asked_at: datetime, now: datetime) -> int:
    """WeCom says that nobody in sight follows the customer (84061): every follow that we thought present has ended."""
    lock_customer(session, external_userid, now)
    follows = session.execute(select(Follow).where(col(Follow.external_userid) == external_userid)).scalars().all()
    return _end_unlisted(session, follows, asked_at, now)


def find_customer(session: Session, external_userid: str) -> Customer | None:
    """The customer, if known."""
    return session.get(Customer, external_userid)


def find_follow(session: Session, userid: str, external_userid: str) -> Follow | None:
    """The relation of a staff member and a customer, whatever its state."""
    return session.get(Follow, (userid, external_userid))


def list_follows(session: Session, external_userid: str) -> list[Follow]:
    """All relations of a customer."""
    return list(
        session.execute(
            select(Follow).where(col(Follow.external_userid) == external_userid).order_by(col(Follow.added_at))
        ).scalars()
    )


_COLLEAGUE_FOLLOWS = select(
    exists().where(
        col(Follow.external_userid) == bindparam("external_userid"), col(Follow.userid) != bindparam("userid")
    )
)


def is_followed_by_colleague(session: Session, userid: str, external_userid: str) -> bool:
    """Whether another staff member has, or had, the customer as a contact."""
    given = {"userid": userid, "external_userid": external_userid}
    return bool(session.execute(_COLLEAGUE_FOLLOWS, given).scalar_one())
