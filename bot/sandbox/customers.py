"""Customers and who follows them: the computed base, and over it what has changed."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from bot.sandbox.errors import ApiError, NotFoundError
from bot.sandbox.journal import Journal
from bot.sandbox.population import Population
from bot.sandbox.records import LISTED, Customer, Follow, Friendship


class Customers:
    """Every lookup goes to the overlay first and to the computed base second.

    A `Follow` or `Customer` handed out may be changed and given back with `put_follow` / `put`.
    """

    def __init__(self, population: Population, journal: Journal) -> None:
        self._population, self._journal = population, journal
        self._customers: dict[str, Customer] = {}
        self._follows: dict[tuple[str, str], Follow] = {}
        #: Customers a member follows beyond the base, in the order of their coming.
        self._added: dict[str, list[str]] = {}
        #: Members who follow a customer beyond the base.
        self._followers: dict[str, list[str]] = {}
        #: Tags that no longer exist; base records still name them.
        self._deleted_tags: set[str] = set()
        self._tag_sets_json: list[str] = []
        self._highest = population.customers
        for _, customer in journal.load("customer", Customer):
            self._keep(customer)
        for _, follow in journal.load("follow", Follow):
            self._index(follow)
        self.forget_tags(())

    # -- customers

    def find(self, external_userid: str) -> Customer | None:
        """The customer's record; None for an id that this company never met."""
        customer = self._customers.get(external_userid)
        if customer is None:
            index = self._population.is_base(external_userid)
            customer = None if index is None else self._population.customer(index)
        return customer

    def get(self, external_userid: str) -> Customer:
        customer = self.find(external_userid)
        if customer is None:
            raise NotFoundError(f"There is no customer {external_userid!r}.", "GET /sandbox/customers lists some.")
        return customer

    def put(self, customer: Customer) -> None:
        self._keep(customer)
        self._journal.put("customer", customer.external_userid, customer)

    def create(self, name: str, type_: int = 1, gender: int = 0, corp_name: str = "") -> Customer:
        """A person whom the company has not met before."""
        index = self._highest
        self._highest += 1
        external_userid = self._population.external_userid(index, type_)
        customer = Customer(external_userid, name or f"新客户{index + 1 - self._population.customers}", type_, gender)
        if type_ == 2:
            customer.corp_name = corp_name or "外部企业"
            customer.corp_full_name = f"{customer.corp_name}有限公司"
        else:
            customer.unionid = f"oS8w{external_userid[12:]}"
        self.put(customer)
        return customer

    def some(self, limit: int) -> Iterator[Customer]:
        """The newest customers first, then base customers in order: for a person who looks around."""
        newest = list(reversed(self._customers.values()))[:limit]
        yield from newest
        for index in range(min(self._population.customers, limit - len(newest))):
            external_userid = self._population.external_userid(index)
            if external_userid not in self._customers:
                yield self._population.customer(index)

    def count(self) -> int:
        return self._highest

    # -- follows

    def find_follow(self, userid: str, external_userid: str) -> Follow | None:
        """How the member stands to the customer, in whatever state; None when they never met."""
        follow = self._follows.get((userid, external_userid))
        if follow is not None:
            return follow
        index = self._population.is_base(external_userid)
        found = None if index is None else self._population.follow(index, userid)
        if found is not None and self._deleted_tags:
            found.tag_ids = [tag_id for tag_id in found.tag_ids if tag_id not in self._deleted_tags]
        return found

    def put_follow(self, follow: Follow) -> None:
        self._index(follow)
        self._journal.put("follow", f"{follow.userid}|{follow.external_userid}", follow)

    def follows_of(self, external_userid: str) -> list[Follow]:
        """Everyone who follows or followed the customer, in whatever state."""
        index = self._population.is_base(external_userid)
        userids = [] if index is None else self._population.followers(index)
        userids = userids + self._followers.get(external_userid, [])
        found = (self.find_follow(userid, external_userid) for userid in userids)
        return [follow for follow in found if follow is not None]

    def listed_by(self, userid: str) -> Iterator[str]:
        """The external_userids that WeCom lists for the member."""
        for row in range(self._population.rows(userid)):
            external_userid = self._population.external_userid(self._population.row(userid, row))
            follow = self._follows.get((userid, external_userid))
            if follow is None or follow.friendship in LISTED:
                yield external_userid
        for external_userid in self._added.get(userid, ()):
            if self._follows[userid, external_userid].friendship in LISTED:
                yield external_userid

    def begun_of(self, userid: str) -> Iterator[int]:
        """When each who is or was a contact of the member became one, epoch seconds."""
        for row in range(self._population.rows(userid)):
            follow = None
            if self._follows:
                external_userid = self._population.external_userid(self._population.row(userid, row))
                follow = self._follows.get((userid, external_userid))
            yield self._population.begun(userid, row) if follow is None else follow.createtime
        for external_userid in self._added.get(userid, ()):
            follow = self._follows[userid, external_userid]
            if follow.friendship not in ("requested", "half"):
                yield follow.createtime

    def deletions_of(self, userid: str) -> Iterator[int]:
        """When customers deleted the member, epoch seconds."""
        return (each.deleted_at for each in self._follows.values() if each.userid == userid and each.deleted_at)

    def changed_friendship(self, userid: str, external_userid: str) -> Friendship | None:
        """How two who have met stand to each other, if that ever changed; None where they are mutual as in the base."""
        follow = self._follows.get((userid, external_userid))
        return None if follow is None else follow.friendship

    def listing(self, external_userid: str) -> list[str] | None:
        """The members for whom WeCom lists the customer; None for an id that this company never met."""
        index = self._population.is_base(external_userid)
        if index is None and external_userid not in self._customers:
            return None
        userids = [] if index is None else self._population.followers(index)
        if not self._follows:
            return userids
        found: list[str] = []
        for userid in userids + self._followers.get(external_userid, []):
            follow = self._follows.get((userid, external_userid))
            if follow is None or follow.friendship in LISTED:
                found.append(userid)
        return found

    def tagged(self, userid: str, wanted: Sequence[AbstractSet[str]]) -> Iterator[str]:
        """The external_userids listed for the member whose tags meet every set of `wanted` in at least one tag."""

        def fits(tag_ids: list[str]) -> bool:
            return all(any(tag_id in tags for tag_id in tag_ids) for tags in wanted)

        fitting = [
            fits([tag_id for tag_id in tags if tag_id not in self._deleted_tags]) for tags in self._population.tag_sets
        ]
        for row in range(self._population.rows(userid)):
            fitting_before = fitting[self._population.tag_set(userid, row)]
            if not fitting_before and not self._follows:
                continue
            external_userid = self._population.external_userid(self._population.row(userid, row))
            follow = self._follows.get((userid, external_userid))
            if fitting_before if follow is None else follow.friendship in LISTED and fits(follow.tag_ids):
                yield external_userid
        for external_userid in self._added.get(userid, ()):
            follow = self._follows[userid, external_userid]
            if follow.friendship in LISTED and fits(follow.tag_ids):
                yield external_userid

    def changed_follows(self) -> Iterator[Follow]:
        """Every follow that differs from the base."""
        return iter(self._follows.values())

    # -- pages of batch/get_by_user

    def page(self, userids: list[str], cursor: str, limit: int) -> tuple[list[str | Follow], str]:
        """Up to `limit` rows of the members' lists one after the other, and the next cursor ("" at the end).

        A row is the finished JSON of an unchanged base row, or the changed Follow. Raises ApiError 50100.
        """
        place, offset = _read_cursor(cursor, len(userids))
        rows: list[str | Follow] = []
        while place < len(userids):
            offset = self._fill(userids[place], offset, limit, rows)
            if offset >= 0:
                return rows, _write_cursor(place, offset)
            place, offset = place + 1, 0
            if len(rows) == limit and any(self._length(userid) for userid in userids[place:]):
                return rows, _write_cursor(place, 0)
        return rows, ""

    def _length(self, userid: str) -> int:
        return self._population.rows(userid) + len(self._added.get(userid, ()))

    def _fill(self, userid: str, offset: int, limit: int, rows: list[str | Follow]) -> int:
        """Append rows of one member from `offset`; where to go on, or -1 when the member is finished."""
        base, total = self._population.rows(userid), self._length(userid)
        row_json, tag_sets, follows = self._population.row_json, self._tag_sets_json, self._follows
        while offset < base and len(rows) < limit:
            external_userid, text = row_json(userid, offset, tag_sets)
            follow = follows.get((userid, external_userid)) if follows else None
            if follow is None:
                customer_changed = external_userid in self._customers
                rows.append((self.find_follow(userid, external_userid) or text) if customer_changed else text)
            elif follow.friendship in LISTED:
                rows.append(follow)
            offset += 1
        added = self._added.get(userid, [])
        while base <= offset < total and len(rows) < limit:
            follow = follows[userid, added[offset - base]]
            if follow.friendship in LISTED:
                rows.append(follow)
            offset += 1
        return offset if offset < total else -1

    # -- tags

    def forget_tags(self, tag_ids: tuple[str, ...] | list[str]) -> None:
        """Tags were deleted: nobody carries them any more."""
        self._deleted_tags.update(tag_ids)
        for follow in self._follows.values():
            if self._deleted_tags.intersection(follow.tag_ids):
                follow.tag_ids = [tag_id for tag_id in follow.tag_ids if tag_id not in self._deleted_tags]
                self._journal.put("follow", f"{follow.userid}|{follow.external_userid}", follow)
        self._tag_sets_json = [
            json.dumps([tag_id for tag_id in tags if tag_id not in self._deleted_tags], separators=(",", ":"))
            for tags in self._population.tag_sets
        ]

    def _keep(self, customer: Customer) -> None:
        self._customers[customer.external_userid] = customer
        index = self._population.index_of(customer.external_userid)
        if index is not None and index < 10**11:
            self._highest = max(self._highest, index + 1)

    def _index(self, follow: Follow) -> None:
        key = (follow.userid, follow.external_userid)
        if key not in self._follows:
            index = self._population.is_base(follow.external_userid)
            if index is None or follow.userid not in self._population.followers(index):
                self._added.setdefault(follow.userid, []).append(follow.external_userid)
                self._followers.setdefault(follow.external_userid, []).append(follow.userid)
        self._follows[key] = follow


def _write_cursor(place: int, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{place}:{offset}".encode()).decode()


def _read_cursor(cursor: str, length: int) -> tuple[int, int]:
    if not cursor:
        return 0, 0
    try:
        place, offset = base64.urlsafe_b64decode(cursor.encode()).decode().split(":")
        numbers = int(place), int(offset)
    except (ValueError, binascii.Error):
        raise ApiError(50100) from None
    if not (0 <= numbers[0] < length and numbers[1] >= 0):
        raise ApiError(50100)
    return numbers
