"""Tracked links, and who followed them: which customers out of which run (`list_clicked`, `clicked_follows`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, literal_column, select, update
from sqlmodel import Session, col

from data.bulk import among
from data.errors import ConflictError, NotFoundError
from data.models import Batch, Follow, Link, LinkClick, OtherClick, Recipient, Run, Touch
from data.queries.erasures import find_erased_at
from data.queries.touches import broadcast_origin
from data.queries.upsert import insert_into
from data.rules.links import LinkDraft, LinkEdit, Visitor, normal_target
from data.rules.waves import CUSTOMERS
from data.types import UtcDateTime

L: Any = Link.__table__  # type: ignore[attr-defined]
K: Any = LinkClick.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
O: Any = OtherClick.__table__  # type: ignore[attr-defined]  # noqa: E741

#: Written as the partial index has it.
OF_A_RUN: Any = literal_column("link_clicks.run_id <> 0")
_TARGET = (L.c.id, L.c.url, L.c.retired_at)
_BY_CODE = select(*_TARGET).where(L.c.code == bindparam("code"))
_BY_ID = select(*_TARGET).where(L.c.id == bindparam("id"))
_RECIPIENT = (
    select(col(Follow.id))
    .join(Recipient, col(Recipient.follow_id) == col(Follow.id))
    .where(
        col(Follow.userid) == bindparam("userid"), col(Follow.external_userid) == bindparam("whom"),
        col(Recipient.run_id) == bindparam("run_id"), col(Recipient.batch_no) == bindparam("batch_no"),
    )
)  # fmt: skip
_CLICKED = (
    update(T)
    .where(T.c.origin == bindparam("of"), T.c.clicked_at.is_(None))
    .values(clicked_at=bindparam("at", type_=UtcDateTime()))
)


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


def list_named(session: Session, names: Collection[str]) -> dict[str, Link]:
    """Those of the names that are links, retired ones among them."""
    rows = session.execute(select(Link).where(col(Link.name).in_(sorted(names)))).scalars() if names else ()
    return {row.name: row for row in rows}


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


# -- clicks are written


class _Source(NamedTuple):
    """The sending that a click came out of. `run_id` 0: none that is known to have reached this customer."""

    run_id: int = 0
    follow_id: int | None = None
    userid: str = ""


def _find_source(session: Session, batch_id: int, external_userid: str) -> _Source:
    """What the address says of its batch, as far as our own rows bear it out: anybody can write an address."""
    # Shared with other clicks, and one after the other with results: the touch is there, or they look for the click.
    batch = session.get(Batch, batch_id, with_for_update={"read": True}) if batch_id else None
    if batch is None:
        return _Source()
    if batch.kind != CUSTOMERS:
        return _Source(batch.run_id, None, batch.userid)
    asked = {"userid": batch.userid, "whom": external_userid, "run_id": batch.run_id, "batch_no": batch.batch_no}
    follow_id = session.execute(_RECIPIENT, asked).scalar()
    return _Source() if follow_id is None else _Source(batch.run_id, follow_id, batch.userid)


def record_click(session: Session, link_id: int, external_userid: str, batch_id: int, now: datetime) -> None:
    """A customer has followed a link. The first time, what follows from it is due.

    About a customer who was erased nothing is written but that somebody came.
    """
    if find_erased_at(session, external_userid) is not None:
        record_other(session, link_id, Visitor.UNKNOWN, batch_id, now)
        return
    link = get_link(session, link_id)
    source = _find_source(session, batch_id, external_userid)
    known = select(K.c.id).where(K.c.link_id == link_id, K.c.external_userid == external_userid).limit(1)
    wants = bool(link.tag_ids) or link.tells_staff
    due_at = now if wants and session.execute(known).first() is None else None
    row = {
        "link_id": link_id, "external_userid": external_userid, **source._asdict(), "clicks": 1,
        "first_at": now, "last_at": now, "due_at": due_at, "attempts": 0,
    }  # fmt: skip
    session.execute(
        insert_into(session, LinkClick)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["link_id", "external_userid", "run_id"],
            set_={"clicks": K.c.clicks + 1, "last_at": now},
        )
    )
    if source.follow_id is not None:
        _note_touches(session, [(broadcast_origin(source.run_id, source.follow_id), now)])


def record_other(session: Session, link_id: int, kind: Visitor, batch_id: int, now: datetime) -> None:
    """Somebody else has followed a link."""
    batch = session.get(Batch, batch_id) if batch_id else None
    row = {
        "link_id": link_id, "run_id": batch.run_id if batch else 0, "kind": kind.value, "clicks": 1,
        "first_at": now, "last_at": now,
    }  # fmt: skip
    session.execute(
        insert_into(session, OtherClick)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["link_id", "run_id", "kind"], set_={"clicks": O.c.clicks + 1, "last_at": now}
        )
    )


def _note_touches(session: Session, clicked: Sequence[tuple[str, datetime]]) -> None:
    """Touches by their origin, and when a link in them was followed."""
    if clicked:
        session.connection().execute(_CLICKED, [{"of": origin, "at": at} for origin, at in clicked])


def note_reached(session: Session, run_id: int, external_userids: Collection[str]) -> None:
    """WeCom tells now that a run has reached these customers: some may have followed its links already."""
    dialect = session.get_bind().dialect.name
    query = (
        select(K.c.follow_id, func.min(K.c.first_at))
        .where(
            K.c.run_id == run_id, OF_A_RUN, K.c.follow_id.is_not(None), among(dialect, K.c.external_userid, "ids")
        )
        .group_by(K.c.follow_id)
    )  # fmt: skip
    found = session.execute(query, {"ids": sorted(external_userids)}).all()
    _note_touches(session, [(broadcast_origin(run_id, follow_id), first_at) for follow_id, first_at in found])


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
