"""The names of what a segment can ask for, for people who choose among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
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


@dataclass(frozen=True, slots=True)
class Choices:
    """By kind of thing: each by its id, with the name by which people know it; and the kinds of custom fields."""

    names: dict[str, dict[str, str]]
    field_kinds: dict[str, str]


def read_choices(session: Session, userids: Collection[str] | None = None) -> Choices:
    """What there is to choose among. `userids`: of members and their groups, only these."""
    staff = select(col(Staff.userid), col(Staff.name)).where(col(Staff.gone_at).is_(None))
    groups = select(col(CustomerGroup.chat_id), col(CustomerGroup.name)).where(
        col(CustomerGroup.dismissed_at).is_(None)
    )
    mine = (col(Campaign.test_of).is_(None), col(Campaign.journey_id).is_(None))
    if userids is not None:
        staff = staff.where(col(Staff.userid).in_(userids))
        groups = groups.where(col(CustomerGroup.owner).in_(userids))
    fields = session.execute(
        select(col(FieldDefinition.name), col(FieldDefinition.title), col(FieldDefinition.kind)).order_by(
            col(FieldDefinition.name)
        )
    ).all()
    found = {
        "tags": read_tags(session),
        "staff": _names(session, staff.order_by(col(Staff.userid))),
        "departments": _names(
            session,
            select(col(Department.id), col(Department.name))
            .where(col(Department.gone_at).is_(None))
            .order_by(col(Department.id)),
        ),
        "channels": _names(
            session,
            select(col(Channel.state), col(Channel.name))
            .where(col(Channel.deleted_at).is_(None), col(Channel.state) != "")
            .order_by(col(Channel.name)),
        ),
        "groups": _names(session, groups.order_by(col(CustomerGroup.created_at).desc())),
        "campaigns": _listed(session, select(col(Campaign.id), col(Campaign.name)).where(*mine), col(Campaign.id)),
        "links": _listed(session, select(col(Link.id), col(Link.name)), col(Link.id)),
        "rosters": _listed(
            session, select(col(Roster.id), col(Roster.name)).where(col(Roster.made_at).is_not(None)), col(Roster.id)
        ),
        "forms": {
            name: name
            for (name,) in session.execute(select(col(FormRow.name)).order_by(col(FormRow.id).desc()).limit(LISTED))
        },
        "fields": {name: title or name for name, title, _ in fields},
    }
    return Choices(found, {name: kind for name, _, kind in fields})


def read_tags(session: Session) -> dict[str, str]:
    """The tags that there are, each with its group before it, in WeCom's order."""
    tags = (
        select(col(Tag.tag_id), col(TagGroup.name) + " / " + col(Tag.name))
        .join(TagGroup, col(TagGroup.group_id) == col(Tag.group_id))
        .where(col(Tag.deleted_at).is_(None))
    )
    in_order = (col(TagGroup.order).desc(), col(TagGroup.group_id), col(Tag.order).desc(), col(Tag.tag_id))
    return _names(session, tags.order_by(*in_order))


def _names(session: Session, query: Any) -> dict[str, str]:
    """Names by id; of those who are called alike, each with its id."""
    rows = [(str(id_), name or str(id_)) for id_, name in session.execute(query.limit(OFFERED))]
    often = Counter(name for _, name in rows)
    return {id_: name if often[name] == 1 else f"{name}（{id_}）" for id_, name in rows}


def _listed(session: Session, query: Any, newest: Any) -> dict[str, str]:
    return {str(id_): name for id_, name in session.execute(query.order_by(newest.desc()).limit(LISTED))}
