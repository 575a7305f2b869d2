"""What an import asks about customers: whom clues point to, and how they are now, for many rows at once. `userids`:
of these members' customers alone (None: everybody's)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, literal_column, select, text
from sqlmodel import Session, col

from data.bulk import among
from data.models import (
    Account,
    Customer,
    Follow,
    FollowMobile,
    FollowStatus,
    FollowTag,
    Order,
    Role,
    Staff,
    Tag,
    TagGroup,
)
from data.queries.accounts import is_open, list_visible
from data.queries.fields import list_values
from data.queries.unionids import list_by_unionid
from data.rules.grams import coded
from data.rules.import_plans import Candidates, Contact, CustomerNow, FollowNow, TagIndex
from data.rules.imports import Given

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
M: Any = FollowMobile.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]
O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741

#: Written out, not bound: only then do the databases see that a partial index holds the rows.
_EMPTY: Any = literal_column("''")
# What is kept of a name stands at the end of what is kept of every name that ends with it: so each is compared.
_NAMED = text(
    "SELECT n.value ->> 0, f.external_userid, f.userid, c.unionid, c.name = n.value ->> 0, f.remark = n.value ->> 0 "
    "FROM json_each(:wanted) n CROSS JOIN follow_grams g ON g.follow_grams MATCH n.value ->> 1 "
    "CROSS JOIN follows f ON f.id = g.rowid CROSS JOIN customers c ON c.external_userid = f.external_userid "
    "WHERE c.name = n.value ->> 0 OR f.remark = n.value ->> 0"
)
#: A name that more have tells nobody.
PER_NAME = 200


def find_scope(session: Session, account_id: int | None) -> tuple[bool, frozenset[str] | None]:
    """Whether whoever asked for an import may still do so, and the members whose customers it may touch."""
    if account_id is None:
        return True, None
    account = session.get(Account, account_id)
    if account is None or not is_open(session, account) or account.role not in (Role.ADMIN, Role.MANAGER):
        return False, frozenset()
    return True, list_visible(session, account)


def map_staff(session: Session) -> dict[str, frozenset[str]]:
    """Members by their userid and by their name, as files may call them."""
    found: dict[str, set[str]] = {}
    for userid, name in session.execute(select(col(Staff.userid), col(Staff.name))):
        found.setdefault(userid.casefold(), set()).add(userid)
        if name:
            found.setdefault(name.casefold(), set()).add(userid)
    return {name: frozenset(userids) for name, userids in found.items()}


def read_tag_index(session: Session) -> TagIndex:
    """The tags that exist."""
    rows = session.execute(
        select(col(Tag.tag_id), col(Tag.name), col(TagGroup.name))
        .join(TagGroup, col(TagGroup.group_id) == col(Tag.group_id))
        .where(col(Tag.deleted_at).is_(None), col(Tag.name) != "")
        .order_by(col(Tag.tag_no))
    )
    return TagIndex((tag_id, name, group) for tag_id, name, group in rows)


def find_candidates(session: Session, given: Sequence[Given], userids: Collection[str] | None) -> list[Candidates]:
    """Whom the clues of rows point to, row by row."""
    by_id = _map_contacts(session, F.c.external_userid, {each.external_userid for each in given}, userids)
    by_unionid = _map_with_unionid(session, {each.unionid for each in given}, userids)
    mobiles = {mobile for each in given for mobile in each.mobiles}
    by_mobile = _map_contacts(session, M.c.mobile, mobiles, userids, join_mobiles=True)
    names = {each.name or each.remark for each in given if each.external_userid not in by_id} - {""}
    by_name = _map_named(session, names, userids)
    nobody: list[Contact] = []
    return [
        Candidates(
            by_id.get(each.external_userid, nobody),
            by_unionid.get(each.unionid, nobody),
            [contact for mobile in each.mobiles for contact in by_mobile.get(mobile, nobody)],
            by_name.get(each.name or each.remark, nobody),
        )
        for each in given
    ]


def _map_named(session: Session, names: Collection[str], userids: Collection[str] | None) -> dict[str, list[Contact]]:
    """The customers whom themselves or a member calls so, where not everybody is."""
    if session.get_bind().dialect.name == "sqlite":
        found = _list_named_on_sqlite(session, names, userids)
    else:
        found = [
            _map_contacts(session, column, _list_rare(session, column, names), userids)
            for column in (C.c.name, F.c.remark)
        ]
    by_name: dict[str, list[Contact]] = {}
    for named in found:
        for name, contacts in named.items():
            there = by_name.setdefault(name, [])
            there += [contact for contact in contacts if contact not in there]
    return by_name


def _list_named_on_sqlite(
    session: Session, names: Collection[str], userids: Collection[str] | None
) -> list[dict[str, list[Contact]]]:
    """By the customer's own name, and by the member's remark."""
    wanted = [(name, f'"{code}"') for name in sorted(names) if (code := coded([name]))]
    found: list[dict[str, list[Contact]]] = [{}, {}]
    called: tuple[Counter[str], ...] = Counter(), Counter()
    for name, whom, userid, unionid, *so in session.execute(_NAMED, {"wanted": json.dumps(wanted)}):
        for which in (0, 1):
            if so[which]:
                called[which][name] += 1
                if (userids is None or userid in userids) and called[which][name] <= PER_NAME:
                    found[which].setdefault(name, []).append(Contact(whom, userid, unionid))
    return [
        {name: contacts for name, contacts in named.items() if times[name] <= PER_NAME}
        for named, times in zip(found, called, strict=True)
    ]


def _list_rare(session: Session, column: Any, names: Collection[str]) -> set[str]:
    """Those of some names that are not everybody's."""
    wanted = sorted({*names} - {""})
    if not wanted:
        return set()
    query = (
        select(column)
        .where(among(session.get_bind().dialect.name, column, "values"), column != _EMPTY)
        .group_by(column)
        .having(func.count() <= PER_NAME)
    )
    return set(session.execute(query, {"values": wanted}).scalars())


def _map_with_unionid(
    session: Session, unionids: Collection[str], userids: Collection[str] | None
) -> dict[str, list[Contact]]:
    ids = {external_userid for _, external_userid in list_by_unionid(session, unionids)}
    found: dict[str, list[Contact]] = {}
    for contacts in _map_contacts(session, F.c.external_userid, ids, userids).values():
        for contact in contacts:
            found.setdefault(contact.unionid, []).append(contact)
    return found


def _map_contacts(
    session: Session, column: Any, values: set[str], userids: Collection[str] | None, *, join_mobiles: bool = False
) -> dict[str, list[Contact]]:
    """The customers with one of some values, with each member who has or had them, by the value."""
    wanted = sorted(values - {""})
    if not wanted:
        return {}
    query: Select[Any] = select(column, F.c.external_userid, F.c.userid, C.c.unionid).join_from(
        F, C, C.c.external_userid == F.c.external_userid
    )
    if join_mobiles:
        query = query.join(M, M.c.follow_id == F.c.id)
    query = query.where(among(session.get_bind().dialect.name, column, "values"), column != _EMPTY)
    found: dict[str, list[Contact]] = {}
    for value, external_userid, userid, unionid in session.execute(query, {"values": wanted}):
        if userids is None or userid in userids:
            found.setdefault(value, []).append(Contact(external_userid, userid, unionid))
    if userids is None and column is F.c.external_userid:
        # A customer whom no member has or had is one all the same.
        alone = select(C.c.external_userid, C.c.unionid).where(
            among(session.get_bind().dialect.name, C.c.external_userid, "values")
        )
        missing = [each for each in wanted if each not in found]
        for external_userid, unionid in session.execute(alone, {"values": missing}) if missing else ():
            found[external_userid] = [Contact(external_userid, "", unionid)]
    return found


def map_now(
    session: Session, external_userids: Iterable[str], userids: Collection[str] | None
) -> dict[str, CustomerNow]:
    """How customers are; those who are known no more are left out."""
    wanted = sorted(set(external_userids) - {""})
    if not wanted:
        return {}
    known = session.execute(select(C.c.external_userid).where(C.c.external_userid.in_(wanted))).scalars().all()
    rows = session.execute(
        select(F.c.id, F.c.external_userid, F.c.userid, F.c.remark, F.c.description, F.c.remark_mobiles)
        .where(F.c.external_userid.in_(wanted), F.c.status == FollowStatus.PRESENT.value)
        .order_by(F.c.id)
    ).all()
    rows = [row for row in rows if userids is None or row.userid in userids]
    tags: dict[int, set[str]] = {}
    worn = select(FT.c.follow_id, col(Tag.tag_id)).join(Tag, col(Tag.tag_no) == FT.c.tag_no)
    for follow_id, tag_id in session.execute(worn.where(FT.c.follow_id.in_([row.id for row in rows]))):
        tags.setdefault(follow_id, set()).add(tag_id)
    values = list_values(session, known)
    follows: dict[str, list[FollowNow]] = {}
    for row in rows:
        follows.setdefault(row.external_userid, []).append(
            FollowNow(
                row.id, row.userid, row.remark, row.description, tuple(row.remark_mobiles),
                frozenset(tags.get(row.id, ())),
            )
        )  # fmt: skip
    return {each: CustomerNow(tuple(follows.get(each, ())), values.get(each, {})) for each in known}


def map_orders(session: Session, source: str, numbers: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Orders of a shop that are kept, by number, as far as an import compares them."""
    if not numbers:
        return {}
    query = select(O.c.number, O.c.status, O.c.amount_fen, O.c.placed_at, O.c["items"]).where(
        O.c.source == source, O.c.number.in_(sorted(numbers))
    )
    return {
        row.number: {
            "status": row.status, "amount_fen": row.amount_fen, "placed_at": row.placed_at,
            "item": row[4][0].get("name", "") if row[4] else "",
        }
        for row in session.execute(query)
    }  # fmt: skip


def list_people(
    session: Session, external_userids: Collection[str], userids: Collection[str] | None
) -> dict[str, dict[str, Any]]:
    """Names, remarks and members of customers, for whoever has to choose between them."""
    found: dict[str, dict[str, Any]] = {}
    rows = session.execute(
        select(C.c.external_userid, C.c.name, F.c.userid, F.c.remark, col(Staff.name))
        .select_from(C)
        .outerjoin(F, F.c.external_userid == C.c.external_userid)
        .outerjoin(Staff, col(Staff.userid) == F.c.userid)
        .where(C.c.external_userid.in_(sorted(set(external_userids))))
        .order_by(F.c.id)
    )
    for external_userid, name, userid, remark, staff_name in rows:
        person = found.setdefault(external_userid, {"external_userid": external_userid, "name": name, "members": []})
        if userid and (userids is None or userid in userids):
            person["members"].append({"userid": userid, "name": staff_name or userid, "remark": remark})
    return found
