"""Who of the staff may reach whom: read for a wave, and decided in SQL as `data/rules/senders.py` decides it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, null, or_, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import Follow, FollowStatus, Leave, RecipientState, Staff
from data.queries.leaves import map_substitutes, on_day
from data.queries.markings import map_tag_nos
from data.queries.tags import list_live_ids
from data.rules.senders import SenderChoice, SenderPolicy, Senders

F: Any = Follow.__table__  # type: ignore[attr-defined]
X: Any = F.alias("stand_ins")
L: Any = Leave.__table__  # type: ignore[attr-defined]
P: Any = Staff.__table__  # type: ignore[attr-defined]

_ACTIVE = 1
_ON_LEAVE = RecipientState.SENDER_ON_LEAVE.name.lower()
_DUPLICATE = RecipientState.DUPLICATE.name.lower()


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


def sender_refusal(senders: Senders, dialect: str) -> tuple[Any, dict[str, Any]]:
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


def of_several(whole: Select[Any], senders: Senders, dialect: str) -> tuple[list[Select[Any]], dict[str, Any]]:
    """What `decide` decides about the follows of `whole` whose customer several follow: SELECTs of the same columns.

    `whole` begins with userid, state (why nothing is sent, or NULL) and likely. Another SELECT is of those who stand in
    and are not of the audience.
    """
    given: dict[str, Any] = {}
    names = [each.name for each in whole.selected_columns]
    more = (F.c.id.label("follow_id"), F.c.external_userid.label("whose"), F.c.added_at.label("added"))
    place = tag_place(senders, dialect).label("place")
    mine = whole.where(F.c.shared.is_(True)).add_columns(*more, place).subquery()
    through: list[tuple[Any, Any]] = [(mine.c.state.is_(None), mine.c.follow_id)]
    if senders.substitutes:
        stands_in = and_(mine.c.state == _ON_LEAVE, among(dialect, mine.c.userid, "substituted"))
        through.append((stands_in, _substitute(mine, senders.day)))
        given["substituted"] = sorted(senders.substitutes)
    through_id = case(*through)
    winner = through_id if senders.policy is SenderPolicy.ALL else _first(mine, through_id, senders)
    decided = select(mine, winner.label("winner")).subquery()
    why = case(
        (decided.c.winner == decided.c.follow_id, null()),
        (decided.c.winner.is_not(None), literal(_DUPLICATE)),
        else_=decided.c.state,
    ).label("state")
    parts = [select(*(why if name == "state" else decided.c[name] for name in names))]
    if senders.substitutes:
        parts.append(_outside(decided, names))
    return parts, given


def _substitute(mine: Any, day: date) -> Any:
    """The follow of who stands in for the staff member of one of `mine`, if that customer is theirs too."""
    return (
        select(func.min(X.c.id))
        .select_from(L)
        .join(X, X.c.userid == L.c.substitute)
        .where(L.c.userid == mine.c.userid, on_day(day), X.c.external_userid == mine.c.whose)
        .where(X.c.status == FollowStatus.PRESENT)
        .correlate(mine)
        .scalar_subquery()
    )


def _first(mine: Any, through: Any, senders: Senders) -> Any:
    """Through which follow a customer is reached, for each of their follows."""
    policy = senders.fallback if senders.policy is SenderPolicy.TAG_OWNER else senders.policy
    order = [mine.c.added, mine.c.follow_id]
    if policy is SenderPolicy.LAST_ADDED:
        order = [each.desc() for each in order]
    return func.first_value(through).over(
        partition_by=mine.c.whose, order_by=[through.is_(None), mine.c.place, mine.c.added.is_(None), *order]
    )


def _outside(decided: Any, names: Sequence[str]) -> Select[Any]:
    """Those through whom a customer is reached, and who are not of the audience themselves."""
    own = func.max(case((decided.c.winner == decided.c.follow_id, 1), else_=0))
    kept = [name for name in names if name not in ("userid", "state")]
    found = (
        select(decided.c.winner, *(func.max(decided.c[name]).label(name) for name in kept))
        .where(decided.c.winner.is_not(None))
        .group_by(decided.c.winner)
        .having(own == 0)
        .subquery()
    )
    columns = {name: found.c[name] for name in kept} | {"userid": X.c.userid, "state": null().label("state")}
    return select(*(columns[name] for name in names)).select_from(found).join(X, X.c.id == found.c.winner)
