"""Whose orders are: the customers that clues point to, found for many orders at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, literal_column, or_, select, union, update
from sqlmodel import Session

from data.models import Customer, Follow, FollowMobile, Order
from data.queries.follow_facts import Facts, note_facts
from data.queries.happenings import note
from data.queries.order_credits import note_orders
from data.queries.unionids import list_by_unionid
from data.rules.happenings import ORDERED, Happened
from data.rules.orders import (
    TRADE_NUMBER_MIN,
    WECOM_PAY,
    Candidates,
    Clues,
    Match,
    MatchedBy,
    decide,
    decide_again,
    has_been_paid,
)

O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741 - as E, T and O elsewhere
C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
M: Any = FollowMobile.__table__  # type: ignore[attr-defined]

#: Written out, not bound: only then do the databases see that a partial index holds the rows.
_EMPTY: Any = literal_column("''")
#: Orders looked at in one unit of work.
CHUNK = 200
#: Of orders that wait so many unionids are looked for at once.
WITH_UNIONID = 1_000

_IDS: Any = bindparam("ids", expanding=True)


class Paid(NamedTuple):
    """An order that has become a customer's paid one. `at`: when it was paid, as far as we know."""

    order_id: int
    external_userid: str
    at: datetime


_NAMED = select(C.c.external_userid).where(C.c.external_userid.in_(_IDS))
_BY_MOBILE = (
    select(M.c.mobile, F.c.external_userid, C.c.unionid)
    .join(F, F.c.id == M.c.follow_id)
    .join(C, C.c.external_userid == F.c.external_userid)
    .where(M.c.mobile.in_(_IDS))
    .distinct()
)
_BY_NUMBER = select(O.c.trade_number, O.c.external_userid).where(
    O.c.trade_number.in_(_IDS), O.c.trade_number != _EMPTY, O.c.source == WECOM_PAY, O.c.external_userid.is_not(None)
)
_DECIDED = select(
    O.c.id, O.c.source, O.c.number, O.c.told_external_userid, O.c.unionid, O.c.mobile, O.c.trade_number, O.c.status,
    O.c.external_userid, O.c.matched_by, O.c.waits_because, O.c.placed_at,
).where(O.c.id.in_(_IDS)).order_by(O.c.id)  # fmt: skip
_MATCH = (
    update(O)
    .where(O.c.id == bindparam("order_id"))
    .values(
        external_userid=bindparam("whose"),
        matched_by=bindparam("by"),
        matched_at=bindparam("at"),
        waits_because=bindparam("because"),
    )
)
_WHOSE = select(O.c.external_userid).where(O.c.id.in_(_IDS))
_TAGS_DUE = update(O).where(O.c.id.in_(_IDS)).values(tag_due_at=bindparam("due"), tag_attempts=0)


def match_orders(
    session: Session, order_ids: Iterable[int], now: datetime, *, clues_changed: bool = False
) -> dict[int, Match]:
    """Decide whose these orders are and write what changed; what was changed, by id.

    `clues_changed`: what was known of the buyers is other than when they were decided before. Orders that a payment
    among these decides are decided as well.
    """
    changed: dict[int, Match] = {}
    paid: list[Paid] = []
    waiting = sorted(set(order_ids))
    trades: set[str] = set()
    for start in range(0, len(waiting), CHUNK):
        some = session.execute(_DECIDED.with_for_update(), {"ids": waiting[start : start + CHUNK]})
        rows = [dict(row) for row in some.mappings()]
        found = _candidates(session, rows)
        for row in rows:
            before = Match(row["external_userid"], row["matched_by"], row["waits_because"])
            after = decide_again(before, decide(_clues(row), found[row["id"]]), clues_changed=clues_changed)
            if after == before:
                continue
            changed[row["id"]] = after
            if after.external_userid != before.external_userid and row["source"] == WECOM_PAY:
                trades.add(row["trade_number"])
            if has_been_paid((before.external_userid, row["status"]), (after.external_userid, row["status"])):
                paid.append(Paid(row["id"], after.external_userid or "", row["placed_at"]))
    write_matches(session, changed, now)
    note_paid(session, paid, now)
    decided = list_paid_by(session, trades)
    if decided:
        changed |= match_orders(session, decided, now, clues_changed=clues_changed)
    return changed


def write_matches(session: Session, matches: Mapping[int, Match], now: datetime) -> None:
    """Write decisions as they are."""
    if matches:
        before = session.execute(_WHOSE, {"ids": list(matches)}).scalars().all()
        session.connection().execute(
            _MATCH,
            [
                {"order_id": order_id, "whose": whose, "by": by, "at": now if whose else None, "because": because}
                for order_id, (whose, by, because) in matches.items()
            ],
        )
        after = (match.external_userid for match in matches.values())
        note_facts(session, {each for each in (*before, *after) if each}, Facts.ORDERS)
        note_orders(session, matches)


def note_paid(session: Session, paid: Sequence[Paid], now: datetime) -> None:
    """These orders have become paid ones of a customer: tag rules are to be asked about them, and journeys."""
    if paid:
        session.connection().execute(_TAGS_DUE, {"ids": [each.order_id for each in paid], "due": now})
        note(
            session,
            [Happened(ORDERED, each.external_userid, min(each.at, now), {"order_id": each.order_id}) for each in paid],
        )


def list_paid_by(session: Session, trade_numbers: Collection[str]) -> list[int]:
    """Orders of shops that payments with these trade numbers may decide."""
    usable = [number for number in trade_numbers if len(number) >= TRADE_NUMBER_MIN]
    if not usable:
        return []
    by_trade = (O.c.trade_number.in_(usable)) & (O.c.trade_number != _EMPTY)
    query = select(O.c.id).where(
        or_(O.c.number.in_(usable), by_trade), O.c.source != WECOM_PAY, O.c.matched_by != MatchedBy.CLAIM
    )
    return list(session.execute(query).scalars())


def _clues(row: Mapping[str, Any]) -> Clues:
    return Clues(row["told_external_userid"], row["unionid"], row["mobile"], row["trade_number"])


def _trade_numbers(row: Mapping[str, Any]) -> set[str]:
    if row["source"] == WECOM_PAY:
        return set()
    return {number for number in (row["trade_number"], row["number"]) if len(number) >= TRADE_NUMBER_MIN}


def find_buyer(session: Session, clues: Clues) -> Match:
    """To whom clues point, or why to nobody; for what is no order."""
    row = {"id": 0, "source": "", "number": "", "told_external_userid": clues.external_userid, **clues._asdict()}
    return decide(clues, _candidates(session, [row])[0])


def _candidates(session: Session, rows: Sequence[Mapping[str, Any]]) -> dict[int, Candidates]:
    named = {row["told_external_userid"] for row in rows} - {""}
    unionids = {row["unionid"] for row in rows} - {""}
    mobiles = {row["mobile"] for row in rows} - {""}
    numbers = {number for row in rows for number in _trade_numbers(row)}

    def ask(query: Any, ids: set[str]) -> list[Any]:
        return list(session.execute(query, {"ids": sorted(ids)})) if ids else []

    known = {external_userid for (external_userid,) in ask(_NAMED, named)}
    by_unionid: dict[str, list[str]] = {}
    for unionid, external_userid in list_by_unionid(session, unionids):
        by_unionid.setdefault(unionid, []).append(external_userid)
    by_mobile: dict[str, dict[str, str]] = {}
    for mobile, external_userid, unionid in ask(_BY_MOBILE, mobiles):
        by_mobile.setdefault(mobile, {})[external_userid] = unionid
    by_number: dict[str, set[str]] = {}
    for number, external_userid in ask(_BY_NUMBER, numbers):
        by_number.setdefault(number, set()).add(external_userid)
    return {
        row["id"]: Candidates(
            named=row["told_external_userid"] if row["told_external_userid"] in known else None,
            by_unionid=by_unionid.get(row["unionid"], ()) if row["unionid"] else (),
            by_number=sorted({whom for number in _trade_numbers(row) for whom in by_number.get(number, ())}),
            by_mobile=by_mobile.get(row["mobile"], {}) if row["mobile"] else {},
        )
        for row in rows
    }


#: Without a customer, as the partial index says it.
WAITING: Any = O.c.waits_because != _EMPTY
_OPEN = (WAITING, O.c.id > bindparam("after"))
_WITH_UNIONID = (
    select(O.c.id, O.c.unionid)
    .where(*_OPEN, O.c.unionid != _EMPTY, O.c.told_external_userid == "")
    .order_by(O.c.id)
    .limit(WITH_UNIONID)
)
_PAYMENT = O.alias("payment")
_PAID_BY = (
    (_PAYMENT.c.source == WECOM_PAY) & _PAYMENT.c.external_userid.is_not(None) & (_PAYMENT.c.trade_number != _EMPTY)
)
_MATCHABLE_OTHERWISE = (
    union(
        select(O.c.id)
        .join(C, C.c.external_userid == O.c.told_external_userid)
        .where(*_OPEN, O.c.told_external_userid != _EMPTY),
        select(O.c.id)
        .join(M, M.c.mobile == O.c.mobile)
        .where(*_OPEN, O.c.mobile != _EMPTY, O.c.told_external_userid == ""),
        select(O.c.id)
        .join(_PAYMENT, _PAYMENT.c.trade_number == O.c.number)
        .where(*_OPEN, _PAID_BY, O.c.source != WECOM_PAY),
        select(O.c.id)
        .join(_PAYMENT, _PAYMENT.c.trade_number == O.c.trade_number)
        .where(*_OPEN, _PAID_BY, O.c.source != WECOM_PAY, O.c.trade_number != _EMPTY),
    )
    .order_by("id")
    .limit(bindparam("limit"))
)


def list_matchable(session: Session, after_id: int = 0, limit: int = CHUNK) -> list[int]:
    """Orders without a customer one of whose clues points to somebody known now; by id, from after `after_id`."""
    otherwise = session.execute(_MATCHABLE_OTHERWISE, {"after": after_id, "limit": limit}).scalars()
    return sorted({*otherwise, *_list_with_known_unionid(session, after_id, limit)})[:limit]


def _list_with_known_unionid(session: Session, after_id: int, limit: int) -> list[int]:
    found: list[int] = []
    while len(found) < limit and (orders := session.execute(_WITH_UNIONID, {"after": after_id}).all()):
        known = {unionid for unionid, _ in list_by_unionid(session, {unionid for _, unionid in orders})}
        found += [order_id for order_id, unionid in orders if unionid in known]
        after_id = orders[-1][0]
    return found


_MATCHED = (
    select(O.c.id)
    .where(
        O.c.id > bindparam("after"),
        O.c.matched_by.in_([MatchedBy.UNIONID, MatchedBy.NUMBER, MatchedBy.MOBILE]),
    )
    .order_by(O.c.id)
    .limit(bindparam("limit"))
)


def list_matched(session: Session, after_id: int = 0, limit: int = CHUNK) -> list[int]:
    """Orders that were matched by what might point to somebody else by now; by id, from after `after_id`."""
    return list(session.execute(_MATCHED, {"after": after_id, "limit": limit}).scalars())


_CARD = select(C.c.unionid).where(C.c.external_userid == bindparam("whom"))
_MOBILES = (
    select(M.c.mobile).join(F, F.c.id == M.c.follow_id).where(F.c.external_userid == bindparam("whom")).distinct()
)


def list_pointing_to(session: Session, external_userid: str) -> list[int]:
    """Orders that a clue ties to this customer, except those that a person has claimed and those surely theirs."""
    unionid = session.execute(_CARD, {"whom": external_userid}).scalar() or ""
    mobiles = list(session.execute(_MOBILES, {"whom": external_userid}).scalars())
    conditions = [(O.c.told_external_userid == external_userid) & (O.c.told_external_userid != _EMPTY)]
    if unionid:
        conditions.append((O.c.unionid == unionid) & (O.c.unionid != _EMPTY))
    if mobiles:
        conditions.append(O.c.mobile.in_(mobiles) & (O.c.mobile != _EMPTY))
    ids: set[int] = set()
    for condition in conditions:
        query = select(O.c.id).where(
            condition,
            O.c.matched_by != MatchedBy.CLAIM,
            or_(
                O.c.external_userid.is_(None),
                O.c.external_userid != external_userid,
                O.c.matched_by == MatchedBy.MOBILE,
            ),
        )
        ids |= set(session.execute(query).scalars())
    return sorted(ids)


def match_customer(session: Session, external_userid: str, now: datetime) -> int:
    """A customer turned up, or more is known of them: decide the orders that point to them; how many are theirs now."""
    matches = match_orders(session, list_pointing_to(session, external_userid), now)
    return sum(match.external_userid == external_userid for match in matches.values())
