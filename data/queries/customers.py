"""Customers and follows: what events and fetches tell about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, exists, func, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import NotFoundError
from data.models import Customer, Follow, FollowStatus, Staff
from data.queries.erasures import refuse_erased
from data.queries.follow_facts import Facts, note_facts
from data.queries.follow_tags import note_status, replace_mobiles, replace_tags
from data.queries.follow_words import note_words
from data.queries.happenings import note, note_lost
from data.queries.upsert import insert_into
from data.rules.follows import (
    READ_LAG,
    ContactFacts,
    FollowFacts,
    has_come,
    is_revival,
    merge_follow,
    read_contact,
    read_follow,
    read_tag_ids,
    unlisted_status,
)
from data.rules.happenings import ADDED, TAKEN_OVER, Happened

#: Relations in which the staff member still sees the customer.
CONTACTS = (FollowStatus.PRESENT, FollowStatus.HALF)

_PAIR = select(Follow).where(
    col(Follow.userid) == bindparam("userid"), col(Follow.external_userid) == bindparam("external_userid")
)


@dataclass(frozen=True, slots=True)
class AddRecord:
    """What an add changed. `came_back`: the pair had been contacts before."""

    is_new: bool
    came_back: bool
    stale: bool = False


def lock_customer(session: Session, external_userid: str, now: datetime) -> Customer:
    """The customer's row, made if there is none, known by id alone; locked until the transaction ends.

    Everything that writes a customer or a follow comes through here first, so that two replicas never both find a
    follow missing and both write it. Raises ErasedError.
    """
    refuse_erased(session, external_userid)
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
    customer = lock_customer(session, external_userid, now)
    status = FollowStatus.HALF if half else FollowStatus.PRESENT
    follow = _lock_follow(session, userid, external_userid)
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
        note_facts(session, [external_userid])
        _note_name(session, customer)
        if not half:
            _note_added(session, userid, external_userid, event_at or now)
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
    has_become = follow.status != FollowStatus.PRESENT and not half
    follow.status = status
    follow.state = state or ("" if came_back else follow.state)
    follow.inherited = inherited
    if came_back or follow.added_at is None:
        follow.added_at = event_at or now
        note_facts(session, [external_userid], Facts.COLLEAGUES)
    follow.ended_at = None
    follow.event_at = event_at or follow.event_at
    follow.changed_at = now
    note_status(session, [follow.id], follow.status)
    if has_become:
        _note_added(session, userid, external_userid, event_at or now)
    return AddRecord(is_new=came_back, came_back=came_back)


def _note_name(session: Session, customer: Customer) -> None:
    """A follow was made of a customer who may have a name already; one who was made with it has none yet."""
    if any(_names(customer)):
        note_words(session, [customer.external_userid])


def _note_added(session: Session, userid: str, external_userid: str, at: datetime) -> None:
    note(session, [Happened(ADDED, external_userid, at, userid=userid)])


def record_end(
    session: Session,
    userid: str,
    external_userid: str,
    status: FollowStatus,
    *,
    event_at: datetime | None,
    now: datetime,
    handed_over: bool = False,
) -> bool:
    """The pair are contacts no more. False when another event told that already, or a newer one says otherwise.

    `handed_over`: a colleague is taking the customer over, who is lost only if nobody does.
    """
    customer = lock_customer(session, external_userid, now)
    follow = _lock_follow(session, userid, external_userid)
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
        note_facts(session, [external_userid])
        _note_name(session, customer)
        return True
    if event_at and follow.event_at and event_at < follow.event_at:
        return False
    if follow.status == status and follow.ended_at == follow.event_at != event_at:
        return False
    # New, or found by a fetch before its event came, or this very event once more after a crash.
    was_present = follow.status == FollowStatus.PRESENT
    follow.status = status
    follow.event_at = event_at or follow.event_at
    follow.ended_at = event_at or now
    follow.changed_at = now
    note_status(session, [follow.id], status)
    if was_present:
        note_lost(session, [external_userid], (event_at or now) + (TAKEN_OVER if handed_over else timedelta()))
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
    customer = lock_customer(session, external_userid, now)
    card, names = (customer.gender, customer.type), _names(customer)
    _write(customer, read_contact(contact))
    customer.fetched_at = now
    renamed = names != _names(customer)
    known = {
        follow.userid: follow
        for follow in session.execute(
            select(Follow).where(col(Follow.external_userid) == external_userid).with_for_update()
        ).scalars()
    }
    revived = kept = 0
    others_order = False
    happened: list[Happened] = []
    for told in follow_user:
        userid = str(told["userid"])
        follow = known.get(userid)
        if follow is not None and follow.changed_at > asked_at:
            kept += 1
            continue
        before = None if follow is None else FollowFacts(*(getattr(follow, name) for name in FollowFacts._fields))
        after = merge_follow(before, read_follow(told), asked_at)
        if follow is None:
            follow = Follow(userid=userid, external_userid=external_userid, status="", changed_at=now)
            session.add(follow)
        others_order |= before is None or before.added_at != after.added_at
        renamed |= before is None or _remarks(before) != _remarks(after)
        _write(follow, after)
        follow.changed_at = now
        revived += is_revival(before, after)
        retagged = replace_tags(session, follow, read_tag_ids(told), now)
        if has_come(before, after):
            happened.append(Happened(ADDED, external_userid, after.added_at or now, userid=userid))
        if after.status == FollowStatus.PRESENT:
            # With a contact that is new to us come the tags that it was given since.
            since = now if before is not None else after.added_at or now
            happened += retagged.happened(userid, external_userid, since)
        note_status(session, [follow.id], follow.status)
        if (before.remark_mobiles if before else []) != after.remark_mobiles:
            replace_mobiles(session, [(follow.id or 0, after.remark_mobiles)])
    listed = {str(told["userid"]) for told in follow_user}
    changed = [Facts.CARD] if card != (customer.gender, customer.type) else []
    changed += [Facts.COLLEAGUES] if others_order else []
    if listed - known.keys():
        note_facts(session, [external_userid])
    elif changed:
        note_facts(session, [external_userid], *changed)
    if renamed:
        note_words(session, [external_userid])
    note(session, happened)
    ended = _end_unlisted(session, [follow for userid, follow in known.items() if userid not in listed], asked_at, now)
    return FetchResult(len(follow_user), revived, ended, kept)


def _names(customer: Customer) -> tuple[str, str, str]:
    return customer.name, customer.corp_name, customer.unionid


def _remarks(facts: FollowFacts) -> tuple[str, str]:
    return facts.remark, facts.remark_corp_name


def _write(row: Customer | Follow, facts: ContactFacts | FollowFacts) -> None:
    for name, value in facts._asdict().items():
        setattr(row, name, value)


def _end_unlisted(session: Session, follows: Sequence[Follow], asked_at: datetime, now: datetime) -> int:
    """Follows that WeCom lists no more: the staff member deleted the customer, or is out of our sight.

    One that changed a moment ago stays: WeCom's reads lag behind its events.
    """
    ended, left = [], set[str]()
    for follow in follows:
        if follow.changed_at > asked_at - READ_LAG:
            continue
        staff = session.get(Staff, follow.userid)
        in_sight = staff is not None and staff.gone_at is None and staff.follows_customers
        status = unlisted_status(follow.status, in_sight=in_sight)
        if status is not None:
            if follow.status == FollowStatus.PRESENT:
                left.add(follow.external_userid)
            follow.status = status
            follow.ended_at = now
            follow.changed_at = now
            ended.append(follow.id)
    note_status(session, ended, "")
    # Why it ended is not known: a colleague may be taking over.
    note_lost(session, left, now + TAKEN_OVER)
    return len(ended)


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
    return session.execute(_PAIR, {"userid": userid, "external_userid": external_userid}).scalar_one_or_none()


def get_contact(session: Session, userid: str, external_userid: str) -> Follow:
    """The same where the two are contacts. Raises NotFoundError."""
    found = find_follow(session, userid, external_userid)
    if found is None or found.status not in CONTACTS:
        raise NotFoundError(Phrase("成员 %(userid)s 没有这位好友。", userid=userid), Phrase("请核对成员和客户。"))
    return found


def record_remark(
    session: Session,
    userid: str,
    external_userid: str,
    remark: str,
    description: str,
    mobiles: Sequence[str],
    now: datetime,
) -> None:
    """WeCom has taken what the staff member notes about the customer."""
    lock_customer(session, external_userid, now)
    follow = _lock_follow(session, userid, external_userid)
    if follow is None:
        return
    renamed = follow.remark != remark
    follow.remark, follow.description, follow.changed_at = remark, description, now
    if renamed:
        note_words(session, [external_userid])
    if follow.remark_mobiles != list(mobiles):
        follow.remark_mobiles = list(mobiles)
        replace_mobiles(session, [(follow.id or 0, follow.remark_mobiles)])


def map_follows(session: Session, follow_ids: Collection[int]) -> dict[int, str]:
    """The customers of some follows."""
    query = select(col(Follow.id), col(Follow.external_userid)).where(col(Follow.id).in_(follow_ids))
    return {row[0]: row[1] for row in session.execute(query)} if follow_ids else {}


def _lock_follow(session: Session, userid: str, external_userid: str) -> Follow | None:
    return session.execute(
        _PAIR.with_for_update(), {"userid": userid, "external_userid": external_userid}
    ).scalar_one_or_none()


def find_last_follow_id(session: Session) -> int:
    """The largest number of a follow; 0 without any."""
    return int(session.execute(select(func.max(col(Follow.id)))).scalar() or 0)


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
