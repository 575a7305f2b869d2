"""By what people find a follow's customer: the names that the customer, the company and the staff member have for them.

On SQLite also by their unionid: an index of its own, in the order of nothing that is ever written together, would have
a page written for each customer, where full text merges what is new.

Whoever writes a name or the unionid calls `note_words` after it in the same transaction, or `write_new` with all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import delete, literal_column, select, text
from sqlmodel import Session

from data.bulk import BulkUpsert, among
from data.models import Customer, Follow, FollowWords
from data.queries.privacy import overwriting
from data.rules.grams import coded, coded_id

F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]
W: Any = FollowWords.__table__  # type: ignore[attr-defined]

PER_STATEMENT = 500
#: Of the index on SQLite, written anew in one unit of work.
MERGED_PAGES = 64
_MERGE = text("INSERT INTO follow_grams (follow_grams, rank) VALUES ('merge', :pages)")
_WRITE = BulkUpsert(FollowWords, ("follow_id", "grams"))
#: One follow with what is kept of it and what should be: `_given` reads both.
_NAMED = (
    select(
        F.c.id, F.c.external_userid, W.c.grams, C.c.name, C.c.corp_name, F.c.remark, F.c.remark_corp_name, C.c.unionid
    )
    .select_from(F)
    .outerjoin(C, C.c.external_userid == F.c.external_userid)
    .outerjoin(W, W.c.follow_id == F.c.id)
)


class Names(NamedTuple):
    """What a follow's customer is called by themselves, by their company and by the staff member, and by WeChat."""

    name: str
    corp_name: str
    remark: str
    remark_corp_name: str
    unionid: str


class Words(NamedTuple):
    """A follow with what is kept of its names, and what should be."""

    follow_id: int
    external_userid: str
    kept: str
    right: str


def write_new(session: Session, follows: Iterable[tuple[int, Names]]) -> None:
    """Let follows that were just made be found."""
    dialect = session.get_bind().dialect.name
    rows = [(follow_id, _words(names, dialect)) for follow_id, names in follows]
    _WRITE.write(session, [row for row in rows if row[1]])


def note_words(session: Session, external_userids: Collection[str]) -> None:
    """Let the follows of these customers be found by what their rows say now."""
    connection, dialect = session.connection(), session.get_bind().dialect.name
    ids = sorted(set(external_userids) - {""})
    session.flush()
    for start in range(0, len(ids), PER_STATEMENT):
        rows = connection.execute(_of_customers(dialect), {"ids": ids[start : start + PER_STATEMENT]})
        write_right(session, [each for each in _given(rows, dialect) if each.kept != each.right])


def write_right(session: Session, wrong: Collection[Words]) -> None:
    """Write what was just read to be right, in the same transaction."""
    _WRITE.write(session, [(each.follow_id, each.right) for each in wrong if each.right])
    if gone := [each.follow_id for each in wrong if not each.right]:
        session.connection().execute(_forget(session.get_bind().dialect.name), {"ids": gone})


@lru_cache
def _of_customers(dialect: str) -> Any:
    return _NAMED.where(among(dialect, F.c.external_userid, "ids"))


@lru_cache
def _forget(dialect: str) -> Any:
    return delete(W).where(among(dialect, W.c.follow_id, "ids"))


def _given(rows: Iterable[Any], dialect: str) -> Iterator[Words]:
    for row in rows:
        yield Words(row[0], row[1], row[2] or "", _words(Names(*(name or "" for name in row[3:])), dialect))


def _words(names: Names, dialect: str) -> str:
    *texts, unionid = names
    words = coded(texts)
    return f"{words} {coded_id(unionid)}".lstrip() if unionid and dialect == "sqlite" else words


def list_wrong(session: Session, after_id: int, limit: int) -> tuple[list[Words], int | None]:
    """Those of the next follows that are not found by what they are called, and the id to go on behind; None at the
    end."""
    query = _NAMED.where(F.c.id > after_id).order_by(F.c.id).limit(limit)
    found = list(_given(session.connection().execute(query), session.get_bind().dialect.name))
    return [each for each in found if each.kept != each.right], found[-1].follow_id if found else None


def forget_gone(session: Session, *, first: bool) -> bool:
    """Take a step towards an index that holds nothing of whoever was erased; whether there is more to do. On SQLite,
    whose index only notes that an entry is gone until it is written anew."""
    if session.get_bind().dialect.name != "sqlite":
        return False
    connection = session.connection()
    changes: Any = literal_column("total_changes()")
    with overwriting(session):
        before = connection.execute(select(changes)).scalar_one()
        connection.execute(_MERGE, {"pages": -MERGED_PAGES if first else MERGED_PAGES})
        return bool(connection.execute(select(changes)).scalar_one() - before > 1)
