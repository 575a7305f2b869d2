"""How many an audience is, and of whom: what planning would decide about all of it, in numbers, without a row each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, case, cast, func, literal, null, select
from sqlmodel import Session

from data.bulk import among
from data.models import Follow, FollowStatus, Preference, RecipientState
from data.queries.caps import has_any_reached, has_reached, have_reached, reason_of, state_of
from data.queries.preferences import join_preferences
from data.queries.recipients import Source, room_in
from data.queries.segment_plans import LISTED_ROWS, prepare
from data.queries.segment_sql import selected
from data.queries.senders import of_several
from data.rules.campaigns import Group, Tally, placed
from data.rules.preferences import GROUP_SENDS
from data.rules.senders import Decision, SenderPolicy, Senders

F: Any = Follow.__table__  # type: ignore[attr-defined]
S: Any = F.alias("siblings")
P: Any = Preference.__table__  # type: ignore[attr-defined]

#: Rows that are not all held in memory at once.
_STREAMED = {"yield_per": 5000}
_NOBODY: Any = cast(null(), Text)


def count_audience(session: Session, source: Source, now: datetime, zone: Any) -> Tally:
    """What `decide` would decide about all of an audience, in numbers."""
    dialect = session.get_bind().dialect.name
    of_many = source.plan is not None and not source.plan.few
    state = reason_of(session, now, zone, source.limits, of_many=of_many).label("state")
    likely = _likely(session, source).label("likely")
    columns, given = (F.c.userid, state, likely, F.c.external_userid), dict[str, Any]()
    if source.plan is not None:
        prepare(session)
        whole = selected(source.plan, *columns)
    else:
        whole = select(*columns).select_from(F).where(among(dialect, F.c.id, "ids"))
        given["ids"] = list(source.listed)
    whole = join_preferences(whole, _whose(session, source)).where(F.c.status == FollowStatus.PRESENT)
    room, tally = room_in(session, source, now, zone), Tally()
    alone = whole.add_columns(_NOBODY.label("stand_in"))
    if source.senders.policy is SenderPolicy.ALL and not source.senders.substitutes and room is None:
        _count_rows(session, tally, source, alone, given)
        return tally
    if dialect == "sqlite":
        # All of it is gone through once: whose customer somebody else has too is only named, and asked for next.
        named = case((F.c.shared.is_(True), cast(F.c.id, Text))).label("named")
        given = {"shared": _count_rows(session, tally, source, alone.add_columns(named), given)}
        whole = join_preferences(select(*columns).select_from(F), F.c.external_userid)
        whole = whole.where(among(dialect, F.c.id, "shared"))
    else:  # naming takes PostgreSQL longer than going through it again
        _count_rows(session, tally, source, alone.where(F.c.shared.is_(False)), given)
    several, more = of_several(whole, source.senders, dialect, room)
    _count_rows(session, tally, source, several, given | more)
    return tally


def _likely(session: Session, source: Source) -> Any:
    """Whether WeCom would not deliver to a follow's customer any more, as far as we know: 1 or 0."""
    wecom = source.limits.wecom
    if wecom is None:
        return literal(0)
    if source.plan is None or source.plan.few:
        return case((has_reached(wecom, GROUP_SENDS), 1), else_=0)
    if not has_any_reached(session, wecom):
        return literal(0)
    return case((have_reached(wecom, GROUP_SENDS), 1), else_=0)


def _whose(session: Session, source: Source) -> Any:
    """Whose preferences are looked for at a follow. Where SQLite walks through all follows these are only customers who
    have any: they are few, and listed."""
    plan = source.plan
    if plan is None or not plan.on_sqlite or plan.leader is not None:
        return F.c.external_userid
    some = select(P.c.external_userid).limit(LISTED_ROWS).subquery()
    if session.execute(select(func.count()).select_from(some)).scalar_one() == LISTED_ROWS:
        return F.c.external_userid
    theirs = (
        select(S.c.id)
        .select_from(P)
        .join(S, S.c.external_userid == P.c.external_userid)
        .with_hint(S, "INDEXED BY ix_follows_external_userid", "sqlite")
    )
    return case((F.c.id.in_(theirs), F.c.external_userid))


def _count_rows(session: Session, tally: Tally, source: Source, query: Any, given: Mapping[str, Any]) -> list[int]:
    """Count the follows of `query`; of those that it has `named` only the ids are told."""
    rows = _as_it_is(query, session).subquery()
    name = rows.c.named if "named" in rows.c else None
    asked = (rows.c.userid, rows.c.state, rows.c.likely, rows.c.stand_in)
    named: list[int] = []
    if source.split is not None:
        one_by_one = select(*asked, _NOBODY if name is None else name, rows.c.external_userid)
        for some in session.execute(one_by_one, given, execution_options=_STREAMED).partitions():
            named += [int(row[4]) for row in some if row[4] is not None]
            _count_split(tally, source, (row for row in some if row[4] is None))
        return named
    number, names = func.count(), _NOBODY
    if name is not None:
        number, names = func.count(case((name.is_(None), 1))), func.aggregate_strings(name, ",")
    for userid, why, likely, stand_in, others, ids in session.execute(
        select(*asked, number, names).group_by(*asked), given
    ):
        if others:
            _count(tally, source.senders, why, userid, others, likely)
            if stand_in is not None:
                _count(tally, source.senders, None, stand_in, others, likely)
        named += map(int, ids.split(",")) if ids else []
    return named


def _as_it_is(query: Any, session: Session) -> Any:
    """The same, each row worked out once. SQLite would put a subquery's columns into what it groups by, and keep and
    work out again for each row all that they are made of; not of one with an OFFSET."""
    return query.offset(0) if session.get_bind().dialect.name == "sqlite" else query


def _count(tally: Tally, senders: Senders, why: str | None, userid: str, number: int, likely_over_cap: int) -> None:
    """Count follows of one staff member; `why` nothing is sent to the customer, as far as that is known."""
    refusal = senders.refusal_of(userid) if why is None else None
    why = why if refusal is None else refusal.name.lower()
    tally.matched += number
    if why is None:
        tally.by_sender[userid] += number
        tally.likely_over_cap += number if likely_over_cap else 0
    else:
        tally.left_out[why] += number


def _count_split(tally: Tally, source: Source, rows: Iterable[Any]) -> None:
    """The same for each follow of an audience that is split, with who stands in."""
    assert source.split is not None
    for userid, why, likely_over_cap, stand_in, _, external_userid in rows:
        state = state_of(why) or source.senders.refusal_of(userid) or RecipientState.WAITING
        decisions = [Decision(0, userid, state)]
        if stand_in is not None:
            decisions.append(Decision(0, stand_in, RecipientState.WAITING))
        for each in decisions:
            is_to_get = each.state is RecipientState.WAITING
            decision = placed(each, source.split, external_userid) if is_to_get else each
            tally.note([Group(decision.userid, decision.state, decision.variant, 1, "")])
            tally.likely_over_cap += decision.state is RecipientState.WAITING and bool(likely_over_cap)
