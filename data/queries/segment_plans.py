"""How a segment is asked: which condition leads, and how the others are written, on either database.

SQLite takes what it is told: either the rows of the rarest condition lead, and the others are looked up for each; or
all follows are walked in the order of their customers, where what is asked of the customers lies side by side too.
PostgreSQL's planner joins in the order that its statistics suggest. It has to be given what it can join: EXISTS, for a
NOT IN of a million rows is looked through again for each of a million.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, exists, false, func, literal, not_, or_, select, text, true, union_all
from sqlmodel import Session

from data.models import FollowStatus
from data.queries.segment_leaves import condition_of
from data.queries.segment_terms import (
    NEVER,
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
    Unsure,
    opposite,
)
from data.rules.segments import Node, names_status

#: What leads is looked for among so many rows at first, then among so many more.
PROBED_ROWS = (2_000, 30_000)
#: A condition that holds for more than this share of all follows does not lead.
LEADING_SHARE = 0.3
#: For so few follows everything is looked up one by one, on PostgreSQL too.
FEW = 30_000

_PREPARE_POSTGRES = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('work_mem', '64MB', true),"
    " set_config('jit', 'off', true)"
)
#: SQLite's usual cache of 2 MB does not hold the upper pages of the indexes of a million follows.
_PREPARE_SQLITE = text("PRAGMA cache_size = -16384")


def prepare(session: Session) -> None:
    """Let the rest of the transaction have the memory that joining a million rows takes."""
    session.execute(_PREPARE_SQLITE if session.get_bind().dialect.name == "sqlite" else _PREPARE_POSTGRES)


def lower(tree: Node, asking: Asking) -> Condition:
    """The tree as terms, with its negations at the terms."""
    if tree.leaf is not None:
        return condition_of(tree.leaf, asking)
    parts = tuple(lower(child, asking) for child in tree.children)
    if tree.key == "not":
        return opposite(parts[0])
    return All(parts) if tree.key == "all" else Some(parts)


def simplified(condition: Condition) -> Condition:
    """The same for those of whom it is known to hold: flat, and without what holds always or never."""
    match condition:
        case Unsure():
            return NEVER
        case Is():
            return condition
        case All():
            inner = [simplified(part) for part in condition.parts]
            flat = [each for part in inner for each in (part.parts if isinstance(part, All) else (part,))]
            return NEVER if NEVER in flat else flat[0] if len(flat) == 1 else All(tuple(flat))
        case Some():
            inner = [simplified(part) for part in condition.parts]
            flat = [each for part in inner for each in (part.parts if isinstance(part, Some) else (part,))]
            always = any(isinstance(each, All) and not each.parts for each in flat)
            return All() if always else flat[0] if len(flat) == 1 else Some(tuple(flat))


@dataclass(frozen=True, slots=True)
class Plan:
    """How one segment is asked. `conjuncts` must all hold; `leader` is the one of them that finds
    the fewest, about `rows`, if any does.

    `few`: few follows are looked at, so that everything is looked up for each. `live`: only present follows are meant,
    which the tags on follows know as well.
    """

    asking: Asking
    conjuncts: tuple[Condition, ...]
    live: bool
    leader: Any = None
    rows: int = 0
    few: bool = False
    never: bool = False

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
            and _is_tagged(self.leader)
            and all(map(_is_about_tags, self.conjuncts))
        )


def make_plan(session: Session, tree: Node, asking: Asking, *, one: bool = False) -> Plan:
    """How to ask a segment; for `one` follow that is known by its id there is nothing to choose."""
    condition = simplified(lower(tree, asking))
    conjuncts = list(condition.parts if isinstance(condition, All) else (condition,))
    live = not names_status(tree)
    plan = Plan(asking, (), live, never=condition == NEVER)
    if one or plan.never:
        return replace(plan, conjuncts=tuple(conjuncts), few=True)
    if len(conjuncts) == 1 and _is_tagged(conjuncts[0]):  # nothing else could lead, and its rows are the answer
        return replace(plan, conjuncts=tuple(conjuncts), leader=conjuncts[0], rows=FEW + 1, few=plan.on_sqlite)
    sizes = _sizes(session, [each for each in conjuncts if _can_lead(each)], plan)
    if sizes:
        number = min(sizes, key=lambda number: sizes[number][1])
        leader, rows = sizes[number]
        plan = replace(plan, leader=leader, rows=rows, few=plan.on_sqlite or rows <= FEW)
    conjuncts.sort(key=lambda each: (_cost(each), sizes.get(id(each), (None, 0))[1]))
    return replace(plan, conjuncts=tuple(conjuncts))


def _can_lead(condition: Condition) -> bool:
    match condition:
        case Is(SetTerm(findable=True), True):
            return True
        case Is(ColumnTerm(), True):
            assert isinstance(condition.term, ColumnTerm)
            return bool(condition.term.index)
        case _:
            return False


def _sizes(session: Session, candidates: list[Any], plan: Plan) -> dict[int, tuple[Is, int]]:
    """About how many rows each candidate finds (by identity), as far as they are few enough to lead."""
    if not candidates:
        return {}
    total = int(session.execute(select(func.max(F.c.id))).scalar() or 0)
    largest = max(int(total * LEADING_SHARE), PROBED_ROWS[0])
    for rows in (*(each for each in PROBED_ROWS if each < largest), largest):
        found = {id(each): (each, _count(session, each, plan, rows)) for each in candidates}
        small = {number: sized for number, sized in found.items() if sized[1] < rows}
        if small:
            return small
    return {}


def _count(session: Session, candidate: Is, plan: Plan, rows: int) -> int:
    term = candidate.term
    if isinstance(term, SetTerm):
        some = select(literal(1).label("one")).select_from(term.member.table).where(*_where(term, plan)).limit(rows)
    else:
        assert isinstance(term, ColumnTerm)
        some = select(literal(1).label("one")).select_from(F).where(term.yes).limit(rows)
    return int(session.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def _is_tagged(condition: Condition) -> bool:
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


def _cost(condition: Condition) -> int:
    """What is looked at first: SQLite keeps the order in which it is given what has to be looked up."""
    match condition:
        case Is(ColumnTerm()):
            return 0
        case Is(SetTerm(findable=True), True):
            return 1
        case Is(SetTerm()):
            return 2
        case Is():
            return 3
        case _:
            return 4


def _where(term: SetTerm, plan: Plan, holds: bool = True) -> list[Sql]:
    """The rows of a term; of tags, only those on present follows where no others are meant."""
    live = [term.member.table.c.live.is_(True)] if term.of_tags and plan.live and holds else []
    return [*term.where, *live]


def _rows(plan: Plan, term: SetTerm, columns: list[Any], where: list[Sql]) -> Select[Any]:
    found = select(*columns).select_from(term.member.table).where(*where)
    return found.with_hint(term.member.table, f"INDEXED BY {term.hint}", "sqlite") if term.hint else found


def sql_of(condition: Condition, plan: Plan, keys: Any = F.c) -> Sql:
    """A condition on the follow whose `id` and `external_userid` are those of `keys`."""
    match condition:
        case All():
            return and_(true(), *(sql_of(part, plan, keys) for part in condition.parts))
        case Some():
            return or_(false(), *_alternatives(condition, plan, keys))
        case Is():
            return _sql_of_term(condition.term, condition.holds, plan, keys)
        case Unsure():
            return false()


def _sql_of_term(term: ColumnTerm | SetTerm | AmountTerm, holds: bool, plan: Plan, keys: Any) -> Sql:
    if isinstance(term, ColumnTerm):
        return term.yes if holds else not_(term.yes)
    if isinstance(term, AmountTerm):
        found = _amount(term, plan, keys)
        return found if holds else not_(found)
    key, where = keys[term.key], _where(term, plan, holds)
    if plan.on_sqlite and term.of_tags and not plan.few:
        tagged = select(term.member).where(*where)
        return key.in_(tagged) if holds else key.not_in(tagged)  # type: ignore[no-any-return]
    there = exists(_rows(plan, term, [literal(1)], [term.member == key, *where]))
    return there if holds else not_(there)


def _amount(term: AmountTerm, plan: Plan, keys: Any) -> Sql:
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
        .subquery()
    )
    found = exists(select(literal(1)).where(groups.c.whose == key))
    return not_(found) if nothing_too else found


def _alternatives(condition: Some, plan: Plan, keys: Any) -> list[Sql]:
    """The parts of a condition of which one is enough.

    PostgreSQL cannot join what stands beside an OR: what is asked of the same key becomes one set, which it can.
    """
    sets: dict[str, list[SetTerm]] = {}
    others = list(condition.parts)
    if not plan.on_sqlite and not plan.few:
        for part in condition.parts:
            if isinstance(part, Is) and part.holds and isinstance(part.term, SetTerm) and _stands_alone(part.term):
                sets.setdefault(part.term.key, []).append(part.term)
        sets = {key: terms for key, terms in sets.items() if len(terms) > 1}
        joined = {id(term) for terms in sets.values() for term in terms}
        others = [part for part in others if not (isinstance(part, Is) and id(part.term) in joined)]
    found = [sql_of(part, plan, keys) for part in others]
    for key, terms in sets.items():
        every = union_all(*(select(term.member.label("whose")).where(*_where(term, plan)) for term in terms)).subquery()
        found.append(exists(select(literal(1)).where(every.c.whose == keys[key])))
    return found


def _stands_alone(term: SetTerm) -> bool:
    """Whether the rows do not depend on the follow but by their key."""
    return term.member.table.element is not F


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
    rest = list(plan.conjuncts)
    if plan.on_sqlite:
        by_id = within is not None or in_order
        leads = plan.leader is not None and (not by_id or _is_tagged(plan.leader))
        found, plan = _led_on_sqlite(found, plan, within, by_id=by_id, leads=leads)
        rest = [each for each in rest if not leads or each is not plan.leader]
    return found.where(*(sql_of(each, plan) for each in rest))


def _led_on_sqlite(
    found: Select[Any], plan: Plan, within: tuple[Any, Any] | None, *, by_id: bool, leads: bool
) -> tuple[Select[Any], Plan]:
    term = plan.leader.term if plan.leader is not None and leads else None
    if isinstance(term, SetTerm):
        bounds = [] if within is None else [term.member > within[0], term.member <= within[1]]
        rows = _rows(plan, term, [term.member], [*_where(term, plan), *bounds])
        found = found.where(F.c[term.key].in_(rows))
        hint = "NOT INDEXED" if term.of_tags else "INDEXED BY ix_follows_external_userid"
        return found.with_hint(F, hint, "sqlite"), plan
    if isinstance(term, ColumnTerm):
        return found.where(term.yes), plan
    if by_id:
        return found.with_hint(F, "NOT INDEXED", "sqlite"), replace(plan, few=True)
    walk = found.where(F.c.external_userid > "").with_hint(F, "INDEXED BY ix_follows_external_userid", "sqlite")
    return walk, replace(plan, few=False)


def counted(plan: Plan, *, customers: bool = False) -> Select[Any]:
    """SELECT of how many follows they are, or how many customers."""
    if plan.needs_tags_only and not plan.never and not customers:
        assert plan.leader is not None
        assert isinstance(plan.leader.term, SetTerm)
        return _counted_by_tags(plan, plan.leader.term)
    return selected(plan, func.count(F.c.external_userid.distinct()) if customers else func.count())


def _counted_by_tags(plan: Plan, term: SetTerm) -> Select[Any]:
    """The same from the index of tags on follows alone."""
    others = [each for each in plan.conjuncts if each is not plan.leader]
    rows: Any = term.member.table
    where = _where(term, plan)
    if not term.unique:
        rows = select(term.member.label("follow_id")).where(*where).distinct().subquery()
        where = []
    keys = {"id": rows.c.follow_id}
    plan = replace(plan, few=plan.few or plan.on_sqlite)
    return select(func.count()).select_from(rows).where(*where, *(sql_of(each, plan, keys) for each in others))
