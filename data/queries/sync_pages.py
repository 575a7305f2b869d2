"""What the pages of a sync change: customers, follows and tags, many at a time, and nothing that is already so.

Pages are compared with our rows first. Only what differs is locked, read again and written, so that a sync of a
company that did not change writes nothing, and one beside a storm of events holds no lock for longer than it must.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from data.bulk import BulkUpsert, among, copy_on_postgres, take_numbers
from data.models import Customer, Follow, FollowStatus, FollowTag
from data.queries.erasures import list_erased
from data.queries.follow_facts import Facts, note_facts, note_new_follows, note_tags, tag_list_of
from data.queries.follow_tags import note_status, replace_mobiles
from data.queries.follow_words import Names, note_words, write_new
from data.queries.sync_happenings import note_changes
from data.rules.follows import (
    ID_MAX,
    ContactFacts,
    FollowFacts,
    has_come,
    is_revival,
    merge_follow,
    read_contact,
    read_follow,
    read_tag_ids,
)

Pair = tuple[str, str]

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]

PRESENT = FollowStatus.PRESENT.value
#: Where a card tells what a follow repeats of it.
_CARD = (ContactFacts._fields.index("gender"), ContactFacts._fields.index("type"))
#: Of either, what customers are found by.
_NAMED_BY_CARD = tuple(ContactFacts._fields.index(name) for name in ("name", "corp_name", "unionid"))
_NAMED_BY_FOLLOW = tuple(FollowFacts._fields.index(name) for name in ("remark", "remark_corp_name"))
_BY_INDEX = text("SET LOCAL enable_seqscan = off")
_TAKE_OFF = delete(FT).where(FT.c.follow_id == bindparam("whose"), FT.c.tag_no == bindparam("which"))
_CUSTOMER_COLUMNS = ("external_userid", *ContactFacts._fields, "first_seen_at", "fetched_at")
_NEW_CUSTOMERS = BulkUpsert(
    Customer,
    _CUSTOMER_COLUMNS,
    keep=(*ContactFacts._fields, "first_seen_at", "fetched_at"),
    returning=("external_userid",),
)
_WRITE_CUSTOMERS = BulkUpsert(Customer, _CUSTOMER_COLUMNS, keep=("first_seen_at",))
_FOLLOW_COLUMNS = (
    "userid", "external_userid", *FollowFacts._fields, "changed_at", "tag_list", "gender", "contact_type",
)  # fmt: skip
_TAG_COLUMNS = ("follow_id", "tag_no", "live")
_WRITE_FOLLOWS = BulkUpsert(
    Follow,
    _FOLLOW_COLUMNS,
    key=("userid", "external_userid"),
    keep=("tag_list", "gender", "contact_type"),  # of follows that are known, these are noted apart
    returning=("userid", "external_userid", "id"),
)
_PUT_ON = BulkUpsert(FollowTag, _TAG_COLUMNS)


class Listed(NamedTuple):
    """A follow that a page lists, to a request made at `asked_at`."""

    userid: str
    external_userid: str
    contact: ContactFacts
    follow: FollowFacts
    tag_ids: set[str]
    asked_at: datetime

    @property
    def pair(self) -> Pair:
        return self.userid, self.external_userid


@dataclass(slots=True)
class PageChanges:
    """What was changed for one member, in numbers; `kept` are follows that changed while their page was under way."""

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
    tag_nos: set[int]


@dataclass(slots=True)
class _Differences:
    """What is to be written. `added` are follows without a row yet; `put_on` and `mobiles` are of pairs, for some of
    them have no number yet.
    """

    customers: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    follows: list[tuple[Any, ...]] = field(default_factory=list)
    added: list[tuple[Any, ...]] = field(default_factory=list)
    put_on: list[tuple[Pair, int, bool]] = field(default_factory=list)
    take_off: list[dict[str, int]] = field(default_factory=list)
    taken_off: list[tuple[Pair, int, bool]] = field(default_factory=list)
    mobiles: dict[Pair, list[str]] = field(default_factory=dict)
    status: dict[str, list[int]] = field(default_factory=dict)
    retagged: list[int] = field(default_factory=list)
    #: Pairs that have become contacts again, or were confirmed, and when.
    came: list[tuple[Pair, datetime]] = field(default_factory=list)
    new_follows: set[str] = field(default_factory=set)
    other_cards: set[str] = field(default_factory=set)
    other_order: set[str] = field(default_factory=set)
    #: Of follows that are new, as their customers are: no row has another name for them.
    names: dict[Pair, Names] = field(default_factory=dict)
    other_names: set[str] = field(default_factory=set)
    changes: dict[str, PageChanges] = field(default_factory=dict)
    touched: set[Pair] = field(default_factory=set)

    def of(self, userid: str) -> PageChanges:
        if userid not in self.changes:
            self.changes[userid] = PageChanges()
        return self.changes[userid]


@dataclass(frozen=True, slots=True)
class _Statements:
    customers: Any
    locked: Any
    follows: Any
    tags: Any


@lru_cache
def _statements(dialect: str) -> _Statements:
    customers = among(dialect, C.c.external_userid, "ids")
    return _Statements(
        customers=select(C.c.external_userid, C.c.fetched_at, *[C.c[name] for name in ContactFacts._fields]).where(
            customers
        ),
        locked=select(C.c.external_userid).where(customers).order_by(C.c.external_userid).with_for_update(),
        follows=select(
            F.c.userid, F.c.external_userid, F.c.id, F.c.changed_at, *[F.c[name] for name in FollowFacts._fields]
        ).where(among(dialect, F.c.external_userid, "ids")),
        tags=select(FT.c.follow_id, FT.c.tag_no).where(among(dialect, FT.c.follow_id, "ids")),
    )


def read_page(userid: str, rows: Sequence[Mapping[str, Any]], asked_at: datetime) -> tuple[list[Listed], list[str]]:
    """What a page of `batch/get_by_user` lists for a member; of records that cannot be used, id and kind of fault."""
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
            listed[external_userid] = Listed(
                userid, external_userid, read_contact(contact), read_follow(told), tag_ids, asked_at
            )
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            problems.append(f"{external_userid[:ID_MAX] or 'a record without an id'}: {type(error).__name__}")
    return list(listed.values()), problems


def list_differing(session: Session, listed: Sequence[Listed], tag_nos: Mapping[str, int], now: datetime) -> set[str]:
    """The members for whom `apply_listed` would change something."""
    _go_by_index(session)
    found = _compare(session, _without_erased(session, listed), tag_nos, now)
    return {userid for userid, _ in found.touched}


def apply_listed(
    session: Session, listed: Sequence[Listed], tag_nos: Mapping[str, int], now: datetime
) -> dict[str, PageChanges]:
    """Make our rows what pages list; no pair twice. What was changed, by member.

    `tag_nos`: the numbers of all tags on the pages (`follow_tags.ensure_tags`).
    """
    _go_by_index(session)
    listed = _without_erased(session, listed)
    new = frozenset[str]()
    if session.get_bind().dialect.name == "postgresql":
        new = _lock_customers(session, listed, now)
    found = _compare(session, listed, tag_nos, now, new)
    _WRITE_CUSTOMERS.write(session, list(found.customers.values()))
    follow_ids = _write_follows(session, found)
    if found.take_off:
        session.execute(_TAKE_OFF, found.take_off)
    replace_mobiles(session, [(follow_ids[pair], mobiles) for pair, mobiles in found.mobiles.items()])
    for status, numbers in found.status.items():
        note_status(session, numbers, status)
    note_tags(session, found.retagged)
    write_new(session, ((follow_ids[pair], names) for pair, names in found.names.items()))
    note_words(session, found.other_names)
    note_new_follows(session, found.new_follows)
    note_facts(session, found.other_cards, Facts.CARD)
    note_facts(session, found.other_order, Facts.COLLEAGUES)
    added = ((row[0], row[1], FollowFacts(*row[2 : 2 + len(FollowFacts._fields)])) for row in found.added)
    note_changes(session, added, found.came, found.put_on, found.taken_off, now)
    return found.changes


def _lock_customers(session: Session, listed: Sequence[Listed], now: datetime) -> frozenset[str]:
    """Lock the rows of the customers, made where there are none; those that were made.

    The lock is what all who write a follow take first (`customers.lock_customer`). In one order: two who lock the same
    customers then do not wait for each other.
    """
    connection, lock = session.connection(), _statements("postgresql").locked
    customers = {each.external_userid: (each.external_userid, *each.contact, now, now) for each in listed}
    known = set(connection.execute(lock, {"ids": sorted(customers)}).scalars())
    rows = [customers[key] for key in sorted(customers.keys() - known)]
    try:
        with session.begin_nested() if rows else nullcontext():
            copy_on_postgres(session, Customer, _CUSTOMER_COLUMNS, rows)
    except IntegrityError:  # an event made one of them in this moment
        new = frozenset(key for (key,) in _NEW_CUSTOMERS.write_returning(session, rows))
        connection.execute(lock, {"ids": sorted(customers.keys() - known - new)})
        return new
    return frozenset(row[0] for row in rows)


def _write_follows(session: Session, found: _Differences) -> dict[Pair, int]:
    """Write follows and the tags that are put on; the numbers of the follows."""
    follow_ids: dict[Pair, int] = {}
    changed, added = found.follows, found.added
    if session.get_bind().dialect.name == "postgresql":
        # Nobody else adds a follow of a customer whose row we have locked.
        numbers = take_numbers(session, Follow, len(added))
        rows = [(number, *row) for number, row in zip(numbers, added, strict=True)]
        copy_on_postgres(session, Follow, ("id", *_FOLLOW_COLUMNS), rows)
        follow_ids = {(row[1], row[2]): row[0] for row in rows}
        tags = sorted((follow_ids[pair], tag_no, live) for pair, tag_no, live in found.put_on if pair in follow_ids)
        copy_on_postgres(session, FollowTag, _TAG_COLUMNS, tags)
    else:
        changed = [*added, *changed]
    new = set(follow_ids)
    written = _WRITE_FOLLOWS.write_returning(session, changed)
    follow_ids |= {(userid, external_userid): follow_id for userid, external_userid, follow_id in written}
    tags = [(follow_ids[pair], tag_no, live) for pair, tag_no, live in found.put_on if not new or pair not in new]
    _PUT_ON.write(session, sorted(tags))
    return follow_ids


def _without_erased(session: Session, listed: Sequence[Listed]) -> Sequence[Listed]:
    """What is listed, without the customers who were erased: WeCom lists them as before."""
    erased = list_erased(session, {each.external_userid for each in listed})
    return [each for each in listed if each.external_userid not in erased] if erased else listed


def _go_by_index(session: Session) -> None:
    """Every statement here asks for rows by their keys, and a table that is being filled has no statistics yet.

    PostgreSQL would take a list of keys for a large part of such a table and read it from end to end each time.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_BY_INDEX)


def _compare(
    session: Session,
    listed: Sequence[Listed],
    tag_nos: Mapping[str, int],
    now: datetime,
    new: frozenset[str] = frozenset(),
) -> _Differences:
    """`new`: customers who have just been written as listed."""
    # Past the ORM: it looks at each statement for mapped classes first.
    connection, ask = session.connection(), _statements(session.get_bind().dialect.name)
    customers, follows = {}, {}
    if ids := list({each.external_userid for each in listed} - new):
        customers = {row[0]: (row[1], row[2:]) for row in connection.execute(ask.customers, {"ids": ids})}
        follows = {
            (row[0], row[1]): _Known(row[2], row[3], FollowFacts(*row[4:]), set())
            for row in connection.execute(ask.follows, {"ids": ids})
        }
    if follows:
        tags = {known.id: known.tag_nos for known in follows.values()}
        for follow_id, tag_no in connection.execute(ask.tags, {"ids": list(tags)}):
            tags[follow_id].add(tag_no)
    found, compared = _Differences(), set[str]()
    for each in listed:
        whom = each.external_userid
        if whom not in compared:
            compared.add(whom)
            if whom in new:
                found.of(each.userid).customers_new += 1
            else:
                _compare_customer(found, each, customers.get(whom), now)
        known = follows.get(each.pair)
        if known is None:
            _add_follow(found, each, tag_nos, now, customer_is_known=whom in customers)
        elif known.changed_at > each.asked_at:
            found.of(each.userid).kept += 1
        else:
            _compare_follow(found, each, known, tag_nos, now)
    return found


def _compare_customer(
    found: _Differences, listed: Listed, known: tuple[datetime | None, tuple[Any, ...]] | None, now: datetime
) -> None:
    if known is None:
        found.of(listed.userid).customers_new += 1
    else:
        fetched_at, contact = known
        if any(contact[number] != listed.contact[number] for number in _CARD):
            found.other_cards.add(listed.external_userid)
        if contact == listed.contact or (fetched_at is not None and fetched_at > listed.asked_at):
            return
        found.of(listed.userid).customers_changed += 1
        if any(contact[number] != listed.contact[number] for number in _NAMED_BY_CARD):
            found.other_names.add(listed.external_userid)
    found.touched.add(listed.pair)
    found.customers[listed.external_userid] = (listed.external_userid, *listed.contact, now, now)


def _add_follow(
    found: _Differences, listed: Listed, tag_nos: Mapping[str, int], now: datetime, *, customer_is_known: bool
) -> None:
    userid, whom, contact, follow, tag_ids, _ = listed
    pair = userid, whom
    wanted = [tag_nos[tag_id] for tag_id in tag_ids]
    found.touched.add(pair)
    found.added.append((*pair, *follow, now, tag_list_of(wanted), contact.gender, contact.type))
    found.put_on += [(pair, tag_no, follow.status == PRESENT) for tag_no in wanted]
    if follow.remark_mobiles:
        found.mobiles[pair] = follow.remark_mobiles
    changes = found.of(userid)
    changes.follows_new += 1
    changes.tags_put_on += len(wanted)
    if customer_is_known or whom in found.new_follows:
        found.other_order.add(whom)
        found.other_names.add(whom)
    else:
        names = contact.name, contact.corp_name, follow.remark, follow.remark_corp_name, contact.unionid
        found.names[pair] = Names(*names)
    found.new_follows.add(whom)


def _compare_follow(
    found: _Differences, listed: Listed, known: _Known, tag_nos: Mapping[str, int], now: datetime
) -> None:
    before, has, pair = known.facts, known.tag_nos, listed.pair
    after = merge_follow(before, listed.follow, listed.asked_at)
    wanted = {tag_nos[tag_id] for tag_id in listed.tag_ids}
    if before == after and wanted == has:
        return
    found.touched.add(pair)
    found.follows.append((*pair, *after, now, tag_list_of(wanted), listed.contact.gender, listed.contact.type))
    live = after.status == PRESENT
    found.put_on += [(pair, tag_no, live) for tag_no in wanted - has]
    found.taken_off += [(pair, tag_no, live) for tag_no in has - wanted]
    found.take_off += [{"whose": known.id, "which": tag_no} for tag_no in has - wanted]
    if wanted != has:
        found.retagged.append(known.id)
    if before.remark_mobiles != after.remark_mobiles:
        found.mobiles[pair] = after.remark_mobiles
    if any(before[number] != after[number] for number in _NAMED_BY_FOLLOW):
        found.other_names.add(listed.external_userid)
    if before.added_at != after.added_at:
        found.other_order.add(listed.external_userid)
    if has_come(before, after):
        found.came.append((pair, after.added_at or now))
    if before.status != after.status:
        found.status.setdefault(after.status, []).append(known.id)
    changes = found.of(listed.userid)
    changes.tags_put_on += len(wanted - has)
    changes.tags_taken_off += len(has - wanted)
    if is_revival(before, after):
        changes.follows_revived += 1
    elif before != after:
        changes.follows_changed += 1
