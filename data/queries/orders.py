"""Orders: kept as shops tell them, listed, claimed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import BulkUpsert
from data.errors import ConflictError, NotFoundError
from data.models import Customer, Order
from data.queries.erasures import list_erased, list_erased_unionids
from data.queries.follow_facts import Facts, note_facts
from data.queries.order_covers import note_covered
from data.queries.order_credits import note_orders
from data.queries.order_matches import WAITING, Paid, list_paid_by, match_orders, note_paid, write_matches
from data.rules.orders import (
    PAID,
    WECOM_PAY,
    Clues,
    Match,
    MatchedBy,
    OrderGiven,
    Waits,
    has_been_paid,
    is_stale,
    merge_clues,
    waits,
)

O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741

_COLUMNS = (
    "source", "number", "external_userid", "userid", "told_external_userid", "unionid", "mobile", "trade_number",
    "status", "amount_fen", "items", "placed_at", "told_at", "matched_by", "waits_because", "received_at",
    "changed_at", "tag_attempts",
)  # fmt: skip
#: What a message about an order says.
_TOLD = (
    "userid", "told_external_userid", "unionid", "mobile", "trade_number", "status", "amount_fen", "items", "placed_at",
    "told_at",
)  # fmt: skip
_KEYS = ("source", "number")
_ADD = BulkUpsert(Order, _COLUMNS, keep=[name for name in _COLUMNS if name not in _KEYS], key=_KEYS)
_CHANGE = BulkUpsert(
    Order,
    _COLUMNS,
    keep=[name for name in _COLUMNS if name not in (*_KEYS, *_TOLD, "changed_at")],
    key=_KEYS,
)
_KNOWN = (
    select(O)
    .where(O.c.source == bindparam("shop"), O.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(O.c.id)
)


class SavedOrder(NamedTuple):
    """What became of a message about an order. `result`: created, updated, unchanged, or stale (an older state)."""

    id: int
    source: str
    number: str
    result: str
    external_userid: str | None
    matched_by: str
    waits_because: str


def save_orders(session: Session, given: Sequence[OrderGiven], now: datetime) -> list[SavedOrder]:
    """Keep orders as told and decide whose they are; in the order given. Of a buyer who was erased nothing is kept.

    An order is known by source and number. A later message replaces what an earlier one said, but a clue to the buyer
    that is left out stays; an older one (by the shop's own time) only adds clues that were missing.
    """
    given = _without_erased(session, given)
    results: list[str] = [""] * len(given)
    for places in _rounds(given):
        _save(
            session, given, sorted(places, key=lambda place: (given[place].source, given[place].number)), results, now
        )
    rows = _known(session, given)
    return [
        SavedOrder(
            row["id"], row["source"], row["number"], result, row["external_userid"], row["matched_by"],
            row["waits_because"],
        )
        for each, result in zip(given, results, strict=True)
        if (row := rows[each.source, each.number])
    ]  # fmt: skip


def _without_erased(session: Session, given: Sequence[OrderGiven]) -> list[OrderGiven]:
    """Orders of customers who were erased as orders of nobody: the shop's number stays, so that none comes twice."""
    erased = list_erased(session, {each.external_userid for each in given} - {""})
    unionids = list_erased_unionids(session, {each.unionid for each in given} - {""})
    nobody = {"external_userid": "", "unionid": "", "mobile": "", "trade_number": "", "userid": "", "items": ()}
    return [
        each.model_copy(update=nobody) if each.external_userid in erased or each.unionid in unionids else each
        for each in given
    ]


def _rounds(given: Sequence[OrderGiven]) -> Iterator[list[int]]:
    """The places of orders, so that no order occurs twice in a round and the last message stands last."""
    waiting = list(range(len(given)))
    while waiting:
        first: dict[tuple[str, str], int] = {}
        for place in waiting:
            first.setdefault((given[place].source, given[place].number), place)
        yield list(first.values())
        chosen = set(first.values())
        waiting = [place for place in waiting if place not in chosen]


def _known(
    session: Session, given: Sequence[OrderGiven], *, lock: bool = False
) -> dict[tuple[str, str], Mapping[str, Any]]:
    query = _KNOWN.with_for_update() if lock else _KNOWN
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for shop in sorted({each.source for each in given}):
        numbers = sorted({each.number for each in given if each.source == shop})
        for row in session.execute(query, {"shop": shop, "numbers": numbers}).mappings():
            found[row["source"], row["number"]] = dict(row)
    return found


def _save(
    session: Session, given: Sequence[OrderGiven], places: Sequence[int], results: list[str], now: datetime
) -> None:
    known = _known(session, [given[place] for place in places], lock=True)
    fresh = [place for place in places if (given[place].source, given[place].number) not in known]
    if _ADD.write(session, [_row(given[place], now) for place in fresh]) < len(fresh):
        # Another replica was quicker with some of them: what is ours to say is said over it.
        known |= _known(session, [given[place] for place in fresh], lock=True)
        fresh = []
    ids = {key: row["id"] for key, row in _known(session, [given[place] for place in fresh]).items()}
    to_match = list(ids.values())
    changes, paid, bought_otherwise, resold = [], [], set[str](), set(ids.values())
    for place in places:
        each = given[place]
        key = (each.source, each.number)
        if key not in known:
            results[place] = "created"
            continue
        before = known[key]
        after = _merged(before, each)
        stale = is_stale(before["told_at"], each.changed_at)
        changed = {name for name in _TOLD if before[name] != after[name]}
        results[place] = "stale" if stale else "updated" if changed else "unchanged"
        if not changed:
            continue
        changes.append(tuple({**before, **after, "changed_at": now}[name] for name in _COLUMNS))
        if changed & {"told_external_userid", "unionid", "mobile", "trade_number"}:
            to_match.append(before["id"])
        if "userid" in changed:
            resold.add(before["id"])
        whose = before["external_userid"]
        if whose and changed & {"status", "amount_fen", "placed_at"}:
            bought_otherwise.add(whose)
        if has_been_paid((whose, before["status"]), (whose, after["status"])):
            paid.append(Paid(before["id"], whose, after["told_at"] or now))
    _CHANGE.write(session, changes)
    note_facts(session, bought_otherwise, Facts.ORDERS)
    note_paid(session, paid, now)
    match_orders(session, to_match, now, clues_changed=True)
    note_orders(session, resold)
    numbers = {number for place in places for number in (given[place].number, given[place].clues.trade_number)}
    note_covered(session, numbers | {row["trade_number"] for row in known.values()})


def _row(given: OrderGiven, now: datetime) -> tuple[Any, ...]:
    wait = waits(Waits.NO_CLUE)
    values = {
        **_told(given), "source": given.source, "number": given.number, "external_userid": None,
        "matched_by": wait.matched_by, "waits_because": wait.waits_because, "received_at": now, "changed_at": now,
        "tag_attempts": 0,
    }  # fmt: skip
    return tuple(values[name] for name in _COLUMNS)


def _told(given: OrderGiven) -> dict[str, Any]:
    clues = given.clues
    return {
        "userid": given.userid,
        "told_external_userid": clues.external_userid,
        "unionid": clues.unionid,
        "mobile": clues.mobile,
        "trade_number": clues.trade_number,
        "status": given.status.value,
        "amount_fen": given.amount_fen,
        "items": [item.model_dump(mode="json") for item in given.items],
        "placed_at": given.placed_at,
        "told_at": given.changed_at,
    }


def _merged(before: Mapping[str, Any], given: OrderGiven) -> dict[str, Any]:
    told = _told(given)
    stale = is_stale(before["told_at"], given.changed_at)
    known = Clues(before["told_external_userid"], before["unionid"], before["mobile"], before["trade_number"])
    clues = merge_clues(known, given.clues, stale=stale)
    if stale:
        told = {name: before[name] for name in _TOLD}
    told |= {
        "told_external_userid": clues.external_userid, "unionid": clues.unionid, "mobile": clues.mobile,
        "trade_number": clues.trade_number, "userid": told["userid"] or before["userid"],
    }  # fmt: skip
    return told


def get_order(session: Session, order_id: int) -> Order:
    """One order. Raises NotFoundError."""
    found = session.get(Order, order_id)
    if found is None:
        raise NotFoundError(f"There is no order {order_id}.", "List them: GET /api/v1/orders, or siyu orders list")
    return found


def list_orders(
    session: Session,
    *,
    external_userid: str | None = None,
    source: str | None = None,
    number: str | None = None,
    status: str | None = None,
    unmatched: bool = False,
    limit: int = 50,
    before_id: int | None = None,
) -> list[Order]:
    """Orders, newest first. `unmatched`: those that wait for their customer."""
    query = select(Order).order_by(col(Order.id).desc()).limit(limit)
    for condition in (
        col(Order.external_userid) == external_userid if external_userid is not None else None,
        col(Order.source) == source if source is not None else None,
        col(Order.number) == number if number is not None else None,
        col(Order.status) == status if status is not None else None,
        WAITING if unmatched else None,
        col(Order.id) < before_id if before_id is not None else None,
    ):
        if condition is not None:
            query = query.where(condition)
    return list(session.execute(query).scalars())


def count_unmatched(session: Session) -> dict[str, int]:
    """Orders that wait for their customer, by why."""
    rows = session.execute(select(O.c.waits_because, func.count()).where(WAITING).group_by(O.c.waits_because))
    return {str(because): int(waiting) for because, waiting in rows}


def claim_order(session: Session, order_id: int, external_userid: str, now: datetime) -> Order:
    """A person says whose an order is. Raises NotFoundError for an order or a customer that we do not know."""
    if session.get(Customer, external_userid) is None:
        raise NotFoundError(
            f"There is no customer {external_userid!r}.", "Check the id; a customer who was just added takes a moment."
        )
    return _settle(session, order_id, Match(external_userid, MatchedBy.CLAIM.value, ""), now)


def claim_waiting(session: Session, number: str, external_userid: str, now: datetime, *, source: str = "") -> Order:
    """The same by an order's number, for one that waits for its customer. Raises NotFoundError where none does, and
    ConflictError where several sources have one of this number and none is named."""
    query = select(Order).where(col(Order.number) == number, WAITING)
    if source:
        query = query.where(col(Order.source) == source)
    found = list(session.execute(query.order_by(col(Order.source)).with_for_update()).scalars())
    if not found:
        raise NotFoundError(
            Phrase("没有等待认领的订单 %(number)s。", number=number), Phrase("请核对订单号；已经有客户的订单不能认领。")
        )
    if len(found) > 1:
        sources = "、".join(each.source for each in found)
        raise ConflictError(
            Phrase("几个来源都有这个订单号：%(sources)s。", sources=sources), Phrase("请写明是哪一个来源。")
        )
    return claim_order(session, found[0].id or 0, external_userid, now)


def unclaim_order(session: Session, order_id: int, now: datetime) -> Order:
    """Take a claim back: the clues decide again. Raises NotFoundError, ConflictError where nobody has claimed."""
    if get_order(session, order_id).matched_by != MatchedBy.CLAIM:
        raise ConflictError(f"Nobody has claimed order {order_id}.")
    return _settle(session, order_id, waits(Waits.NO_CLUE), now)


def _settle(session: Session, order_id: int, match: Match, now: datetime) -> Order:
    order = session.get(Order, order_id, with_for_update=True) or get_order(session, order_id)
    before = (order.external_userid, order.status)
    write_matches(session, {order_id: match}, now)
    if match.external_userid is None:
        match_orders(session, [order_id], now, clues_changed=True)
    elif has_been_paid(before, (match.external_userid, order.status)):
        note_paid(session, [Paid(order_id, match.external_userid, order.placed_at)], now)
    if order.source == WECOM_PAY:
        match_orders(session, list_paid_by(session, [order.trade_number]), now, clues_changed=True)
    session.refresh(order)
    return order


class OrdersSummary(NamedTuple):
    """A customer's orders in numbers; `paid` are those paid or finished."""

    orders: int
    paid_orders: int
    paid_amount_fen: int
    last_placed_at: datetime | None


def sum_orders(session: Session, external_userids: Collection[str]) -> dict[str, OrdersSummary]:
    """Orders of these customers in numbers; those without any are left out."""
    kept = O.c.status.in_([status.value for status in PAID])
    rows = session.execute(
        select(
            O.c.external_userid,
            func.count(),
            func.count().filter(kept),
            func.coalesce(func.sum(O.c.amount_fen).filter(kept), 0),
            func.max(O.c.placed_at),
        )
        .where(O.c.external_userid.in_(list(external_userids)), O.c.covered.is_(False))
        .group_by(O.c.external_userid)
    )
    return {whose: OrdersSummary(orders, paid, int(amount), last) for whose, orders, paid, amount, last in rows}
