"""What customers want to hear, of one and of many; every message to one customer asks here first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, null, or_, select
from sqlmodel import Session, col

from data.errors import NotFoundError
from data.models import Customer, GroupMember, Preference, Touch
from data.queries.happenings import note
from data.queries.touches import list_times
from data.queries.upsert import upsert
from data.rules import preferences as rules
from data.rules.happenings import OPTED_OUT, Happened
from data.rules.preferences import NOT_COUNTED, RefusalReason, TouchKind, Verdict, may_touch, window_start
from data.rules.problems import parse

P: Any = Preference.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
#: Ids per statement.
CHUNK = 500


def find_preference(session: Session, external_userid: str) -> Preference | None:
    """What a customer said, if anything, and who wrote it down."""
    return session.get(Preference, external_userid)


def find_rule(session: Session, external_userid: str) -> rules.Preference | None:
    """The same as the rule that `may_touch` asks."""
    row = find_preference(session, external_userid)
    return None if row is None else to_rule(row)


def to_rule(row: Preference) -> rules.Preference:
    """What a row means."""
    return rules.Preference.model_construct(
        opted_out=row.opted_out_at is not None,
        paused_until=row.paused_until,
        cap_count=row.cap_count,
        cap_days=row.cap_days,
        reason=row.reason,
    )


def save_preference(
    session: Session, external_userid: str, wanted: rules.Preference, changed_by: str, now: datetime
) -> Preference:
    """Write down what a customer wants, in the place of what stood there; who wrote it, and why, is kept with it.

    Raises NotFoundError for a customer whom we do not know.
    """
    known = _lock(session, external_userid)
    since = known.opted_out_at if known is not None and known.opted_out_at is not None else now
    row = {
        "external_userid": external_userid,
        "opted_out_at": since if wanted.opted_out else None,
        "paused_until": wanted.paused_until,
        "cap_count": wanted.cap_count,
        "cap_days": wanted.cap_days,
        "reason": wanted.reason,
        "changed_by": changed_by[:64],
        "changed_at": now,
    }
    upsert(session, Preference, [row])
    if wanted.opted_out and (known is None or known.opted_out_at is None):
        note(session, [Happened(OPTED_OUT, external_userid, now)])
    session.expire_all()
    return session.get_one(Preference, external_userid)


def change_preference(
    session: Session, external_userid: str, changes: Mapping[str, Any], changed_by: str, now: datetime
) -> Preference:
    """The same for single fields (JSON merge patch: null takes one back). The reason is that of this change.

    Raises InvalidRuleError as well.
    """
    known = _lock(session, external_userid)
    before = to_rule(known).model_dump(mode="json", exclude={"reason"}) if known is not None else {}
    wanted = {name: value for name, value in {**before, **changes}.items() if value is not None}
    return save_preference(session, external_userid, parse(rules.Preference, wanted), changed_by, now)


def _lock(session: Session, external_userid: str) -> Preference | None:
    if session.get(Customer, external_userid, with_for_update=True) is None:
        raise NotFoundError(
            "There is no such customer.", "Its external_userid is the one that WeCom shows to this app."
        )
    return session.get(Preference, external_userid)


def judge(
    session: Session, external_userid: str, now: datetime, zone: tzinfo, kind: TouchKind, *, answers: bool = True
) -> Verdict:
    """Whether a message of this kind may go to a customer now, by our rows."""
    wanted = find_rule(session, external_userid)
    touched: Sequence[datetime] = ()
    if wanted is not None and wanted.cap_days is not None:
        touched = list_times(session, external_userid, window_start(now, zone, wanted.cap_days))
    return may_touch(wanted, touched, now, zone, kind, answers=answers)


# -- many at once


@dataclass(frozen=True, slots=True)
class Audience:
    """How many of a set of customers a message may go to, and why not to the others: each counts once."""

    touchable: int = 0
    opted_out: int = 0
    paused: int = 0
    capped: int = 0


def cap_windows(session: Session, now: datetime, zone: tzinfo) -> dict[int, datetime]:
    """Where the window of each cap in use begins, by its days."""
    days = session.execute(select(P.c.cap_days).where(P.c.cap_days.is_not(None)).distinct()).scalars()
    return {each: window_start(now, zone, each) for each in days}


def refusal_of(whom: ColumnElement[str], now: datetime, windows: Mapping[int, datetime]) -> ColumnElement[str | None]:
    """The RefusalReason of a customer as SQL, NULL for one whom a message may go to.

    `whom` is the customer's column, and the statement has `preferences` outer-joined on it (`join_preferences`).
    """
    return case(
        (P.c.opted_out_at.is_not(None), literal(RefusalReason.OPTED_OUT.value)),
        (P.c.paused_until > now, literal(RefusalReason.PAUSED.value)),
        # Who has no cap, nearly everybody: their touches are not counted.
        (P.c.cap_count.is_(None), null()),
        (_is_capped(whom, windows), literal(RefusalReason.CAPPED.value)),
        else_=null(),
    )


def _is_capped(whom: ColumnElement[str], windows: Mapping[int, datetime]) -> ColumnElement[bool]:
    reached = [
        and_(P.c.cap_days == days, _count_touches(whom, since) >= P.c.cap_count)
        for days, since in sorted(windows.items())
    ]
    return or_(*reached) if reached else false()


def _count_touches(whom: ColumnElement[str], since: datetime) -> ColumnElement[int]:
    return (
        select(func.count())
        .select_from(T)
        .where(T.c.external_userid == whom, T.c.touched_at >= since, T.c.kind.not_in(sorted(NOT_COUNTED)))
        .scalar_subquery()
    )


def room_of(whom: ColumnElement[str], windows: Mapping[int, datetime]) -> ColumnElement[int | None]:
    """How many more messages a customer wants to get now, as SQL as `refusal_of` is; NULL for one without a cap."""
    rooms = [(P.c.cap_days == days, P.c.cap_count - _count_touches(whom, since)) for days, since in windows.items()]
    return case(*rooms, else_=null())


def join_preferences(statement: Select[Any], whom: ColumnElement[str]) -> Select[Any]:
    """A statement with what each of its customers wants beside it."""
    return statement.outerjoin(P, P.c.external_userid == whom)


def count_audience(session: Session, audience: Select[Any], now: datetime, zone: tzinfo) -> Audience:
    """How many of the customers that `audience` selects (one column, each customer once) a message may go to."""
    whom = audience.subquery("audience").c[0]
    reason = refusal_of(whom, now, cap_windows(session, now, zone)).label("reason")
    told = join_preferences(select(reason).select_from(whom.table), whom).subquery("told")
    counts = dict(session.execute(select(told.c.reason, func.count()).group_by(told.c.reason)).all())
    return Audience(counts.get(None, 0), *(counts.get(each.value, 0) for each in RefusalReason))


def list_touchable(session: Session, external_userids: Collection[str], now: datetime, zone: tzinfo) -> set[str]:
    """Those of the customers whom a message may go to: who sends asks again right before, whatever was planned."""
    windows = cap_windows(session, now, zone)
    refused: set[str] = set()
    wanted = sorted(set(external_userids))
    reason = refusal_of(P.c.external_userid, now, windows)
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        refused |= set(
            session.execute(
                select(P.c.external_userid).where(P.c.external_userid.in_(some), reason.is_not(None))
            ).scalars()
        )
    return set(wanted) - refused


def count_opted_out(session: Session, audience: Select[Any]) -> int:
    """How many of the customers that `audience` selects (one column) want to hear nothing: for Moments' previews."""
    query = select(func.count()).where(P.c.opted_out_at.is_not(None), P.c.external_userid.in_(audience))
    return int(session.execute(query).scalar_one())


def count_opted_out_in_groups(session: Session, chat_ids: Collection[str]) -> int:
    """How many customers who want to hear nothing are in these groups, each once: they read what is sent there."""
    found: set[str] = set()
    wanted = sorted(set(chat_ids))
    for start in range(0, len(wanted), CHUNK):
        members = (
            select(col(GroupMember.userid))
            .join(Preference, col(Preference.external_userid) == col(GroupMember.userid))
            .where(
                col(GroupMember.chat_id).in_(wanted[start : start + CHUNK]),
                col(GroupMember.left_at).is_(None),
                col(Preference.opted_out_at).is_not(None),
            )
            .distinct()
        )
        found |= set(session.execute(members).scalars())
    return len(found)
