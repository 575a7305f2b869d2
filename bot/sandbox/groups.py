"""Customer groups (客户群), the codes that lead into them, and the channel codes (联系我)."""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.errors import NotFoundError
from bot.sandbox.journal import Journal
from bot.sandbox.population import Population, token_of
from bot.sandbox.records import ContactWay, Group, GroupMember, JoinWay


class Groups:
    """Groups by chat_id."""

    def __init__(self, population: Population, journal: Journal) -> None:
        self._journal = journal
        self._prefix = "wr" + population.external_userid(0)[2:12]
        self._all = {group.chat_id: group for group in population.groups()}
        self._made = len(self._all)
        for key, group in journal.load("group", Group):
            self._made += key not in self._all
            self._all[key] = group

    def __iter__(self) -> Iterator[Group]:
        return iter(self._all.values())

    def find(self, chat_id: str) -> Group | None:
        return self._all.get(chat_id)

    def get(self, chat_id: str) -> Group:
        """A group that still exists."""
        group = self._all.get(chat_id)
        if group is None or group.dismissed:
            raise NotFoundError(f"There is no customer group {chat_id!r}.", "GET /sandbox/groups lists them.")
        return group

    def create(self, name: str, owner: str, members: list[GroupMember], now: int) -> Group:
        self._made += 1
        chat_id = self._prefix + token_of("group", self._prefix, self._made)[:20]
        group = Group(chat_id, name, owner, now, members, member_version=token_of(chat_id, 0))
        self.put(group)
        return group

    def put(self, group: Group) -> None:
        self._all[group.chat_id] = group
        self._journal.put("group", group.chat_id, group)

    def change_members(self, group: Group) -> tuple[str, str]:
        """Note that members came or went: (version before, version now)."""
        before = group.member_version
        group.member_version = token_of(group.chat_id, before, len(group.members))
        self.put(group)
        return before, group.member_version

    def has_stranger(self, external_userid: str) -> bool:
        """Whether somebody of that id sits in a group (and may be nobody's customer)."""
        return any(member.userid == external_userid for group in self._all.values() for member in group.members)


class Ways:
    """Contact ways and join ways by config_id."""

    def __init__(self, population: Population, journal: Journal) -> None:
        self._journal = journal
        self.contact = {way.config_id: way for way in population.contact_ways}
        self.join: dict[str, JoinWay] = {}
        self._made = 0
        for key, way in journal.load("contact_way", ContactWay):
            self.contact[key] = way
        for key, way_ in journal.load("join_way", JoinWay):
            self.join[key] = way_
        for key, _ in journal.load("way_deleted", str):
            self.contact.pop(key, None)
            self.join.pop(key, None)
        for _ in journal.load("way_made", str):
            self._made += 1

    def new_id(self) -> str:
        self._made += 1
        self._journal.put("way_made", str(self._made), "")
        return token_of("way", self._made, sorted(self.contact)[:1])

    def put(self, way: ContactWay | JoinWay) -> None:
        if isinstance(way, ContactWay):
            self.contact[way.config_id] = way
            self._journal.put("contact_way", way.config_id, way)
        else:
            self.join[way.config_id] = way
            self._journal.put("join_way", way.config_id, way)

    def delete(self, config_id: str) -> None:
        kind = "contact_way" if self.contact.pop(config_id, None) else "join_way"
        self.join.pop(config_id, None)
        self._journal.drop(kind, config_id)
        self._journal.put("way_deleted", config_id, config_id)

    def by_state(self, state: str) -> ContactWay | None:
        """The newest channel with that state."""
        return next((way for way in reversed(self.contact.values()) if way.state == state), None)
