"""Rows of imports: written as they are read, found in pieces, written as they are judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, literal_column, select, tuple_, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import BulkUpdate, BulkUpsert, among
from data.errors import ConflictError, NotFoundError
from data.models import ImportRow, ImportStatus, RowState
from data.queries.imports import lock_import
from data.rules.import_plans import Tally

R: Any = ImportRow.__table__  # type: ignore[attr-defined]
#: Written out, not bound: only then do the databases see that a partial index holds the rows.
_EMPTY: Any = literal_column("''")

_READ = (
    "import_id", "line", "state", "cells", "read_faults", "faults", "told_external_userid", "unionid", "mobile",
    "external_userid", "order_number", "picked",
)  # fmt: skip
_NEW = BulkUpsert(ImportRow, _READ, key=("import_id", "line"), keep=_READ)
_JUDGED = BulkUpdate(
    ImportRow,
    ("state", "faults", "external_userid", "told_external_userid", "unionid", "mobile", "order_number"),
)
_STATE = BulkUpdate(ImportRow, ("state", "faults"))
#: States in which a person may say whom a row is about.
UNDECIDED = (RowState.REVIEW, RowState.LEFT_OUT)


class Read(NamedTuple):
    """A row as it was read, with what in its cells looks like somebody."""

    line: int
    cells: Sequence[str]
    faults: Sequence[tuple[int, str]]
    told_external_userid: str = ""
    unionid: str = ""
    mobile: str = ""


class Judged(NamedTuple):
    """What became of a row when its customer was looked for."""

    id: int
    state: str
    faults: Sequence[Sequence[Any]]
    external_userid: str
    told_external_userid: str
    unionid: str
    mobile: str
    order_number: str


def add_rows(session: Session, import_id: int, rows: Iterable[Read]) -> None:
    """Write rows of a file."""
    _NEW.write(
        session,
        [
            (import_id, row.line, RowState.UNREAD.value, list(row.cells), [list(each) for each in row.faults], [],
             row.told_external_userid, row.unionid, row.mobile, "", "", False)
            for row in rows
        ],
    )  # fmt: skip


def keep_rows(session: Session, import_id: int, rows: Sequence[Read], count: int) -> bool:
    """Write the next rows of its file, with which there are so many. False: it is not to be read on."""
    parent = lock_import(session, import_id)
    if parent.status != ImportStatus.READING:
        return False
    add_rows(session, import_id, rows)
    parent.rows = count
    return True


def list_rows(
    session: Session, import_id: int, state: RowState | None = None, *, after: int = 0, limit: int = 50
) -> list[ImportRow]:
    """Rows in a state (None: in any) behind a line, in their order."""
    query = select(ImportRow).where(col(ImportRow.import_id) == import_id, col(ImportRow.line) > after)
    if state is not None:
        query = query.where(col(ImportRow.state) == state)
    return list(session.execute(query.order_by(col(ImportRow.line)).limit(limit)).scalars())


def list_of_customers(session: Session, import_id: int, state: RowState, limit: int) -> list[ImportRow]:
    """The next rows in a state, by their customers, all of each customer's together; at first those without one."""
    mine = (col(ImportRow.import_id) == import_id, col(ImportRow.state) == state)
    order = (col(ImportRow.external_userid), col(ImportRow.line))
    rows = list(session.execute(select(ImportRow).where(*mine).order_by(*order).limit(limit)).scalars())
    if len(rows) == limit and rows[-1].external_userid:
        last = tuple_(*order) > tuple_(bindparam("whose", rows[-1].external_userid), bindparam("line", rows[-1].line))
        rest = select(ImportRow).where(*mine, last, col(ImportRow.external_userid) == rows[-1].external_userid)
        rows += session.execute(rest.order_by(*order)).scalars()
    return rows


def reset_some(session: Session, import_id: int, limit: int) -> bool:
    """Where all rows are to be looked at anew, some of them are; those that a person has left out stay. False: none is
    left."""
    parent = lock_import(session, import_id)
    if not parent.recheck:
        return False
    judged = [RowState.FOUND, RowState.READY, RowState.SAME, RowState.REVIEW, RowState.BAD]
    mine = select(col(ImportRow.id)).where(col(ImportRow.import_id) == import_id, col(ImportRow.state).in_(judged))
    ids = list(session.execute(mine.limit(limit)).scalars())
    session.execute(update(ImportRow).where(col(ImportRow.id).in_(ids)).values(state=RowState.UNREAD, faults=[]))
    parent.recheck = len(ids) == limit
    return parent.recheck


def list_order_lines(session: Session, import_id: int, numbers: Collection[str]) -> dict[str, int]:
    """The first line of an import on which each of some orders stands, of those that were looked at."""
    dialect = session.get_bind().dialect.name
    query = select(R.c.order_number, R.c.line).where(
        R.c.import_id == import_id, R.c.order_number != _EMPTY, among(dialect, R.c.order_number, "numbers")
    )
    found: dict[str, int] = {}
    for number, line in session.execute(query, {"numbers": sorted(numbers)}):
        found[number] = min(line, found.get(number, line))
    return found


def write_judged(session: Session, import_id: int, status: ImportStatus, rows: Sequence[Judged]) -> bool:
    """Write what became of rows. False: the import is not in this status any more, or its rows are to be looked at
    anew, and nothing is written."""
    row = lock_import(session, import_id)
    if row.status != status or row.recheck:
        return False
    _JUDGED.write(
        session,
        [(each[0], each[1], [list(fault) for fault in each[2]], *each[3:]) for each in rows],
    )
    return True


def write_states(
    session: Session, import_id: int, status: ImportStatus, rows: Sequence[tuple[int, str, Sequence[Any]]],
    tally: Tally | None = None,
) -> bool:  # fmt: skip
    """Write the states of rows (id, state, faults), and the import's tally. False: as of `write_judged`."""
    row = lock_import(session, import_id)
    if row.status != status or row.recheck:
        return False
    _STATE.write(session, [(id_, state, list(faults)) for id_, state, faults in rows])
    if tally is not None:
        row.tally = tally.to_json()
    return True


def finish_checking(session: Session, import_id: int) -> bool:
    """Every row was looked at, if that is so; somebody may have changed something meanwhile."""
    row = lock_import(session, import_id)
    mine = (col(ImportRow.import_id) == import_id, col(ImportRow.state).in_([RowState.UNREAD, RowState.FOUND]))
    waiting = session.execute(select(col(ImportRow.id)).where(*mine).limit(1)).first()
    if row.status != ImportStatus.CHECKING or row.recheck or waiting is not None:
        return False
    row.status, row.error = ImportStatus.READY, ""
    return True


def decide_row(session: Session, import_id: int, line: int, external_userid: str | None) -> ImportRow:
    """A person says whom a row is about; None: it is left out. It is checked at once.

    Raises NotFoundError, and ConflictError for a row about which there is no doubt, or once the import has begun.
    """
    parent = lock_import(session, import_id)
    row: ImportRow | None = session.execute(
        select(ImportRow).where(col(ImportRow.import_id) == import_id, col(ImportRow.line) == line).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise NotFoundError(
            Phrase("导入 %(import_id)s 没有第 %(line)s 行。", import_id=import_id, line=line), Phrase("请核对行号。")
        )
    if parent.status not in (ImportStatus.READY, ImportStatus.CHECKING):
        raise ConflictError(
            Phrase("导入已经开始或结束，不能再选客户。"), Phrase("请再上传一次文件；已经导入的不会重复。")
        )
    if row.state not in UNDECIDED and not row.picked:
        raise ConflictError(Phrase("第 %(line)s 行不用选客户。", line=line), Phrase("请从要核对的行里选。"))
    if row.state not in UNDECIDED:
        # What it would have changed is counted already.
        parent.tally, parent.recheck = {}, True
    row.picked = True
    row.external_userid = external_userid or ""
    row.state = RowState.FOUND if external_userid else RowState.LEFT_OUT
    row.faults = []
    parent.status = ImportStatus.CHECKING
    return row


def leave_out(session: Session, import_id: int, limit: int) -> int:
    """Leave some of the rows out about which a person has not decided; how many."""
    parent = lock_import(session, import_id)
    if parent.status != ImportStatus.READY:
        raise ConflictError(Phrase("导入已经开始或结束。"), Phrase("请重新打开页面。"))
    ids = list(
        session.execute(
            select(col(ImportRow.id))
            .where(col(ImportRow.import_id) == import_id, col(ImportRow.state) == RowState.REVIEW)
            .limit(limit)
        ).scalars()
    )
    session.execute(update(ImportRow).where(col(ImportRow.id).in_(ids)).values(state=RowState.LEFT_OUT, picked=True))
    return len(ids)
