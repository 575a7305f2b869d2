"""All whom a filter of the customers finds, or those that are chosen, given to the hand-over's form, of one member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from aiohttp import web
from multidict import MultiDict
from sqlmodel import Session

from bot.console import handovers
from bot.console.asks import Ask
from bot.console.customer_filters import Filter, read_filter
from data.queries import customer_pages as rows
from data.queries.customer_pages import map_names
from data.rules.handovers import LISTED_MAX
from data.rules.problems import InvalidRuleError, Problem
from data.rules.segments import EVERYBODY

#: Of those who are chosen on a page of the list, which has fewer.
CHOSEN_MAX = 500


async def hand_over(ask: Ask) -> web.Response:
    """The hand-over's form, filled; where several members have these customers, whose is asked first."""
    found = await read_filter(ask, ask.form)
    chosen = await _read_chosen(ask)
    if chosen:
        counts = dict(Counter(userid for userid, _ in chosen).most_common())
    else:
        counts = await ask.db.read(partial(_count, ask, found))
    giver = ask.text("userid", 64)
    if giver not in counts:
        if len(counts) != 1:
            names = await ask.db.read(map_names, set(counts))
            return ask.show("customers_handover", filter=found, counts=counts, names=names, chosen=chosen)
        giver = next(iter(counts))
    given: MultiDict[str] = MultiDict(userid=giver)
    if chosen:
        _list(given, [external_userid for userid, external_userid in chosen if userid == giver])
    elif found.segment is not None and found.found is None:
        given.extend(how="segment", segment_id=str(found.segment.id))
    elif found.tree == EVERYBODY and found.found is None:
        given.add("how", "everyone")
    else:
        theirs = await ask.db.read(partial(_list_theirs, ask, found, giver))
        if len(theirs) > LISTED_MAX:
            words = ask._("一次最多 %(max)s 位客户。更多时请把条件另存为分群，再按分群交接。", max=LISTED_MAX)
            raise InvalidRuleError([Problem("userid", words)])
        _list(given, theirs)
    return await handovers.show_filled(ask, given)


def _list(given: MultiDict[str], external_userids: Iterable[str]) -> None:
    given.extend(how="listed", listed="\n".join(external_userids))


async def _read_chosen(ask: Ask) -> list[tuple[str, str]]:
    """Members and customers of the rows that are ticked, as far as one sees the members."""
    visible = await ask.db.read(ask.visible)
    pairs = [each.partition(" ") for each in ask.texts("chosen")[:CHOSEN_MAX]]
    return [(userid, other) for userid, _, other in pairs if other and (visible is None or userid in visible)]


def _count(ask: Ask, found: Filter, session: Session) -> dict[str, int]:
    return rows.count_by_member(session, found.tree, ask.now, ask.zone, **found.asked)


def _list_theirs(ask: Ask, found: Filter, giver: str, session: Session) -> list[str]:
    asked: dict[str, Any] = {**found.asked, "userids": frozenset({giver})}
    return rows.list_customers(session, found.tree, ask.now, ask.zone, limit=LISTED_MAX + 1, **asked)
