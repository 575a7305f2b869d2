"""Tracked links, and who followed them: which customers out of which run (`list_clicked`, `clicked_follows`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, literal_column, select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import Link, LinkClick, OtherClick, Run, Touch, WelcomeRuleRow
from data.rules.links import LinkDraft, LinkEdit, normal_target

L: Any = Link.__table__  # type: ignore[attr-defined]
K: Any = LinkClick.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
O: Any = OtherClick.__table__  # type: ignore[attr-defined]  # noqa: E741

#: Written as the partial index has it.
OF_A_RUN: Any = literal_column("link_clicks.run_id <> 0")
_TARGET = (L.c.id, L.c.url, L.c.retired_at)
_BY_CODE = select(*_TARGET).where(L.c.code == bindparam("code"))
_BY_ID = select(*_TARGET).where(L.c.id == bindparam("id"))
_PLACES = select(L.c.name, L.c.code, L.c.url, L.c.retired_at).where(L.c.name.in_(bindparam("names", expanding=True)))


class Target(NamedTuple):
    """Where a link leads."""

    link_id: int
    url: str
    retired: bool


# -- links


def add_link(session: Session, draft: LinkDraft, code: str, made_by: str, now: datetime) -> Link:
    """Keep a link whose draft was checked. Raises ConflictError when there is one of this name."""
    _refuse_taken(session, draft.name)
    row = Link(
        code=code,
        name=draft.name,
        url=normal_target(draft.url),
        tag_ids=sorted(draft.tag_ids),
        tells_staff=draft.tells_staff,
        made_by=made_by,
        made_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _refuse_taken(session: Session, name: str) -> None:
    if session.execute(select(L.c.id).where(L.c.name == name)).first() is not None:
        raise ConflictError(f"There is a link {name} already.", "Choose another name: retired links keep theirs.")


def get_link(session: Session, link_id: int) -> Link:
    """One link. Raises NotFoundError."""
    row = session.get(Link, link_id)
    if row is None:
        raise NotFoundError(f"There is no link {link_id}.", "siyu links list shows them.")
    return row


def list_links(session: Session, limit: int, before_id: int | None = None) -> list[Link]:
    """Links, newest first."""
    query = select(Link).order_by(col(Link.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(Link.id) < before_id)
    return list(session.execute(query).scalars())


class Place(NamedTuple):
    """Where a link is found, and where it leads."""

    code: str
    url: str
    retired: bool


def map_places(session: Session, names: Collection[str]) -> dict[str, Place]:
    """The places of those of the names that are links."""
    found = session.connection().execute(_PLACES, {"names": sorted(names)})
    return {row.name: Place(row.code, row.url, row.retired_at is not None) for row in found}


def change_link(session: Session, link_id: int, edit: LinkEdit) -> Link:
    """Change a link as an edit says that was checked. Raises NotFoundError."""
    row = get_link(session, link_id)
    if edit.url is not None:
        row.url = normal_target(edit.url)
    if edit.tag_ids is not None:
        row.tag_ids = sorted(edit.tag_ids)
    if edit.tells_staff is not None:
        row.tells_staff = edit.tells_staff
    return row


def retire_link(session: Session, link_id: int, now: datetime) -> Link:
    """It leads nowhere any more; what is known of its clicks stays. Raises NotFoundError."""
    row = get_link(session, link_id)
    row.retired_at = row.retired_at or now
    return row


def find_target(session: Session, code: str) -> Target | None:
    """Where a code leads."""
    return _target(session.connection().execute(_BY_CODE, {"code": code}).first())


def find_target_of(session: Session, link_id: int) -> Target | None:
    """Where a link leads."""
    return _target(session.connection().execute(_BY_ID, {"id": link_id}).first())


def _target(row: Any) -> Target | None:
    return None if row is None else Target(row.id, row.url, row.retired_at is not None)


# -- clicks are read


class Clicked(NamedTuple):
    """A recipient of a run who has followed a link in it."""

    link_id: int
    external_userid: str
    follow_id: int | None
    userid: str
    clicks: int
    first_at: datetime
    last_at: datetime


def clicked_follows(run_id: int) -> Select[Any]:
    """The follows of a run's recipients who have followed any link in it: a part of larger statements."""
    return select(K.c.follow_id).where(K.c.run_id == run_id, OF_A_RUN, K.c.follow_id.is_not(None))


def list_clicked(session: Session, run_id: int, limit: int, after_id: int = 0) -> list[tuple[int, Clicked]]:
    """(number, customer) of those who have followed links of a run, by number; a customer once for each link."""
    query = (
        select(K.c.id, *(K.c[name] for name in Clicked._fields))
        .where(K.c.run_id == run_id, OF_A_RUN, K.c.id > after_id)
        .order_by(K.c.id)
        .limit(limit)
    )
    return [(row[0], Clicked(*row[1:])) for row in session.execute(query)]


class Clicks(NamedTuple):
    """How many customers have clicked, and how often together."""

    customers: int = 0
    clicks: int = 0


def count_of_runs(session: Session, run_ids: Collection[int]) -> dict[int, Clicks]:
    """By run: who has followed a link in what it sent."""
    query = (
        select(K.c.run_id, func.count(K.c.external_userid.distinct()), func.sum(K.c.clicks))
        .where(K.c.run_id.in_(sorted(run_ids)), OF_A_RUN)
        .group_by(K.c.run_id)
    )
    return {run_id: Clicks(customers, int(clicks)) for run_id, customers, clicks in session.execute(query)}


def count_of_links(session: Session, link_ids: Collection[int]) -> dict[int, Clicks]:
    """By link: who has followed it, wherever it stood."""
    query = (
        select(K.c.link_id, func.count(K.c.external_userid.distinct()), func.sum(K.c.clicks))
        .where(K.c.link_id.in_(sorted(link_ids)))
        .group_by(K.c.link_id)
    )
    return {link_id: Clicks(customers, int(clicks)) for link_id, customers, clicks in session.execute(query)}


def count_of_welcomes(session: Session, link_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """By link: who has followed it out of a welcome, by the rule that said it; a rule that is gone has no name."""
    query = (
        select(
            K.c.link_id, K.c.welcome_rule_id, func.coalesce(col(WelcomeRuleRow.name), ""), func.count(),
            func.sum(K.c.clicks),
        )
        .outerjoin(WelcomeRuleRow, col(WelcomeRuleRow.id) == K.c.welcome_rule_id)
        .where(K.c.link_id.in_(sorted(link_ids)), K.c.welcome_rule_id != 0)
        .group_by(K.c.link_id, K.c.welcome_rule_id, col(WelcomeRuleRow.name))
        .order_by(K.c.welcome_rule_id)
    )  # fmt: skip
    told: dict[int, list[dict[str, Any]]] = {}
    for link_id, rule_id, name, customers, clicks in session.execute(query):
        told.setdefault(link_id, []).append(
            {"rule_id": rule_id, "name": name, "customers": customers, "clicks": int(clicks)}
        )
    return told


def count_others(session: Session, link_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """By link: how often others than customers followed it, by who they are."""
    query = (
        select(O.c.link_id, O.c.kind, func.sum(O.c.clicks))
        .where(O.c.link_id.in_(sorted(link_ids)))
        .group_by(O.c.link_id, O.c.kind)
    )
    told: dict[int, dict[str, int]] = {}
    for link_id, kind, clicks in session.execute(query):
        told.setdefault(link_id, {})[kind] = int(clicks)
    return told


def list_clicks(session: Session, link_id: int, limit: int, before_id: int | None = None) -> list[Mapping[str, Any]]:
    """Who has followed a link, newest first, with the campaign it came out of."""
    query = _clicks().where(K.c.link_id == link_id)
    return _newest(session, query, limit, before_id)


def list_of_customer(
    session: Session, external_userid: str, limit: int, before_id: int | None = None
) -> list[Mapping[str, Any]]:
    """Which links a customer has followed, newest first."""
    return _newest(session, _clicks().where(K.c.external_userid == external_userid), limit, before_id)


def _clicks() -> Select[Any]:
    columns = [column for column in K.c if column.name not in ("attempts",)]
    return (
        select(*columns, L.c.name.label("link"), col(Run.campaign_id))
        .join(L, L.c.id == K.c.link_id)
        .outerjoin(Run, col(Run.id) == K.c.run_id)
    )


def _newest(session: Session, query: Select[Any], limit: int, before_id: int | None) -> list[Mapping[str, Any]]:
    if before_id is not None:
        query = query.where(K.c.id < before_id)
    return [dict(row) for row in session.execute(query.order_by(K.c.id.desc()).limit(limit)).mappings()]
