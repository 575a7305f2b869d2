"""Corp tags (企业标签) and their groups."""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.errors import ApiError
from bot.sandbox.journal import Journal
from bot.sandbox.population import Population, token_of
from bot.sandbox.records import Tag, TagGroup

MAX_TAGS = 10_000


class Tags:
    """Groups by id; a tag belongs to exactly one group, and a group without tags does not exist."""

    def __init__(self, population: Population, journal: Journal) -> None:
        self._journal = journal
        self._prefix = population.tag_groups[0].group_id[:12]
        self.groups = {group.group_id: group for group in population.tag_groups}
        for key, group in journal.load("tag_group", TagGroup):
            self.groups[key] = group
        for key, _ in journal.load("tag_group_deleted", str):
            self.groups.pop(key, None)
        self._group_of = {tag.id: group.group_id for group in self.groups.values() for tag in group.tags}
        self._made = sum(1 for _ in journal.load("tag_made", str))

    def __iter__(self) -> Iterator[Tag]:
        for group in self.groups.values():
            yield from group.tags

    def find(self, tag_id: str) -> tuple[TagGroup, Tag] | None:
        group = self.groups.get(self._group_of.get(tag_id, ""))
        if group is None:
            return None
        return group, next(tag for tag in group.tags if tag.id == tag_id)

    def find_group(self, name: str) -> TagGroup | None:
        return next((group for group in self.groups.values() if group.group_name == name), None)

    def add(
        self, group: TagGroup | None, group_name: str, order: int, wanted: list[tuple[str, int]], now: int, agentid: int
    ) -> tuple[TagGroup, list[Tag], bool]:
        """Put new tags in `group`, or in a new group: (group, new tags, whether the group is new).

        Raises ApiError 40071 when the group has a tag of that name, 40126 over the company's quota.
        """
        once = dict(reversed(wanted))
        if group is not None and once.keys() & {tag.name for tag in group.tags}:
            raise ApiError(40071)
        if len(self._group_of) + len(once) > MAX_TAGS:
            raise ApiError(40126)
        fresh = group is None
        if group is None:
            group = TagGroup(self._new_id(), group_name, now, order, agentid=agentid)
            self.groups[group.group_id] = group
        names = dict.fromkeys(name for name, _ in wanted)
        tags = [Tag(self._new_id(), name, now, once[name], agentid) for name in names]
        group.tags.extend(tags)
        self._group_of.update((tag.id, group.group_id) for tag in tags)
        self.put(group)
        return group, tags, fresh

    def rename(self, id_: str, name: str | None, order: int | None) -> str:
        """Change a tag or a group; which of the two it was (`tag`, `tag_group`). Raises ApiError 40068, 40071."""
        found = self.find(id_)
        if found is not None:
            group, tag = found
            if name and any(other.name == name and other is not tag for other in group.tags):
                raise ApiError(40071)
            tag.name, tag.order = name or tag.name, tag.order if order is None else order
            self.put(group)
            return "tag"
        if id_ not in self.groups:
            raise ApiError(40068)
        group = self.groups[id_]
        if name and any(other.group_name == name and other is not group for other in self.groups.values()):
            raise ApiError(40071)
        group.group_name, group.order = name or group.group_name, group.order if order is None else order
        self.put(group)
        return "tag_group"

    def delete(self, tag_ids: list[str], group_ids: list[str]) -> tuple[list[str], list[str]]:
        """Delete tags and groups; (all deleted tag ids, deleted group ids). Raises ApiError 40068 and does nothing."""
        if any(self.find(tag_id) is None for tag_id in tag_ids) or any(id_ not in self.groups for id_ in group_ids):
            raise ApiError(40068)
        doomed = set(tag_ids) | {tag.id for id_ in group_ids for tag in self.groups[id_].tags}
        for tag_id in doomed:
            self._group_of.pop(tag_id, None)
        gone: list[str] = []
        for group in list(self.groups.values()):
            if group.group_id not in group_ids and not doomed.intersection(tag.id for tag in group.tags):
                continue
            group.tags = [tag for tag in group.tags if tag.id not in doomed]
            if group.tags:
                self.put(group)
                continue
            gone.append(group.group_id)
            del self.groups[group.group_id]
            self._journal.drop("tag_group", group.group_id)
            self._journal.put("tag_group_deleted", group.group_id, group.group_id)
        return sorted(doomed), gone

    def put(self, group: TagGroup) -> None:
        self._journal.put("tag_group", group.group_id, group)

    def _new_id(self) -> str:
        self._made += 1
        self._journal.put("tag_made", str(self._made), "")
        return self._prefix + token_of("tag", self._prefix, self._made)[:20]
