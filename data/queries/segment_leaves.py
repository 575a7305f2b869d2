"""What each leaf of a segment asks, as terms about a follow."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import and_, func, or_

from data.models import (
    Birthday,
    CustomerField,
    FollowTag,
    GroupMember,
    LinkClick,
    Order,
    Preference,
    RosterMember,
    Touch,
)
from data.queries.follow_facts import birthday_number
from data.queries.segment_forms import form_answered
from data.queries.segment_terms import (
    ALWAYS,
    UNSURE,
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
    bounded,
    opposite,
)
from data.rules import birthdays
from data.rules import segment_leaves as leaves
from data.rules.orders import PAID, OrderStatus
from data.rules.schedule import day_began

GENDERS = {leaves.Gender.UNKNOWN: 0, leaves.Gender.MALE: 1, leaves.Gender.FEMALE: 2}
#: Up to so many tags are looked for in a follow's list of them.
TAGS_LOOKED_FOR = 8
TYPES = {leaves.ContactType.UNKNOWN: 0, leaves.ContactType.WECHAT: 1, leaves.ContactType.WECOM: 2}


def condition_of(leaf: leaves.Leaf, asking: Asking) -> Condition:
    """What a leaf asks."""
    meaning: Callable[[Any, Asking], Condition] = MEANINGS[type(leaf)]
    return meaning(leaf, asking)


def _some_known(parts: list[Condition], *, all_known: bool) -> Condition:
    return Some((*parts, *(() if all_known else (UNSURE,))))


def _tagged(numbers: Collection[int], asking: Asking) -> Condition:
    rows: Any = FollowTag.__table__.alias()  # type: ignore[attr-defined]
    where = rows.c.tag_no == next(iter(numbers)) if len(numbers) == 1 else asking.among(rows.c.tag_no, numbers)
    own = None
    if len(numbers) <= TAGS_LOOKED_FOR:
        has = func.instr if asking.dialect == "sqlite" else func.strpos
        own = or_(*(has(F.c.tag_list, f",{number},") > 0 for number in sorted(numbers)))
    return Is(SetTerm("id", rows.c.follow_id, (where,), findable=True, unique=len(numbers) == 1, own=own))


def _tags(leaf: leaves.TagsLeaf, asking: Asking) -> Condition:
    numbers = [asking.known.tag_nos[each] for each in sorted(leaf.tag_ids) if each in asking.known.tag_nos]
    all_known = len(numbers) == len(leaf.tag_ids)
    if leaf.match is leaves.Match.ALL:
        return All((*(_tagged([each], asking) for each in numbers), *(() if all_known else (UNSURE,))))
    found = _some_known([_tagged(numbers, asking)] if numbers else [], all_known=all_known)
    return opposite(found) if leaf.match is leaves.Match.NONE else found


def of_members(userids: Collection[str], asking: Asking) -> Condition:
    """The follow is one of these members'."""
    return Is(ColumnTerm(asking.among(F.c.userid, userids), index="uq_follows_pair"))


def _staff(leaf: leaves.StaffLeaf, asking: Asking) -> Condition:
    return of_members({asking.known.userids.get(each.lower(), each) for each in leaf.userids}, asking)


def _department(leaf: leaves.DepartmentLeaf, asking: Asking) -> Condition:
    members = asking.known.department_userids
    userids = frozenset[str]().union(*(members.get(each, frozenset()) for each in leaf.department_ids))
    return _some_known([of_members(userids, asking)], all_known=leaf.department_ids <= members.keys())


def _channel(leaf: leaves.ChannelLeaf, asking: Asking) -> Condition:
    begins = [func.substr(F.c.state, 1, len(prefix)) == prefix for prefix in sorted(leaf.state_prefixes)]
    if not begins:
        return Is(ColumnTerm(asking.among(F.c.state, leaf.states), index="ix_follows_state"))
    return Is(ColumnTerm(or_(asking.among(F.c.state, leaf.states), *begins)))


def _add_way(leaf: leaves.AddWayLeaf, asking: Asking) -> Condition:
    return Is(ColumnTerm(and_(F.c.add_way.is_not(None), asking.among(F.c.add_way, leaf.add_ways))))


def _gender(leaf: leaves.GenderLeaf, asking: Asking) -> Condition:
    return Is(ColumnTerm(asking.among(F.c.gender, {GENDERS[each] for each in leaf.genders})))


def _type(leaf: leaves.TypeLeaf, asking: Asking) -> Condition:
    return Is(ColumnTerm(asking.among(F.c.contact_type, {TYPES[each] for each in leaf.types})))


def _origin(leaf: leaves.OriginLeaf, asking: Asking) -> Condition:
    del asking
    inherited, known = Is(ColumnTerm(F.c.inherited.is_(True))), Is(ColumnTerm(F.c.known_before.is_(True)))
    kinds: dict[leaves.Origin, Condition] = {
        leaves.Origin.INHERITED: inherited,
        leaves.Origin.KNOWN: All((opposite(inherited), known)),
        leaves.Origin.NEW: All((opposite(inherited), opposite(known))),
    }
    return Some(tuple(kinds[each] for each in sorted(leaf.origins)))


def _added(leaf: leaves.AddedLeaf, asking: Asking) -> Condition:
    at = F.c.added_at
    bounds: list[Sql] = [at.is_not(None)]
    if leaf.since is not None:
        bounds.append(at >= day_began(leaf.since, asking.zone))
    if leaf.until is not None:
        bounds.append(at < day_began(leaf.until + timedelta(days=1), asking.zone))
    if leaf.within_days is not None:
        bounds.append(at >= asking.days_ago(leaf.within_days))
    if leaf.more_than_days_ago is not None:
        bounds.append(at < asking.days_ago(leaf.more_than_days_ago))
    return Is(ColumnTerm(and_(*bounds)))


def _status(leaf: leaves.StatusLeaf, asking: Asking) -> Condition:
    return Is(ColumnTerm(asking.among(F.c.status, {each.value for each in leaf.statuses})))


_IN_A_GROUP = Is(ColumnTerm(F.c.in_groups > 0))


def _member_of(chat_ids: Collection[str], asking: Asking) -> Condition:
    if not chat_ids:
        return _IN_A_GROUP
    rows: Any = GroupMember.__table__.alias()  # type: ignore[attr-defined]
    where = (rows.c.left_at.is_(None), asking.among(rows.c.chat_id, chat_ids))
    return All((_IN_A_GROUP, Is(SetTerm("external_userid", rows.c.userid, where, findable=True))))


def _group(leaf: leaves.GroupLeaf, asking: Asking) -> Condition:
    present = leaf.chat_ids & asking.known.chat_ids
    all_known = len(present) == len(leaf.chat_ids)
    if leaf.match is leaves.Match.ALL:
        return All((*(_member_of([each], asking) for each in sorted(present)), *(() if all_known else (UNSURE,))))
    asked = [_member_of(present, asking)] if present or not leaf.chat_ids else []
    found = _some_known(asked, all_known=all_known)
    return opposite(found) if leaf.match is leaves.Match.NONE else found


def _since(at: Any, ago: datetime | None) -> Condition:
    """That the last of something, of which the follow knows, was since an instant; at all, where that is None."""
    return Is(ColumnTerm(at.is_not(None) if ago is None else and_(at.is_not(None), at >= ago)))


def _last(
    since: Callable[[datetime | None], Condition], within_days: int | None, more_than_days_ago: int | None,
    asking: Asking,
) -> Condition:  # fmt: skip
    """That the last of something was so long ago. `since`: that there was one since an instant, or at all."""
    parts = [since(None if within_days is None else asking.days_ago(within_days))]
    if more_than_days_ago is not None:
        parts.append(opposite(since(asking.days_ago(more_than_days_ago))))
    return All(tuple(parts))


def _last_touch(leaf: leaves.LastTouchLeaf, asking: Asking) -> Condition:
    found = _last(partial(_since, F.c.touched_at), leaf.within_days, leaf.more_than_days_ago, asking)
    return opposite(found) if leaf.never else found


def _amount(
    some: Condition, whose: Any, where: tuple[Sql, ...], amount: Any, low: int | None, high: int | None,
    *, is_exact: bool,
) -> Condition:  # fmt: skip
    """How many rows (or how much of `amount`) a customer has. Only those of whom `some` holds have any.

    `is_exact`: `some` says just that there is a row.
    """
    if not low and high is None:
        return ALWAYS
    if amount is None and (high == 0 or (low == 1 and high is None)):
        there = some if is_exact else All((some, Is(SetTerm("external_userid", whose, where))))
        return there if low else opposite(there)
    counted = func.count() if amount is None else func.coalesce(func.sum(amount), 0)
    within = Is(AmountTerm(whose, where, counted, low or 0, high))
    return All((some, within)) if low else Some((opposite(some), within))


def _touches(leaf: leaves.TouchesLeaf, asking: Asking) -> Condition:
    rows: Any = Touch.__table__.alias()  # type: ignore[attr-defined]
    ago = None if leaf.within_days is None else asking.days_ago(leaf.within_days)
    where = () if ago is None else (rows.c.touched_at >= ago,)
    touched = _since(F.c.touched_at, ago)
    return _amount(touched, rows.c.external_userid, where, None, leaf.at_least, leaf.at_most, is_exact=True)


def _campaign(leaf: leaves.CampaignLeaf, asking: Asking) -> Condition:
    if leaf.campaign_id not in asking.known.campaign_ids:
        return UNSURE
    rows: Any = Touch.__table__.alias()  # type: ignore[attr-defined]
    clicked = [rows.c.clicked_at.is_not(None)] if leaf.did is leaves.Did.CLICKED else []
    where = (rows.c.campaign_id == leaf.campaign_id, *clicked)
    whose, index = rows.c.external_userid, "ix_touches_external_userid"
    rows_of_it = SetTerm("external_userid", whose, where, findable=True, hint=index)
    found = All((_since(F.c.touched_at, None), Is(rows_of_it)))
    return opposite(found) if leaf.did is leaves.Did.NOT_RECEIVED else found


def _link(leaf: leaves.LinkLeaf, asking: Asking) -> Condition:
    if leaf.link_id not in asking.known.link_ids:
        return UNSURE
    rows: Any = LinkClick.__table__.alias()  # type: ignore[attr-defined]
    since = () if leaf.within_days is None else (rows.c.last_at >= asking.days_ago(leaf.within_days),)
    return Is(
        SetTerm("external_userid", rows.c.external_userid, (rows.c.link_id == leaf.link_id, *since), findable=True)
    )


def _roster(leaf: leaves.RosterLeaf, asking: Asking) -> Condition:
    if leaf.roster_id not in asking.known.roster_ids:
        return UNSURE
    rows: Any = RosterMember.__table__.alias()  # type: ignore[attr-defined]
    where = (rows.c.roster_id == leaf.roster_id,)
    return Is(SetTerm("external_userid", rows.c.external_userid, where, findable=True, unique=True))


def _orders(leaf: leaves.OrdersLeaf, asking: Asking) -> Condition:
    statuses = {OrderStatus(each) for each in leaf.statuses}
    ago = None if leaf.within_days is None else asking.days_ago(leaf.within_days)
    bought: Condition = _since(F.c.bought_at, ago) if statuses <= PAID else ALWAYS
    parts: list[Condition] = []
    for total, amount, low, high in (
        (F.c.paid_orders, None, leaf.count_at_least, leaf.count_at_most),
        (F.c.paid_fen, "amount_fen", _fen(leaf.yuan_at_least), _fen(leaf.yuan_at_most)),
    ):
        if low is None and high is None:
            continue
        if statuses == PAID and ago is None:
            parts.append(Is(ColumnTerm(bounded(total, low or 0, high))))
            continue
        rows, where = _order_rows(leaf, ago, asking)
        column = amount and rows.c[amount]
        parts.append(
            _amount(bought, rows.c.external_userid, where, column, low, high, is_exact=statuses == PAID)
        )  # fmt: skip
    if leaf.last_within_days is not None or leaf.last_more_than_days_ago is not None:
        parts.append(_last_order(leaf, asking, is_kept=statuses == PAID))
    return All(tuple(parts))


def _order_rows(leaf: leaves.OrdersLeaf, ago: datetime | None, asking: Asking) -> tuple[Any, tuple[Sql, ...]]:
    rows: Any = Order.__table__.alias()  # type: ignore[attr-defined]
    since = () if ago is None else (rows.c.placed_at >= ago,)
    return rows, (
        asking.among(rows.c.status, {each.value for each in leaf.statuses}),
        rows.c.covered.is_(False),
        *since,
    )


def _last_order(leaf: leaves.OrdersLeaf, asking: Asking, *, is_kept: bool) -> Condition:
    within, before = leaf.last_within_days, leaf.last_more_than_days_ago

    def since(ago: datetime | None) -> Condition:
        if is_kept:
            return _since(F.c.bought_at, ago)
        rows, where = _order_rows(leaf, ago, asking)
        return Is(SetTerm("external_userid", rows.c.external_userid, where))

    return _last(since, within, before, asking)


def _fen(yuan: float | None) -> int | None:
    return None if yuan is None else round(yuan * 100)


def _silent(leaf: leaves.SilentLeaf, asking: Asking) -> Condition:
    since = asking.days_ago(leaf.for_days - 1)
    old = and_(F.c.added_at.is_not(None), F.c.added_at < since)
    return Is(ColumnTerm(and_(old, or_(F.c.active_at.is_(None), F.c.active_at < since))))


def _birthday(leaf: leaves.BirthdayLeaf, asking: Asking) -> Condition:
    rows: Any = Birthday.__table__.alias()  # type: ignore[attr-defined]
    found = birthdays.upcoming(asking.today, leaf.within_days)
    days: dict[tuple[str, bool], set[int]] = {}
    for key in found:
        days.setdefault((key.calendar, key.is_leap_month), set()).add(key.month_day)
    wanted = or_(
        *(
            and_(rows.c.calendar == calendar, rows.c.is_leap_month.is_(is_leap), rows.c.month_day.in_(sorted(each)))
            for (calendar, is_leap), each in sorted(days.items())
        )
    )
    numbers = {birthday_number(key) for key in found}
    own = and_(F.c.birthday.is_not(None), asking.among(F.c.birthday, numbers))
    return Is(SetTerm("external_userid", rows.c.external_userid, (wanted,), findable=True, own=own))


def _field(leaf: leaves.FieldLeaf, asking: Asking) -> Condition:
    if asking.known.field_kinds.get(leaf.name) not in leaf.kinds:
        return UNSURE
    rows: Any = CustomerField.__table__.alias()  # type: ignore[attr-defined]
    text, number = rows.c.text, rows.c.number
    where: list[Sql] = [rows.c.name == leaf.name]
    if leaf.equals is not None:
        where += [text == leaf.equals]
    if leaf.one_of is not None:
        where += [asking.among(text, leaf.one_of)]
    if leaf.contains is not None:
        where += [(func.instr if asking.dialect == "sqlite" else func.strpos)(text, leaf.contains) > 0]
    where += [
        compare(number, value)
        for value, compare in (
            (leaf.number_equals, operator.eq),
            (leaf.at_least, operator.ge),
            (leaf.at_most, operator.le),
            (leaf.more_than, operator.gt),
            (leaf.less_than, operator.lt),
        )
        if value is not None
    ]
    if leaf.flag is not None:
        where += [number == int(leaf.flag)]
    where += _dates(leaf, text, asking)
    exact = leaf.equals is not None or leaf.one_of is not None or leaf.number_equals is not None
    found = Is(SetTerm("external_userid", rows.c.external_userid, tuple(where), findable=exact))
    return opposite(found) if leaf.is_set is False else found


def _dates(leaf: leaves.FieldLeaf, text: Any, asking: Asking) -> list[Sql]:
    """What is asked of a date: YYYY-MM-DD is in the order of its letters, in any collation."""
    today, where = asking.today, list[Sql]()
    if leaf.on is not None:
        where.append(text == leaf.on.isoformat())
    if leaf.before is not None:
        where.append(text < leaf.before.isoformat())
    if leaf.after is not None:
        where.append(text > leaf.after.isoformat())
    if leaf.next_days is not None:
        where.append(text.between(today.isoformat(), (today + timedelta(days=leaf.next_days)).isoformat()))
    if leaf.last_days is not None:
        where.append(text.between((today - timedelta(days=leaf.last_days)).isoformat(), today.isoformat()))
    return where


def _preference(leaf: leaves.PreferenceLeaf, asking: Asking) -> Condition:
    rows: Any = Preference.__table__.alias()  # type: ignore[attr-defined]
    kinds: dict[leaves.Wish, Sql] = {
        leaves.Wish.OPTED_OUT: rows.c.opted_out_at.is_not(None),
        leaves.Wish.PAUSED: and_(rows.c.paused_until.is_not(None), rows.c.paused_until > asking.now.astimezone(UTC)),
    }
    wanted = or_(*(kinds[each] for each in sorted(leaf.wishes)))
    return Is(SetTerm("external_userid", rows.c.external_userid, (wanted,)))


MEANINGS: dict[type[leaves.Leaf], Any] = {
    leaves.TagsLeaf: _tags,
    leaves.StaffLeaf: _staff,
    leaves.DepartmentLeaf: _department,
    leaves.ChannelLeaf: _channel,
    leaves.AddWayLeaf: _add_way,
    leaves.GenderLeaf: _gender,
    leaves.TypeLeaf: _type,
    leaves.OriginLeaf: _origin,
    leaves.AddedLeaf: _added,
    leaves.StatusLeaf: _status,
    leaves.GroupLeaf: _group,
    leaves.LastTouchLeaf: _last_touch,
    leaves.TouchesLeaf: _touches,
    leaves.CampaignLeaf: _campaign,
    leaves.LinkLeaf: _link,
    leaves.FormLeaf: form_answered,
    leaves.RosterLeaf: _roster,
    leaves.OrdersLeaf: _orders,
    leaves.SilentLeaf: _silent,
    leaves.BirthdayLeaf: _birthday,
    leaves.FieldLeaf: _field,
    leaves.PreferenceLeaf: _preference,
}
