"""How a segment is asked: which condition leads, and how the others are written, on either database.

Most conditions are asked of the follow's own row (`follow_facts`). For the rest SQLite takes what it is told: the rows
of the rarest condition lead, or all follows are walked, and the others are looked up for each. PostgreSQL's planner
joins in the order that its statistics suggest. It has to be given what it can join: EXISTS, for a NOT IN of a million
rows is looked through again for each of a million.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import case, func, literal, select, text
from sqlmodel import Session

from data.queries.customers import find_last_follow_id
from data.queries.segment_leaves import condition_of, of_members
from data.queries.segment_sql import Plan, is_tagged, rows_where, sql_of
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
#: So many rows at most are listed in memory.
LISTED_ROWS = 150_000
#: By so many follows it is judged which conditions leave the fewest.
SAMPLED_FOLLOWS = 300

#: Plans for the very values asked for; memory for the sets; the cost that pages have in memory or on a modern disk; no
#: processes that help: what is gained is less than what callbacks beside it lose.
_PREPARE_POSTGRES = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('work_mem', '64MB', true),"
    " set_config('random_page_cost', '1.1', true), set_config('max_parallel_workers_per_gather', '0', true),"
    " set_config('jit', 'off', true)"
)
#: SQLite's usual cache of 2 MB does not hold the upper pages of the indexes of a million follows.
_PREPARE_SQLITE = text("PRAGMA cache_size = -32768")


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


def make_plan(
    session: Session,
    tree: Node,
    asking: Asking,
    *,
    one: bool = False,
    whole: bool = False,
    page: bool = False,
    userids: Collection[str] | None = None,
) -> Plan:
    """How to ask a segment; for `one` follow that is known by its id there is nothing to choose.

    `whole`: it is to be asked for all of the segment in one statement, too. `page`: for some of it in the order of the
    ids; what finds many is then met on the way. `userids`: of these members' follows alone.
    """
    asked = lower(tree, asking)
    if userids is not None:
        asked = All((asked, of_members(userids, asking) if userids else NEVER))
    condition = simplified(asked)
    conjuncts = list(condition.parts if isinstance(condition, All) else (condition,))
    live = not names_status(tree)
    plan = Plan(asking, (), live, never=condition == NEVER)
    if one or plan.never:
        return replace(plan, conjuncts=tuple(conjuncts), few=True)
    if len(conjuncts) == 1 and is_tagged(conjuncts[0]):  # nothing else could lead, and its rows are the answer
        return replace(plan, conjuncts=tuple(conjuncts), leader=conjuncts[0], rows=FEW + 1)
    sizes = _sizes(session, [each for each in conjuncts if _can_lead(each)], plan, FEW if page else None)
    if sizes:
        number = min(sizes, key=lambda number: sizes[number][1])
        leader, rows = sizes[number]
        plan = replace(plan, leader=leader, rows=rows, few=rows <= FEW)
    conjuncts = _in_good_order(session, plan, conjuncts)
    plan = replace(plan, conjuncts=tuple(conjuncts))
    if plan.leader is None and whole and plan.on_sqlite:
        return replace(plan, whole=tuple(_listed(session, each, plan) for each in conjuncts))
    return plan


def _can_lead(condition: Condition) -> bool:
    match condition:
        case Is(SetTerm(findable=True), True):
            return True
        case Is(ColumnTerm(), True):
            assert isinstance(condition.term, ColumnTerm)
            return bool(condition.term.index)
        case _:
            return False


def _sizes(session: Session, candidates: list[Any], plan: Plan, most: int | None) -> dict[int, tuple[Is, int]]:
    """About how many rows each candidate finds (by identity), as far as they are few enough to lead: `most`, or a share
    of all follows."""
    if not candidates:
        return {}
    largest = max(int(find_last_follow_id(session) * LEADING_SHARE), PROBED_ROWS[0])
    largest = largest if most is None else min(largest, most)
    for rows in (*(each for each in PROBED_ROWS if each < largest), largest):
        found = {id(each): (each, _count(session, each, plan, rows)) for each in candidates}
        small = {number: sized for number, sized in found.items() if sized[1] < rows}
        if small:
            return small
    return {}


def _count(session: Session, candidate: Is, plan: Plan, rows: int) -> int:
    term = candidate.term
    if isinstance(term, SetTerm):
        some = select(literal(1).label("one")).select_from(term.member.table).where(*rows_where(term, plan)).limit(rows)
    else:
        assert isinstance(term, ColumnTerm)
        some = select(literal(1).label("one")).select_from(F).where(term.yes).limit(rows)
    return int(session.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def finds_few(session: Session, plan: Plan, rows: int) -> bool:
    """Whether what leads finds fewer rows than this: then no more follows than that are looked at."""
    return plan.leader is not None and _count(session, plan.leader, plan, rows) < rows


def _listed(session: Session, condition: Condition, plan: Plan) -> Condition:
    """The same, with rows that are found by the customer listed as ids of follows, where they are not too many.

    All follows are walked in the order of their ids: of such a list the next one is always near, while the customers'
    ids lie anywhere.
    """
    match condition:
        case All():
            return All(tuple(_listed(session, part, plan) for part in condition.parts))
        case Some():
            return Some(tuple(_listed(session, part, plan) for part in condition.parts))
        case Is(SetTerm(key="external_userid", findable=True, own=None) as term, holds):
            if _count(session, condition, plan, LISTED_ROWS) < LISTED_ROWS:
                return Is(_ids_of(term), holds)
    return condition


def _ids_of(term: SetTerm) -> SetTerm:
    whose = select(term.member.label("whose")).where(*term.where).subquery()
    follows = F.alias()
    ids = (
        select(follows.c.id)
        .select_from(whose)
        .join(follows, follows.c.external_userid == whose.c.whose)
        .with_hint(follows, "INDEXED BY ix_follows_external_userid", "sqlite")
    )
    return SetTerm("id", ids.subquery().c.id, listed=True)


def _in_good_order(session: Session, plan: Plan, conjuncts: list[Condition]) -> list[Condition]:
    """First what is known from the follow itself, then what leaves the fewest for the least work, by a sample.

    SQLite asks in the order in which it is told; PostgreSQL finds an order itself.
    """
    looked_up = [each for each in conjuncts if _work(each)]
    own = [each for each in conjuncts if not _work(each)]
    inner = [part for each in looked_up if isinstance(each, Some) for part in each.parts]
    if not plan.on_sqlite or len(looked_up) + len(inner) < 2:
        return own + looked_up
    shares = _shares(session, plan, looked_up + inner)
    ordered = [_most_likely_first(each, shares) if isinstance(each, Some) else each for each in looked_up]
    ranks = {id(new): (1 - shares[id(old)]) / _work(old) for new, old in zip(ordered, looked_up, strict=True)}
    return own + sorted(ordered, key=lambda each: -ranks[id(each)])


def _most_likely_first(condition: Some, shares: dict[int, float]) -> Some:
    return Some(tuple(sorted(condition.parts, key=lambda part: -shares[id(part)] / (_work(part) or 0.1))))


def _shares(session: Session, plan: Plan, conditions: list[Condition]) -> dict[int, float]:
    """For about how many of all follows each condition holds (by identity): asked of some spread over all."""
    last = find_last_follow_id(session)
    spread = plan.asking.among(F.c.id, range(1, last + 1, max(1, last // SAMPLED_FOLLOWS)))
    held = [func.coalesce(func.sum(case((sql_of(each, plan), 1), else_=0)), 0) for each in conditions]
    query = select(func.count(), *held).where(spread).with_hint(F, "NOT INDEXED", "sqlite")
    total, *found = session.execute(query).one()
    return {id(each): number / max(1, total) for each, number in zip(conditions, found, strict=True)}


def _work(condition: Condition) -> float:
    """What it costs to look up a condition for one follow, in lookups."""
    match condition:
        case Is(ColumnTerm()):
            return 0
        case Is(SetTerm(own=own)) if own is not None:
            return 0
        case Is(AmountTerm()):
            return 1.5
        case All() | Some():
            return float(sum(map(_work, condition.parts)))
        case _:
            return 1
