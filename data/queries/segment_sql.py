"""A segment's conditions in the SQL of either database, as a plan (`segment_plans`) wants them asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, exists, false, func, literal, not_, or_, select, true

from data.models import FollowStatus
from data.queries.segment_terms import (
    All,
    AmountTerm,
    Asking,
    ColumnTerm,
    Condition,
    F,
    Is,
    SetTerm,
    Some,
    Sql,
    Term,
    Unsure,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one segment is asked. `conjuncts` must all hold; `leader` is the one of them that finds
    the fewest, about `rows`, if any does. `whole`: the same conjuncts for one statement about all follows, where some
    are asked in another way then.

    `few`: few follows are looked at, so that PostgreSQL too looks everything up for each. `live`: only present follows
    are meant, which the tags on follows know as well.
    """

    asking: Asking
    conjuncts: tuple[Condition, ...]
    live: bool
    leader: Any = None
    rows: int = 0
    few: bool = False
    never: bool = False
    whole: tuple[Condition, ...] | None = None

    @property
    def on_sqlite(self) -> bool:
        """Whether SQLite is asked."""
        return self.asking.dialect == "sqlite"

    @property
    def needs_tags_only(self) -> bool:
        """Whether the index of tags on follows alone knows the answer."""
        return (
            self.live
            and self.leader is not None
            and is_tagged(self.leader)
            and all(map(_is_about_tags, self.conjuncts))
        )


def is_tagged(condition: Condition) -> bool:
    return (
        isinstance(condition, Is) and isinstance(condition.term, SetTerm) and condition.term.of_tags and condition.holds
    )


def _is_about_tags(condition: Condition) -> bool:
    match condition:
        case Is():
            return isinstance(condition.term, SetTerm) and condition.term.of_tags
        case All() | Some():
            return all(map(_is_about_tags, condition.parts))
        case Unsure():
            return True


def rows_where(term: SetTerm, plan: Plan, holds: bool = True) -> list[Sql]:
    """The rows of a term; of tags, only those on present follows where no others are meant."""
    live = [term.member.table.c.live.is_(True)] if term.of_tags and plan.live and holds else []
    return [*term.where, *live]


def _rows_of_one(term: SetTerm, key: Any, where: list[Sql]) -> Select[Any]:
    found = select(literal(1)).select_from(term.member.table).where(term.member == key, *where)
    return found.with_hint(term.member.table, f"INDEXED BY {term.hint}", "sqlite") if term.hint else found


def sql_of(condition: Condition, plan: Plan, keys: Any = F.c, *, alone: bool = True) -> Sql:
    """A condition on the follow whose `id` and `external_userid` are those of `keys`.

    `alone`: it must hold, whatever else does. PostgreSQL joins what must hold; beside an OR it only looks into sets.
    """
    match condition:
        case All():
            return and_(true(), *(sql_of(part, plan, keys, alone=alone) for part in condition.parts))
        case Some():
            return or_(false(), *(sql_of(part, plan, keys, alone=False) for part in condition.parts))
        case Is():
            return _sql_of_term(condition.term, condition.holds, plan, keys, alone=alone)
        case Unsure():
            return false()


def _sql_of_term(term: Term, holds: bool, plan: Plan, keys: Any, *, alone: bool) -> Sql:
    if isinstance(term, ColumnTerm):
        return term.yes if holds else not_(term.yes)
    if isinstance(term, AmountTerm):
        found = _amount(term, plan, keys, alone=alone)
        return found if holds else not_(found)
    if term.own is not None and keys is F.c and not _leads(term, plan):
        return term.own if holds else not_(term.own)
    key, where = keys[term.key], rows_where(term, plan, holds)
    if term.listed:
        members = select(term.member)
        return key.in_(members) if holds else key.not_in(members)  # type: ignore[no-any-return]
    if not plan.few and not plan.on_sqlite and not alone:
        members = _members(term, where)
        return key.in_(members) if holds else key.not_in(members)  # type: ignore[no-any-return]
    there = exists(_rows_of_one(term, key, where))
    return there if holds else not_(there)


def _leads(term: SetTerm, plan: Plan) -> bool:
    return plan.leader is not None and plan.leader.term is term


def _members(term: SetTerm, where: list[Sql]) -> Any:
    """The keys of a term's rows, none of them NULL: so few different ones that they fit into memory."""
    found = select(term.member.label("whose")).where(*where)
    return found if term.of_tags else found.where(term.member.is_not(None)).distinct()


def _amount(term: AmountTerm, plan: Plan, keys: Any, *, alone: bool) -> Sql:
    key = keys["external_userid"]
    if plan.few or plan.on_sqlite:
        of_one = select(term.amount).select_from(term.member.table).where(term.member == key, *term.where)
        return term.within(of_one.scalar_subquery())
    within, nothing_too = term.within(term.amount), term.low <= 0
    groups = (
        select(term.member.label("whose"))
        .where(*term.where, term.member.is_not(None))
        .group_by(term.member)
        .having(not_(within) if nothing_too else within)
    )
    if not alone:
        return key.not_in(groups) if nothing_too else key.in_(groups)  # type: ignore[no-any-return]
    rows = groups.subquery()
    found = exists(select(literal(1)).where(rows.c.whose == key))
    return not_(found) if nothing_too else found


def present() -> Sql:
    """The follows that are meant unless the tree says otherwise."""
    return F.c.status == FollowStatus.PRESENT.value  # type: ignore[no-any-return]


def selected(plan: Plan, *columns: Any, within: tuple[Any, Any] | None = None, in_order: bool = False) -> Select[Any]:
    """SELECT of the follows. `within`: only ids after the first and up to the second; `in_order`: of their ids."""
    found = select(*columns).select_from(F)
    if within is not None:
        found = found.where(F.c.id > within[0], F.c.id <= within[1])
    if plan.never:
        return found.where(false())
    if plan.live:
        found = found.where(present())
    by_id = within is not None or in_order
    rest = list(plan.conjuncts if by_id or plan.whole is None else plan.whole)
    if plan.on_sqlite:
        leads = plan.leader is not None and (not by_id or is_tagged(plan.leader))
        found = _led_on_sqlite(found, plan, within, leads=leads)
        rest = [each for each in rest if not leads or each is not plan.leader]
    return found.where(*(sql_of(each, plan) for each in rest))


def _led_on_sqlite(found: Select[Any], plan: Plan, within: tuple[Any, Any] | None, *, leads: bool) -> Select[Any]:
    term = plan.leader.term if plan.leader is not None and leads else None
    if isinstance(term, SetTerm):
        bounds = [] if within is None else [term.member > within[0], term.member <= within[1]]
        rows = select(term.member).where(*rows_where(term, plan), *bounds)
        found = found.where(F.c[term.key].in_(rows))
        hint = "NOT INDEXED" if term.of_tags else "INDEXED BY ix_follows_external_userid"
        return found.with_hint(F, hint, "sqlite")
    if isinstance(term, ColumnTerm):
        return found.where(term.yes)
    return found.with_hint(F, "NOT INDEXED", "sqlite")


def counted(plan: Plan) -> Select[Any]:
    """SELECT of how many follows they are."""
    if plan.needs_tags_only and not plan.never:
        assert plan.leader is not None
        assert isinstance(plan.leader.term, SetTerm)
        return _counted_by_tags(plan, plan.leader.term)
    return selected(plan, func.count())


def _counted_by_tags(plan: Plan, term: SetTerm) -> Select[Any]:
    """The same from the index of tags on follows alone."""
    others = [each for each in plan.conjuncts if each is not plan.leader]
    rows: Any = term.member.table
    where = rows_where(term, plan)
    if not term.unique:
        rows = select(term.member.label("follow_id")).where(*where).distinct().subquery()
        where = []
    keys = {"id": rows.c.follow_id}
    return select(func.count()).select_from(rows).where(*where, *(sql_of(each, plan, keys) for each in others))
