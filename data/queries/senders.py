"""Who of the staff may reach whom: read for a wave, and decided in SQL as `data/rules/senders.py` decides it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Select, Text, and_, bindparam, case, cast, false, func, literal, null, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col

from data.bulk import among
from data.models import Follow, FollowStatus, RecipientState, Staff
from data.queries.leaves import map_substitutes
from data.queries.markings import map_tag_nos
from data.queries.staff import list_within
from data.queries.tags import list_live_ids
from data.rules.journeys import Journey
from data.rules.senders import SenderChoice, SenderPolicy, Senders

F: Any = Follow.__table__  # type: ignore[attr-defined]
X: Any = F.alias("stand_ins")
P: Any = Staff.__table__  # type: ignore[attr-defined]

_ACTIVE = 1
_ON_LEAVE = RecipientState.SENDER_ON_LEAVE.name.lower()
_DUPLICATE = RecipientState.DUPLICATE.name.lower()
_CAPPED = RecipientState.CAPPED.name.lower()


def list_unable(session: Session) -> frozenset[str]:
    """Members who cannot send to customers. WeCom decides of those whom we do not know."""
    able = (col(Staff.gone_at).is_(None), col(Staff.status) == _ACTIVE, col(Staff.follows_customers).is_(True))
    return frozenset(session.execute(select(col(Staff.userid)).where(or_(*(~each for each in able)))).scalars())


def read_senders(session: Session, choice: SenderChoice, day: date) -> Senders:
    """A wave's choice of senders with what is known of the staff on a day; a tag that is gone is worn by nobody."""
    numbers = {tag_id: tag_no for tag_no, tag_id in map_tag_nos(session, choice.sender_tag_ids).items()}
    return Senders(
        day=day,
        policy=choice.sender_policy,
        tag_nos=tuple(numbers[tag_id] for tag_id in choice.sender_tag_ids if tag_id in numbers),
        fallback=SenderPolicy(choice.sender_fallback),
        unable=list_unable(session),
        excluded=choice.excluded_userids,
        on_leave=map_substitutes(session, day),
    )


def read_journey_senders(session: Session, journey: Journey, day: date) -> Senders:
    """The same for a journey, which may be for some members' customers alone."""
    return replace(read_senders(session, journey, day), only=list_only(session, journey))


def list_only(session: Session, journey: Journey) -> frozenset[str] | None:
    """Through whom alone a journey works; None: through everybody."""
    only = journey.members
    return None if only is None else list_within(session, only.userids, only.department_ids)


def list_named(session: Session, choice: SenderChoice) -> tuple[frozenset[str], frozenset[str]]:
    """What there is of the tags and the staff that a choice names."""
    live = frozenset(list_live_ids(session)) if choice.sender_tag_ids else frozenset()
    return live, find_known(session, choice.excluded_userids)


def find_known(session: Session, userids: Collection[str]) -> frozenset[str]:
    """Those of some members who are known."""
    known = select(P.c.userid).where(among(session.get_bind().dialect.name, P.c.userid, "userids"))
    return frozenset(session.execute(known, {"userids": sorted(userids)}).scalars()) if userids else frozenset()


def tag_place(senders: Senders, dialect: str) -> Any:
    """The place among a wave's tags of the first that a follow wears, or how many they are."""
    if senders.policy is not SenderPolicy.TAG_OWNER or not senders.tag_nos:
        return literal(0)
    has = func.instr if dialect == "sqlite" else func.strpos
    places = [(has(F.c.tag_list, f",{tag_no},") > 0, number) for number, tag_no in enumerate(senders.tag_nos)]
    return case(*places, else_=len(places))


# -- in SQL


def of_several(
    whole: Select[Any], senders: Senders, dialect: str, room: Any = None
) -> tuple[Select[Any], dict[str, Any]]:
    """What `decide` decides about the follows of `whole` whose customer several follow, and its parameters.

    `room`: how many more may reach a follow's customer, as SQL, where several may and that is bounded. `whole` begins
    with userid and state (why nothing is sent to the customer, or NULL). There `state` is what was decided, and another
    column, `stand_in`, the userid of somebody who sends to the customer of a follow that is not of the audience: once
    for each of these.
    """
    names = [each.name for each in whole.selected_columns]
    more = (F.c.id.label("follow_id"), F.c.external_userid.label("whose"), F.c.added_at.label("added"))
    refusal, given = _refusal(senders, dialect)
    place = tag_place(senders, dialect).label("place")
    bounds = () if room is None else (room.label("room"),)
    mine = whole.where(F.c.shared.is_(True)).add_columns(*more, place, refusal.label("refusal"), *bounds).subquery()
    able = case((and_(mine.c.state.is_(None), mine.c.refusal.is_(None)), mine.c.follow_id))
    if senders.substitutes:
        way = _with_substitutes(mine, able, dialect).subquery()
        given["substitutes"] = json.dumps(dict(senders.substitutes))
    else:
        way = select(mine, able.label("through"), cast(null(), Text).label("substitute")).subquery()
    if senders.policy is SenderPolicy.ALL:
        winner = way.c.through if room is None else _within(way)
    else:
        winner = _first(way, senders)
    outside = _is_outside(way) if senders.substitutes else false()
    decided = select(way, winner.label("winner"), outside.label("is_outside")).subquery()
    state = case(
        (decided.c.winner == decided.c.follow_id, null()),
        (decided.c.winner.is_not(None), literal(_DUPLICATE)),
        (decided.c.through.is_not(None), literal(_CAPPED)),
        else_=func.coalesce(decided.c.state, decided.c.refusal),
    ).label("state")
    stands_in = and_(decided.c.is_outside, decided.c.winner == decided.c.through)
    columns = [state if name == "state" else decided.c[name] for name in names]
    return select(*columns, case((stands_in, decided.c.substitute)).label("stand_in")), given


def _refusal(senders: Senders, dialect: str) -> tuple[Any, dict[str, Any]]:
    """Why the staff member of a follow does not send, as SQL, and its parameters."""
    reasons = {
        RecipientState.SENDER_UNABLE: ("unable", senders.unable),
        RecipientState.SENDER_EXCLUDED: ("excluded", senders.excluded),
        RecipientState.SENDER_ON_LEAVE: ("on_leave", senders.on_leave),
    }
    found: list[Any] = []
    given: dict[str, Any] = {}
    for state, (name, userids) in reasons.items():
        if userids or state is RecipientState.SENDER_UNABLE:
            found.append((among(dialect, F.c.userid, name), literal(state.name.lower())))
            given[name] = sorted(userids)
    return case(*found), given


def _with_substitutes(mine: Any, able: Any, dialect: str) -> Select[Any]:
    """`mine` with the follow through which each customer can be reached, and who stands in there."""
    pairs: Any = bindparam("substitutes", type_=Text)
    # A bare userid of digits would be taken for a place in a list.
    found = (
        func.json_extract(pairs, literal('$."').concat(mine.c.userid).concat('"'), type_=Text)
        if dialect == "sqlite"
        else cast(pairs, JSONB).op("->>", return_type=Text())(mine.c.userid)
    )
    substitute = case((and_(mine.c.state.is_(None), mine.c.refusal == _ON_LEAVE), found))
    theirs = and_(X.c.userid == substitute, X.c.external_userid == mine.c.whose, X.c.status == FollowStatus.PRESENT)
    through = func.coalesce(able, X.c.id).label("through")
    return select(mine, through, substitute.label("substitute")).outerjoin(X, theirs)


def _is_outside(way: Any) -> Any:
    """Whether a customer is reached through a follow that is not of the audience: said of one of those who lead to
    it."""
    is_itself = case((way.c.through == way.c.follow_id, 0), else_=1)
    number = func.row_number().over(partition_by=way.c.through, order_by=[is_itself, way.c.follow_id])
    return and_(way.c.through != way.c.follow_id, number == 1)


def _within(way: Any) -> Any:
    """Through which follow a customer is reached from each of theirs, as far as there is room."""
    through = way.c.through
    number = func.dense_rank().over(partition_by=way.c.whose, order_by=[through.is_(None), through])
    return case((or_(way.c.room.is_(None), number <= way.c.room), through))


def _first(way: Any, senders: Senders) -> Any:
    """Through which follow a customer is reached, for each of their follows."""
    policy = senders.fallback if senders.policy is SenderPolicy.TAG_OWNER else senders.policy
    order = [way.c.added, way.c.follow_id]
    if policy is SenderPolicy.LAST_ADDED:
        order = [each.desc() for each in order]
    through = way.c.through
    return func.first_value(through).over(
        partition_by=way.c.whose,
        order_by=[through.is_(None), way.c.place, way.c.added.is_(None), *order],
        rows=(None, 0),  # as by RANGE, without a look at who else is first
    )
