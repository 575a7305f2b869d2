"""What is known of a customer from other tables, kept in the rows of their follows too.

Segments ask most of it of every follow there is. To look it up in other tables costs half a microsecond for each of
them and each condition; in the row it costs a tenth of that. Whoever writes one of those tables calls `note_facts` (or
`note_tags`) after it in the same transaction. It is counted anew from those tables each time, by one at a time for each
customer, so that the last one who writes has seen the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import BigInteger, Text, and_, case, cast, func, literal, or_, select, text, union_all, update
from sqlmodel import Session

from data.bulk import among, sqlite_times
from data.models import (
    Birthday,
    Customer,
    Follow,
    FollowTag,
    GroupMember,
    KfSession,
    LinkClick,
    MomentReaction,
    Order,
    Touch,
)
from data.queries.locks import lock_names
from data.queries.order_credits import note_customers
from data.rules.birthdays import LUNAR, BirthdayKey
from data.rules.orders import PAID

F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741
G: Any = GroupMember.__table__  # type: ignore[attr-defined]
B: Any = Birthday.__table__  # type: ignore[attr-defined]
K: Any = LinkClick.__table__  # type: ignore[attr-defined]
MR: Any = MomentReaction.__table__  # type: ignore[attr-defined]
KF: Any = KfSession.__table__  # type: ignore[attr-defined]

E: Any = F.alias("earlier")

PER_STATEMENT = 500
_LEAP, _LUNAR = 20_000, 10_000


class Facts(Enum):
    """What a writer of another table may have changed."""

    CARD = "card"
    TOUCHES = "touches"
    ORDERS = "orders"
    GROUPS = "groups"
    CLICKS = "clicks"
    REACTIONS = "reactions"
    BIRTHDAY = "birthday"
    KF = "kf"
    COLLEAGUES = "colleagues"


ALL = tuple(Facts)


def tag_list_of(tag_nos: Collection[int]) -> str:
    """The numbers of tags as a follow's row has them: `,3,14,`, so that `,3,` is found in it."""
    return "".join(f",{number}" for number in sorted(tag_nos)) + "," if tag_nos else ""


def birthday_number(key: BirthdayKey) -> int:
    """A birthday as a follow's row has it: month * 100 + day, and beyond that which calendar."""
    return key.month_day + (0 if key.calendar != LUNAR else _LEAP if key.is_leap_month else _LUNAR)


def _of_customer(table: Any, what: Any, *where: Any, key: Any = None) -> Any:
    return select(what).where((table.c.external_userid if key is None else key) == F.c.external_userid, *where)


#: By whom, and when: all that customers do and the company's own app sees, each in a table of its own.
_ACTS = (
    (O.c.external_userid, O.c.placed_at),
    (K.c.external_userid, K.c.last_at),
    (MR.c.external_userid, MR.c.reacted_at),
    (G.c.userid, G.c.joined_at),
    (KF.c.contact_id, KF.c.written_at),
)


def _active_at() -> Any:
    """When a follow's customer last did any of these."""
    last = union_all(
        *(select(func.max(at).label("at")).where(whose == F.c.external_userid).correlate(F) for whose, at in _ACTS)
    ).subquery()
    return select(func.max(last.c.at)).correlate(F).scalar_subquery()


def _counted() -> dict[Facts, dict[str, Any]]:
    """The facts of a follow's customer, as the other tables have them."""
    paid = and_(O.c.status.in_([status.value for status in PAID]), O.c.covered.is_(False))
    earlier = or_(
        and_(E.c.added_at.is_not(None), or_(F.c.added_at.is_(None), E.c.added_at < F.c.added_at)),
        and_(E.c.added_at.is_not_distinct_from(F.c.added_at), E.c.id < F.c.id),
    )
    number = B.c.month_day + case((B.c.calendar != LUNAR, 0), (B.c.is_leap_month.is_(True), _LEAP), else_=_LUNAR)
    active = {"active_at": _active_at()}
    return {
        Facts.CARD: {
            "gender": func.coalesce(_of_customer(C, C.c.gender).scalar_subquery(), 0),
            "contact_type": func.coalesce(_of_customer(C, C.c.type).scalar_subquery(), 0),
        },
        Facts.TOUCHES: {"touched_at": _of_customer(T, func.max(T.c.touched_at)).scalar_subquery()},
        Facts.ORDERS: {
            "paid_orders": _of_customer(O, func.count(), paid).scalar_subquery(),
            "paid_fen": cast(
                _of_customer(O, func.coalesce(func.sum(O.c.amount_fen), 0), paid).scalar_subquery(), BigInteger
            ),
            "bought_at": _of_customer(O, func.max(O.c.placed_at), paid).scalar_subquery(),
            **active,
        },
        Facts.GROUPS: {
            "in_groups": _of_customer(G, func.count(), G.c.left_at.is_(None), key=G.c.userid).scalar_subquery(),
            **active,
        },
        Facts.CLICKS: active,
        Facts.REACTIONS: active,
        Facts.KF: active,
        Facts.BIRTHDAY: {"birthday": _of_customer(B, number).scalar_subquery()},
        Facts.COLLEAGUES: {
            "known_before": _of_customer(E, literal(1), earlier).correlate(F).exists(),
            "shared": _of_customer(E, literal(1), E.c.id != F.c.id).correlate(F).exists(),
        },
    }


_NUMBERS = select(FT.c.tag_no).where(FT.c.follow_id == F.c.id).order_by(FT.c.tag_no).correlate(F).subquery()
_TAG_LIST = func.coalesce(
    literal(",").concat(
        select(func.aggregate_strings(cast(_NUMBERS.c.tag_no, Text), ",")).correlate(F).scalar_subquery().concat(",")
    ),
    "",
)


_COUNTED = _counted()
_EVERYTHING = {name: value for values in _COUNTED.values() for name, value in values.items()} | {"tag_list": _TAG_LIST}
#: Counts the facts of all follows anew.
RECOUNT = update(F).values(_EVERYTHING)


@lru_cache
def _note_facts(dialect: str, which: tuple[Facts, ...]) -> Any:
    values = {name: value for each in which for name, value in _COUNTED[each].items()}
    return update(F).where(among(dialect, F.c.external_userid, "ids")).values(values)


_LOCK_FOLLOWS = select(F.c.id).where(among("postgresql", F.c.id, "ids")).order_by(F.c.id).with_for_update()


@lru_cache
def _note_tags(dialect: str) -> Any:
    return update(F).where(among(dialect, F.c.id, "ids")).values(tag_list=_TAG_LIST)


def note_facts(session: Session, external_userids: Collection[str], *which: Facts) -> None:
    """Let the follows of these customers know what was written about them; everything if nothing is named."""
    connection, dialect = session.connection(), session.get_bind().dialect.name
    ids = sorted(set(external_userids) - {""})
    session.flush()
    for start in range(0, len(ids), PER_STATEMENT):
        some = ids[start : start + PER_STATEMENT]
        # Not by their rows: a first message may be noted before there is a row of the customer.
        lock_names(session, "facts", some)
        connection.execute(_note_facts(dialect, which or ALL), {"ids": some})
        if not which or Facts.COLLEAGUES in which:
            note_customers(session, some)


_RAISE = "UPDATE follows SET touched_at = given.at FROM {given} WHERE {same} AND {older}"
_OLDER = "(follows.touched_at IS NULL OR follows.touched_at < given.at)"
_PAIRS = "(SELECT {key} AS id, value AS at FROM json_each(:instants)) AS given"
_OF_CUSTOMERS = "follows.external_userid = given.id"
_ARRAYS = "unnest(CAST(:ids AS TEXT[]), CAST(:instants AS TIMESTAMPTZ[])) AS given (id, at)"
_RAISE_ON_SQLITE = text(_RAISE.format(given=_PAIRS.format(key="key"), same=_OF_CUSTOMERS, older=_OLDER))
_RAISE_ALONE = text(
    _RAISE.format(given=_PAIRS.format(key="CAST(key AS INTEGER)"), same="follows.id = given.id", older=_OLDER)
)
_RAISE_ON_POSTGRES = text(_RAISE.format(given=_ARRAYS, same=_OF_CUSTOMERS, older=_OLDER))


def note_touched(session: Session, touched: Iterable[tuple[str, datetime, int | None]]) -> None:
    """The same as `note_facts` for touches that all were new: the newest is not looked for.

    Each is told as external_userid, when, and the id of the customer's only follow, where it is known to be that:
    SQLite finds it sooner.
    """
    newest: dict[str, datetime] = {}
    alone: dict[str, int] = {}
    for whom, at, follow_id in touched:
        newest[whom] = max(at, newest.get(whom, at))
        if follow_id is not None and whom:
            alone[whom] = follow_id
    newest.pop("", None)
    if not newest:
        return
    connection = session.connection()
    session.flush()
    if session.get_bind().dialect.name == "sqlite":
        at_of = dict(zip(newest, sqlite_times(list(newest.values())), strict=True))
        for statement, instants in (
            (_RAISE_ALONE, {str(follow_id): at_of.pop(whom) for whom, follow_id in alone.items()}),
            (_RAISE_ON_SQLITE, at_of),
        ):
            if instants:
                connection.execute(statement, {"instants": to_json(instants).decode()})
        return
    ids = sorted(newest)
    # Another follow of the same customer may be made meanwhile, until this.
    lock_names(session, "facts", ids)
    connection.execute(_RAISE_ON_POSTGRES, {"ids": ids, "instants": [newest[whom] for whom in ids]})


def note_tags(session: Session, follow_ids: Collection[int | None]) -> None:
    """Let follows know which tags are on them now."""
    connection, dialect = session.connection(), session.get_bind().dialect.name
    ids = sorted({each for each in follow_ids if each is not None})
    session.flush()
    for start in range(0, len(ids), PER_STATEMENT):
        some = {"ids": ids[start : start + PER_STATEMENT]}
        if dialect == "postgresql":
            connection.execute(_LOCK_FOLLOWS, some)
        connection.execute(_note_tags(dialect), some)


_THERE_ARE = select(
    *(select(literal(1)).select_from(table).exists() for table in (T, O, G, B, K, MR, KF)),
)


def note_new_follows(session: Session, external_userids: Collection[str]) -> None:
    """Let follows that were just made, with their customers' cards and tags, know the rest."""
    if external_userids:
        filled = session.connection().execute(_THERE_ARE).one()
        which = (
            Facts.TOUCHES, Facts.ORDERS, Facts.GROUPS, Facts.BIRTHDAY, Facts.CLICKS, Facts.REACTIONS, Facts.KF,
        )  # fmt: skip
        wanted = [fact for fact, there in zip(which, filled, strict=True) if there]
        if wanted:
            note_facts(session, external_userids, *wanted)
        if Facts.ORDERS in wanted:
            note_customers(session, external_userids)


def list_wrong(session: Session, after_id: int, limit: int) -> tuple[list[tuple[int, str]], int | None]:
    """Follows among the next ones whose facts are not what the other tables say (id, external_userid), and the id to
    go on behind; None at the end."""
    ids = select(F.c.id).where(F.c.id > after_id).order_by(F.c.id).limit(limit)
    last = session.execute(select(func.max(ids.subquery().c.id))).scalar()
    if last is None:
        return [], None
    differs = or_(*(F.c[name].is_distinct_from(value) for name, value in _EVERYTHING.items()))
    query = select(F.c.id, F.c.external_userid).where(and_(F.c.id > after_id, F.c.id <= last, differs))
    return [(row[0], row[1]) for row in session.execute(query)], last


def mend(session: Session, follows: Collection[tuple[int, str]]) -> None:
    """Count the facts of these follows anew."""
    note_facts(session, [external_userid for _, external_userid in follows])
    note_tags(session, [follow_id for follow_id, _ in follows])
