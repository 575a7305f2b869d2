"""In which order a member's customers stand on the member's phone: newest first, computed for one page at a time."""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from bot.sandbox.population import Population
from bot.sandbox.records import Follow
from bot.sandbox.world import World

#: More customers than WeCom lets one member have are listed in WeCom's own order instead of newest first.
_SORTED_UP_TO = 20_000
#: Members whose order is remembered.
_ORDERS_KEPT = 32
#: (createtime, customer index), newest first.
Order = list[tuple[int, int]]


def waiting_of(world: World, userid: str) -> list[str]:
    """The external_userids that wait for the member: to be accepted, or to be confirmed. The latest first."""
    return [
        follow.external_userid
        for follow in reversed(_changed(world, userid))
        if follow.friendship in ("requested", "half")
    ]


class Contacts:
    """Pages of members' lists; the order of the computed base is worked out once per member."""

    def __init__(self) -> None:
        self._orders: OrderedDict[tuple[int, str], Order | None] = OrderedDict()

    async def listed(self, world: World, userid: str, offset: int, limit: int) -> list[str]:
        """Up to `limit` external_userids from place `offset` on of those whom WeCom lists for the member."""
        order = await self._order(world.population, userid)
        return list(islice(_merged(world, userid, order), offset, offset + limit))

    async def _order(self, population: Population, userid: str) -> Order | None:
        """The order of the member's base customers; kept for the next page."""
        key = (id(population), userid)
        if key not in self._orders:
            self._orders[key] = await asyncio.to_thread(_sort_base, population, userid)
            while len(self._orders) > _ORDERS_KEPT:
                self._orders.popitem(last=False)
        self._orders.move_to_end(key)
        return self._orders[key]


def _changed(world: World, userid: str) -> list[Follow]:
    return [follow for follow in world.customers.changed_follows() if follow.userid == userid]


def _sort_base(population: Population, userid: str) -> Order | None:
    rows = population.rows(userid)
    if rows > _SORTED_UP_TO:
        return None
    indexes = (population.row(userid, row) for row in range(rows))
    follows = ((population.follow(index, userid), index) for index in indexes)
    return sorted(((follow.createtime, index) for follow, index in follows if follow is not None), reverse=True)


def _merged(world: World, userid: str, order: Order | None) -> Iterator[str]:
    """The external_userid of everyone whom the member has, newest first: what changed and the base, merged."""
    changed = _changed(world, userid)
    known = {follow.external_userid for follow in changed}
    shown = [
        (follow.createtime, follow.external_userid)
        for follow in reversed(changed)  # of two in the same second the later one first
        if follow.friendship in ("mutual", "left")
    ]
    shown.sort(key=lambda pair: -pair[0])
    population = world.population
    if order is None:
        indexes = (population.row(userid, row) for row in range(population.rows(userid)))
        base = ((0, population.external_userid(index)) for index in indexes)
    else:
        base = ((createtime, population.external_userid(index)) for createtime, index in order)
    unchanged = (pair for pair in base if pair[1] not in known)
    for _, external_userid in heapq.merge(shown, unchanged, key=lambda pair: -pair[0]):
        yield external_userid
