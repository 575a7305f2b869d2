"""The names of what a segment can ask for, for people who choose among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from data.models import (
    Campaign,
    Channel,
    CustomerGroup,
    Department,
    FieldDefinition,
    FormRow,
    Link,
    Roster,
    Staff,
    Tag,
    TagGroup,
)

#: Of things of which a company may have thousands so many are offered; others are known by what WeCom calls them.
OFFERED = 1_000
#: Of those that one chooses from a list.
LISTED = 200

_TAGS = (
    select(col(Tag.tag_id), col(TagGroup.name) + " / " + col(Tag.name))
    .join(TagGroup, col(TagGroup.group_id) == col(Tag.group_id))
    .where(col(Tag.deleted_at).is_(None))
    .order_by(col(TagGroup.order).desc(), col(TagGroup.group_id), col(Tag.order).desc(), col(Tag.tag_id))
    .limit(OFFERED)
)
_STAFF = select(col(Staff.userid), col(Staff.name)).where(col(Staff.gone_at).is_(None)).order_by(col(Staff.userid))
_GROUPS = (
    select(col(CustomerGroup.chat_id), col(CustomerGroup.name))
    .where(col(CustomerGroup.dismissed_at).is_(None))
    .order_by(col(CustomerGroup.created_at).desc())
)
_CAMPAIGNS = select(col(Campaign.id), col(Campaign.name)).where(
    col(Campaign.test_of).is_(None), col(Campaign.journey_id).is_(None)
)
_ROSTERS = select(col(Roster.id), col(Roster.name)).where(col(Roster.made_at).is_not(None))
_FIELDS = select(col(FieldDefinition.name), col(FieldDefinition.title), col(FieldDefinition.kind)).order_by(
    col(FieldDefinition.name)
)
#: Each by its id with its name.
_OFFERED: Mapping[str, Any] = {
    "tags": _TAGS,
    "departments": select(col(Department.id), col(Department.name))
    .where(col(Department.gone_at).is_(None))
    .order_by(col(Department.id))
    .limit(OFFERED),
    "channels": select(col(Channel.state), col(Channel.name))
    .where(col(Channel.deleted_at).is_(None), col(Channel.state) != "")
    .order_by(col(Channel.name))
    .limit(OFFERED),
}
#: The same of members, with the column that says whose.
_OF_MEMBERS: Mapping[str, tuple[Any, Any]] = {
    "staff": (_STAFF.limit(OFFERED), col(Staff.userid)),
    "groups": (_GROUPS.limit(OFFERED), col(CustomerGroup.owner)),
}
#: The same, the latest first; they may be called alike.
_LATEST: Mapping[str, Any] = {
    "campaigns": _CAMPAIGNS.order_by(col(Campaign.id).desc()).limit(LISTED),
    "links": select(col(Link.id), col(Link.name)).order_by(col(Link.id).desc()).limit(LISTED),
    "rosters": _ROSTERS.order_by(col(Roster.id).desc()).limit(LISTED),
    "forms": select(col(FormRow.name), col(FormRow.name)).order_by(col(FormRow.id).desc()).limit(LISTED),
}
KINDS = frozenset({*_OFFERED, *_OF_MEMBERS, *_LATEST, "fields"})


@dataclass(frozen=True, slots=True)
class Choices:
    """By kind of thing: each by its id, with the name by which people know it; and the kinds of custom fields."""

    names: dict[str, dict[str, str]]
    field_kinds: dict[str, str]


def read_choices(session: Session, userids: Collection[str] | None = None, kinds: AbstractSet[str] = KINDS) -> Choices:
    """What there is of some kinds of things to choose among. `userids`: of members and their groups, only these."""
    names: dict[str, dict[str, str]] = {}
    for kind in kinds & _OFFERED.keys():
        names[kind] = _names(session, _OFFERED[kind])
    for kind in kinds & _OF_MEMBERS.keys():
        query, whose = _OF_MEMBERS[kind]
        names[kind] = _names(session, query if userids is None else query.where(whose.in_(userids)))
    for kind in kinds & _LATEST.keys():
        names[kind] = {str(id_): name for id_, name in session.execute(_LATEST[kind])}
    if "fields" not in kinds:
        return Choices(names, {})
    fields = session.execute(_FIELDS).all()
    names["fields"] = {name: title or name for name, title, _ in fields}
    return Choices(names, {name: kind for name, _, kind in fields})


def read_tags(session: Session) -> dict[str, str]:
    """The tags that there are, each with its group before it, in WeCom's order."""
    return _names(session, _TAGS)


def _names(session: Session, query: Any) -> dict[str, str]:
    """Names by id; of those who are called alike, each with its id."""
    rows = [(str(id_), name or str(id_)) for id_, name in session.execute(query)]
    often = Counter(name for _, name in rows)
    return {id_: name if often[name] == 1 else f"{name}（{id_}）" for id_, name in rows}
