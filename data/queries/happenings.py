"""Happenings: noted in the transaction of the fact itself if a journey listens, read in their order, and removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select
from sqlmodel import Session

from data.bulk import BulkUpsert, among
from data.models import Customer, Follow, FollowStatus, Happening, JourneyRow, Order, Preference
from data.queries.journey_versions import NOT_OVER
from data.queries.locks import lock_names
from data.queries.staff import map_departments
from data.queries.webhook_targets import list_heard
from data.rules.happenings import ADDED, EVERYBODYS, LOST, ORDERED, TAGGED, Happened
from data.rules.orders import PAID, WECOM_PAY

H: Any = Happening.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]
O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741
J: Any = JourneyRow.__table__  # type: ignore[attr-defined]
P: Any = Preference.__table__  # type: ignore[attr-defined]

#: What an add asks of the customer's card is known once WeCom was asked for it, which is a matter of seconds.
CARD_AWAITED = timedelta(seconds=30)

_COLUMNS = ("kind", "external_userid", "userid", "detail", "happened_at")
_NEW = BulkUpsert(Happening, _COLUMNS, key=("id",), keep=_COLUMNS)
_LISTENING = select(J.c.listens_to, func.coalesce(J.c.started_at, J.c.made_at)).where(
    J.c.status.in_([status.value for status in NOT_OVER])
)


@dataclass(frozen=True, slots=True)
class Ears:
    """What journeys that are not over, and webhooks, listen for, and since when: what happened earlier begins none."""

    since: Mapping[str, datetime]

    def hear(self, happened: Happened) -> bool:
        """Whether any of them listens for it."""
        since = self.since.get(happened.ear)
        return since is not None and happened.happened_at >= since

    def list_tags(self, put: str) -> frozenset[str]:
        """The tags of which it is asked whether they are put `on`, or `off`."""
        start = f"{TAGGED}:{put}:"
        return frozenset(each.removeprefix(start) for each in self.since if each.startswith(start))


def read_ears(session: Session) -> Ears:
    """What journeys and webhooks listen for. Asked once in a unit of work, which then writes what they would miss."""
    since: dict[str, datetime] = {}
    for listens_to, started_at in session.connection().execute(_LISTENING):
        for each in (*listens_to, *EVERYBODYS):
            since[each] = min(started_at, since.get(each, started_at))
    for ears, told_since in list_heard(session):
        for each in ears:
            since[each] = min(told_since, since.get(each, told_since))
    return Ears(since)


def note(session: Session, happened: Sequence[Happened], ears: Ears | None = None) -> int:
    """Write what happened, as far as a journey listens for it; how many."""
    if not happened:
        return 0
    heard = ears or read_ears(session)
    rows = [
        (each.kind, each.external_userid, each.userid, dict(each.detail), each.happened_at)
        for each in happened
        if heard.hear(each)
    ]
    return _NEW.write(session, rows)


def note_lost(session: Session, external_userids: Iterable[str], at: datetime) -> None:
    """Present follows of these customers have ended: whoever has none left is lost."""
    customers = set(external_userids)
    if not customers or LOST not in read_ears(session).since:
        return
    session.flush()
    # Of two who end the last two follows of a customer the second sees what the first has done.
    lock_names(session, "lost", customers)
    _NEW.write(session, [(LOST, each, "", {}, at) for each in sorted(customers - _list_present(session, customers))])


def _list_present(session: Session, customers: Collection[str]) -> set[str]:
    """Those of some customers who are somebody's contacts."""
    if not customers:
        return set()
    given = {"customers": sorted(customers)}
    return set(session.connection().execute(_present(session.get_bind().dialect.name), given).scalars())


@lru_cache
def _present(dialect: str) -> Any:
    return select(F.c.external_userid).where(
        among(dialect, F.c.external_userid, "customers"), F.c.status == FollowStatus.PRESENT.value
    )


# -- read, and removed

A: Any = H.alias("adds")
_CARDLESS = exists().where(
    A.c.external_userid == H.c.external_userid, A.c.id <= H.c.id, A.c.kind == ADDED,
    A.c.happened_at > bindparam("card_awaited"),
    C.c.external_userid == A.c.external_userid, C.c.fetched_at.is_(None),
)  # fmt: skip
_TO_COME = (H.c.kind == LOST) & (H.c.happened_at > bindparam("now"))
_OLDEST = select(H).where(~_CARDLESS, ~_TO_COME).order_by(H.c.id).limit(bindparam("count"))


def is_waiting(session: Session, now: datetime) -> bool:
    """Whether something has happened that journeys were not asked about."""
    return session.execute(_OLDEST, _asked(1, now)).first() is not None


def _asked(count: int, now: datetime) -> dict[str, Any]:
    return {"count": count, "now": now, "card_awaited": now - CARD_AWAITED}


def list_oldest(session: Session, count: int, now: datetime) -> list[Happened]:
    """The oldest happenings, locked until the transaction ends, as their rows say them. An add waits for a while until
    its customer's card was read, and what happened to them after it waits as well."""
    query = _OLDEST.with_for_update(of=H) if session.get_bind().dialect.name == "postgresql" else _OLDEST
    found = session.execute(query, _asked(count, now)).mappings()
    return [
        Happened(row["kind"], row["external_userid"], row["happened_at"], row["detail"], row["userid"], id=row["id"])
        for row in found
    ]


def remove(session: Session, ids: Collection[int]) -> None:
    """Journeys were asked about these."""
    session.execute(delete(H).where(among(session.get_bind().dialect.name, H.c.id, "ids")), {"ids": sorted(ids)})


def complete(session: Session, happened: Sequence[Happened]) -> list[Happened]:
    """The same with what our tables say of them now, without those that are not so any more: an add that has ended, an
    order that was given back, a customer who is somebody's contact again."""
    kinds = {each.kind for each in happened}
    adds = _read_adds(session, happened) if ADDED in kinds else {}
    orders = _read_orders(session, happened) if ORDERED in kinds else {}
    departments = map_departments(session) if adds else {}
    found_again = _list_present(session, {each.external_userid for each in happened if each.kind == LOST})
    found = []
    for each in happened:
        detail: Mapping[str, Any] | None = each.detail
        if each.kind == ADDED:
            detail = adds.get((each.userid, each.external_userid))
        elif each.kind == ORDERED:
            detail = orders.get((each.detail["order_id"], each.external_userid))
        if detail is not None and not (each.kind == LOST and each.external_userid in found_again):
            found.append(each._replace(detail=detail, department_ids=departments.get(each.userid, frozenset())))
    return found


def _read_adds(session: Session, happened: Sequence[Happened]) -> dict[tuple[str, str], dict[str, Any]]:
    """By (userid, external_userid), of present follows."""
    query = select(F.c.userid, F.c.external_userid, F.c.state, F.c.inherited | F.c.known_before).where(
        among(session.get_bind().dialect.name, F.c.external_userid, "customers"),
        F.c.status == FollowStatus.PRESENT.value,
    )
    rows = session.execute(query, {"customers": sorted({each.external_userid for each in happened})})
    return {(row[0], row[1]): {"state": row[2], "known": bool(row[3])} for row in rows}


def _read_orders(session: Session, happened: Sequence[Happened]) -> dict[tuple[int, str], dict[str, Any]]:
    """By (id, external_userid), of orders that are paid and count."""
    paid = [status.value for status in PAID]
    others = O.alias("others")
    nth = (
        select(func.count())
        .where(
            others.c.external_userid == O.c.external_userid, others.c.status.in_(paid), others.c.covered.is_(False),
            (others.c.placed_at < O.c.placed_at) | ((others.c.placed_at == O.c.placed_at) & (others.c.id <= O.c.id)),
        )
        .scalar_subquery()
    )  # fmt: skip
    query = select(O, nth.label("nth")).where(
        among(session.get_bind().dialect.name, O.c.id, "orders"), O.c.status.in_(paid), O.c.covered.is_(False)
    )
    ids = {each.detail["order_id"] for each in happened if each.kind == ORDERED}
    rows = [dict(row) for row in session.execute(query, {"orders": sorted(ids)}).mappings()]
    payments = _read_payments(session, rows, ids)
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for row in rows:
        detail = found[row["id"], row["external_userid"]] = _order_detail(row, row["nth"])
        for payment in payments:
            is_its = payment["trade_number"] in (row["trade_number"], row["number"])
            if is_its and payment["external_userid"] == row["external_userid"]:
                detail["told_as"] = _order_detail(payment, row["nth"])
    return found


def _order_detail(row: Mapping[str, Any], nth: int) -> dict[str, Any]:
    products = [item.get("name", "") for item in row["items"]]
    return {"nth": nth, "fen": row["amount_fen"], "source": row["source"], "products": products}


def _read_payments(
    session: Session, orders: Sequence[Mapping[str, Any]], asked_now: Collection[int]
) -> list[dict[str, Any]]:
    """Payments in chats for some orders of shops of which journeys were asked before those came."""
    shops = [row for row in orders if row["source"] != WECOM_PAY]
    numbers = {row[name] for row in shops for name in ("number", "trade_number")} - {""}
    if not numbers:
        return []
    query = select(O).where(
        among(session.get_bind().dialect.name, O.c.trade_number, "numbers"), O.c.trade_number != "",
        O.c.source == WECOM_PAY, O.c.covered.is_(True), O.c.matched_at.is_not(None),
    )  # fmt: skip
    earliest = min(row["received_at"] for row in shops)
    found = session.execute(query, {"numbers": sorted(numbers)}).mappings()
    return [dict(row) for row in found if row["id"] not in asked_now and row["matched_at"] < earliest]
