"""What the pages of a sync change: customers, follows and tags, many at a time, and nothing that is already so.

A page is compared with our rows first. Only what differs is locked, read again and written, so that a sync of a
company that did not change writes nothing, and one beside a storm of events holds no lock for longer than it must.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, text, update
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.models import Customer, Follow, FollowStatus, FollowTag, Staff
from data.queries.follow_tags import note_status, replace_mobiles
from data.rules.follows import (
    ID_MAX,
    READ_LAG,
    ContactFacts,
    FollowFacts,
    is_revival,
    merge_follow,
    read_contact,
    read_follow,
    read_tag_ids,
    unlisted_status,
)

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]

_IDS: Any = bindparam("ids", expanding=True)
_CUSTOMERS = select(C.c.external_userid, C.c.fetched_at, *[C.c[name] for name in ContactFacts._fields]).where(
    C.c.external_userid.in_(_IDS)
)
_LOCKED = select(C.c.external_userid).where(C.c.external_userid.in_(_IDS)).order_by(C.c.external_userid)
_FOLLOWS = select(F.c.external_userid, F.c.id, F.c.changed_at, *[F.c[name] for name in FollowFacts._fields]).where(
    F.c.userid == bindparam("userid"), F.c.external_userid.in_(_IDS)
)
_FOLLOW_IDS = select(F.c.external_userid, F.c.id).where(
    F.c.userid == bindparam("userid"), F.c.external_userid.in_(_IDS)
)
_TAGS = select(FT.c.follow_id, FT.c.tag_no).where(FT.c.follow_id.in_(_IDS))
_PLAN_EACH_TIME = text("SET LOCAL plan_cache_mode = force_custom_plan")
_TAKE_OFF = delete(FT).where(FT.c.follow_id == bindparam("whose"), FT.c.tag_no == bindparam("which"))
_CUSTOMER_COLUMNS = ("external_userid", *ContactFacts._fields, "first_seen_at", "fetched_at")
_NEW_CUSTOMERS = BulkUpsert(Customer, _CUSTOMER_COLUMNS, keep=(*ContactFacts._fields, "first_seen_at", "fetched_at"))
_WRITE_CUSTOMERS = BulkUpsert(Customer, _CUSTOMER_COLUMNS, keep=("first_seen_at",))
_WRITE_FOLLOWS = BulkUpsert(
    Follow, ("userid", "external_userid", *FollowFacts._fields, "changed_at"), key=("userid", "external_userid")
)
_PUT_ON = BulkUpsert(FollowTag, ("follow_id", "tag_no", "live"))


class Listed(NamedTuple):
    """One record of a page that can be used."""

    external_userid: str
    contact: ContactFacts
    follow: FollowFacts
    tag_ids: set[str]


@dataclass(slots=True)
class PageChanges:
    """What a page changed, in numbers of records; `kept` are follows that changed while the page was under way."""

    customers_new: int = 0
    customers_changed: int = 0
    follows_new: int = 0
    follows_changed: int = 0
    follows_revived: int = 0
    tags_put_on: int = 0
    tags_taken_off: int = 0
    kept: int = 0

    def counts(self) -> dict[str, int]:
        """Those that are not zero."""
        return {name: number for name in self.__slots__ if (number := getattr(self, name))}


class _Known(NamedTuple):
    """A follow as our row has it."""

    id: int
    changed_at: datetime
    facts: FollowFacts


@dataclass(slots=True)
class _Differences:
    """`tags`: what is put on, by the customer whose follow may not have an id yet."""

    customers: list[tuple[Any, ...]] = field(default_factory=list)
    follows: list[tuple[Any, ...]] = field(default_factory=list)
    follow_ids: dict[str, int] = field(default_factory=dict)
    tags: dict[str, set[int]] = field(default_factory=dict)
    take_off: list[dict[str, int]] = field(default_factory=list)
    mobiles: dict[str, list[str]] = field(default_factory=dict)
    status: dict[str, list[int]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    changes: PageChanges = field(default_factory=PageChanges)


def read_page(rows: Sequence[Mapping[str, Any]]) -> tuple[list[Listed], list[str]]:
    """The records of a page, and what is wrong with those that cannot be used (their ids, nothing else of them)."""
    listed: dict[str, Listed] = {}
    problems = []
    for row in rows:
        external_userid = ""
        try:
            contact, told = row["external_contact"], row["follow_info"]
            external_userid = str(contact["external_userid"])
            if not 0 < len(external_userid) <= ID_MAX:
                raise ValueError("its external_userid has no usable length")
            tag_ids = {tag_id for tag_id in read_tag_ids(told) if 0 < len(tag_id) <= ID_MAX}
            listed[external_userid] = Listed(external_userid, read_contact(contact), read_follow(told), tag_ids)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            problems.append(f"{external_userid[:ID_MAX] or 'a record without an id'}: {type(error).__name__}")
    return list(listed.values()), problems


def differs(
    session: Session,
    userid: str,
    page: Sequence[Listed],
    tag_nos: Mapping[str, int],
    *,
    asked_at: datetime,
    now: datetime,
) -> bool:
    """Whether `apply_page` would change anything."""
    return bool(_compare(session, userid, page, tag_nos, asked_at, now).touched)


def apply_page(
    session: Session,
    userid: str,
    page: Sequence[Listed],
    tag_nos: Mapping[str, int],
    *,
    asked_at: datetime,
    now: datetime,
) -> dict[str, int]:
    """Make our rows what a page of `batch/get_by_user` told of a member, to a request made at `asked_at`.

    `tag_nos`: the numbers of all tags on the page (`follow_tags.ensure_tags`). What was changed, in numbers.
    """
    new = 0
    if session.get_bind().dialect.name == "postgresql":
        page = sorted(page, key=lambda record: record.external_userid)  # two pages lock in the same order
        new = _NEW_CUSTOMERS.write(session, [(each.external_userid, *each.contact, now, now) for each in page])
        # The lock of the customer's row is what all who write a follow take first (`customers.lock_customer`).
        session.execute(_LOCKED.with_for_update(), {"ids": [each.external_userid for each in page]})
    found = _compare(session, userid, page, tag_nos, asked_at, now)
    found.changes.customers_new += new
    _WRITE_CUSTOMERS.write(session, found.customers)
    _WRITE_FOLLOWS.write(session, found.follows)
    _write_tags(session, userid, found)
    replace_mobiles(session, [(found.follow_ids[whom], mobiles) for whom, mobiles in found.mobiles.items()])
    for status, follow_ids in found.status.items():
        note_status(session, follow_ids, status)
    return found.changes.counts()


def _write_tags(session: Session, userid: str, found: _Differences) -> None:
    wanted = found.tags.keys() | found.mobiles.keys()
    unknown = [whom for whom in wanted if whom not in found.follow_ids]
    if unknown:
        found.follow_ids |= dict(session.execute(_FOLLOW_IDS, {"userid": userid, "ids": unknown}).all())
    live = {whom: status == FollowStatus.PRESENT for _, whom, status, *_ in found.follows}
    _PUT_ON.write(
        session,
        sorted(
            (found.follow_ids[whom], tag_no, live[whom]) for whom, tag_nos in found.tags.items() for tag_no in tag_nos
        ),
    )
    if found.take_off:
        session.execute(_TAKE_OFF, found.take_off)


def _compare(
    session: Session,
    userid: str,
    page: Sequence[Listed],
    tag_nos: Mapping[str, int],
    asked_at: datetime,
    now: datetime,
) -> _Differences:
    if session.get_bind().dialect.name == "postgresql":
        # A plan made for the empty tables of a first sync would be kept, and read them from end to end as they grow.
        session.execute(_PLAN_EACH_TIME)
    ids = [record.external_userid for record in page]
    customers = {row[0]: (row[1], ContactFacts(*row[2:])) for row in session.execute(_CUSTOMERS, {"ids": ids})}
    follows = {
        row[0]: _Known(row[1], row[2], FollowFacts(*row[3:]))
        for row in session.execute(_FOLLOWS, {"userid": userid, "ids": ids})
    }
    tags: dict[int, set[int]] = {}
    if follows:
        for follow_id, tag_no in session.execute(_TAGS, {"ids": [follow.id for follow in follows.values()]}):
            tags.setdefault(follow_id, set()).add(tag_no)
    found = _Differences()
    for record in page:
        _compare_customer(found, record, customers.get(record.external_userid), asked_at, now)
        known = follows.get(record.external_userid)
        if known is None:
            _compare_follow(found, userid, record, None, set(), tag_nos, asked_at, now)
        elif known.changed_at > asked_at:
            found.changes.kept += 1
        else:
            _compare_follow(found, userid, record, known, tags.get(known.id, set()), tag_nos, asked_at, now)
    return found


def _compare_customer(
    found: _Differences,
    record: Listed,
    known: tuple[datetime | None, ContactFacts] | None,
    asked_at: datetime,
    now: datetime,
) -> None:
    if known is None:
        found.changes.customers_new += 1
    else:
        fetched_at, contact = known
        if contact == record.contact or (fetched_at is not None and fetched_at > asked_at):
            return
        found.changes.customers_changed += 1
    found.touched.add(record.external_userid)
    found.customers.append((record.external_userid, *record.contact, now, now))


def _compare_follow(
    found: _Differences,
    userid: str,
    record: Listed,
    known: _Known | None,
    has: set[int],
    tag_nos: Mapping[str, int],
    asked_at: datetime,
    now: datetime,
) -> None:
    before = known.facts if known else None
    after = merge_follow(before, record.follow, asked_at)
    wanted = {tag_nos[tag_id] for tag_id in record.tag_ids}
    put_on, take_off = wanted - has, has - wanted
    if before == after and not put_on and not take_off:
        return
    external_userid = record.external_userid
    found.touched.add(external_userid)
    found.follows.append((userid, external_userid, *after, now))
    if put_on:
        found.tags[external_userid] = put_on
    if (before.remark_mobiles if before else []) != after.remark_mobiles:
        found.mobiles[external_userid] = after.remark_mobiles
    changes = found.changes
    changes.tags_put_on += len(put_on)
    changes.tags_taken_off += len(take_off)
    if known is None:
        changes.follows_new += 1
        return
    found.follow_ids[external_userid] = known.id
    found.take_off += [{"whose": known.id, "which": tag_no} for tag_no in take_off]
    if known.facts.status != after.status:
        found.status.setdefault(after.status, []).append(known.id)
    if is_revival(before, after):
        changes.follows_revived += 1
    elif before != after:
        changes.follows_changed += 1


def list_present(session: Session, userid: str, until: datetime) -> list[str]:
    """The customers whom we think WeCom lists for a member, and thought so for a while before `until`."""
    rows = session.execute(
        select(F.c.external_userid).where(
            F.c.userid == userid,
            F.c.status.in_([FollowStatus.PRESENT, FollowStatus.DELETED_BY_CUSTOMER]),
            F.c.changed_at <= until - READ_LAG,
        )
    )
    return list(rows.scalars())


def end_unlisted(
    session: Session, userid: str, external_userids: Sequence[str], *, asked_at: datetime, now: datetime
) -> int:
    """WeCom lists these customers no more for a member, to a request made at `asked_at`; how many follows ended."""
    staff = session.get(Staff, userid)
    in_sight = staff is not None and staff.gone_at is None and staff.follows_customers
    ended = 0
    for status in (FollowStatus.PRESENT, FollowStatus.DELETED_BY_CUSTOMER):
        after = unlisted_status(status, in_sight=in_sight)
        if after is None:
            continue
        for start in range(0, len(external_userids), 500):
            some = sorted(external_userids)[start : start + 500]
            changed = session.execute(
                update(F)
                .where(
                    F.c.userid == userid,
                    F.c.external_userid.in_(some),
                    F.c.status == status,
                    F.c.changed_at <= asked_at - READ_LAG,
                )
                .values(status=after, ended_at=now, changed_at=now)
                .returning(F.c.id)
            )
            ids = list(changed.scalars())
            note_status(session, ids, after)
            ended += len(ids)
    return ended


def list_members_out_of_sight(session: Session) -> list[str]:
    """Members with customers whom we think present, but whom WeCom does not show us any more."""
    present = select(F.c.userid).where(F.c.status == FollowStatus.PRESENT).distinct()
    seen = select(col(Staff.userid)).where(col(Staff.gone_at).is_(None), col(Staff.follows_customers))
    return sorted(set(session.execute(present).scalars()) - set(session.execute(seen).scalars()))
