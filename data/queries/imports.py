"""Imports: begun, described, started, ended, and forgotten row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.models import Import, ImportPiece, ImportRow, ImportStatus
from data.queries.import_ids import forget_ids

#: Being worked on, or waiting for it.
OPEN = (ImportStatus.READING, ImportStatus.CHECKING, ImportStatus.RUNNING)
ENDED = (ImportStatus.DONE, ImportStatus.CANCELLED)
#: What its columns are, and how it is to be done, can be said.
DESCRIBED = (ImportStatus.DRAFT, ImportStatus.CHECKING, ImportStatus.READY)
#: Whoever has not finished keeping a file by then is gone.
ABANDONED_AFTER = timedelta(hours=1)
SWEPT_ROWS = 2_000


def begin_import(
    session: Session, name: str, asked_by: str, account_id: int | None, options: Mapping[str, Any], now: datetime
) -> int:
    """An import whose file is going to be kept; its number."""
    row = Import(
        name=name[:128], asked_by=asked_by[:80], account_id=account_id, status=ImportStatus.ARRIVING,
        options=dict(options), tally={}, begun_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def add_piece(session: Session, import_id: int, number: int, content: bytes) -> None:
    """Keep the next piece of its file."""
    session.add(ImportPiece(import_id=import_id, number=number, content=content))


def find_piece(session: Session, import_id: int, number: int) -> bytes | None:
    """A piece of its file; None: there are no more."""
    piece = session.get(ImportPiece, (import_id, number))
    return None if piece is None else piece.content


def get_import(session: Session, import_id: int) -> Import:
    """One whose file is here. Raises NotFoundError."""
    row = session.get(Import, import_id)
    if row is None or row.status == ImportStatus.ARRIVING:
        raise NotFoundError(
            Phrase("没有编号为 %(import_id)s 的导入。", import_id=import_id), Phrase("请核对编号：siyu imports list")
        )
    return row


def lock_import(session: Session, import_id: int) -> Import:
    """The same, locked until the transaction ends; also while its file is kept. Raises NotFoundError."""
    row = session.get(Import, import_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(
            Phrase("没有编号为 %(import_id)s 的导入。", import_id=import_id), Phrase("请核对编号：siyu imports list")
        )
    return row


def is_unchecked(session: Session, row: Import) -> bool:
    """Whether it stopped while its rows were checked, all of which are there."""
    paused = row.status == ImportStatus.PAUSED and row.started_at is None
    return paused and find_piece(session, row.id or 0, 0) is None


def list_imports(
    session: Session, limit: int = 50, before_id: int | None = None, asked_by: str | None = None
) -> list[Import]:
    """Those whose files are here, newest first. `asked_by`: how the names of those who asked end."""
    query = (
        select(Import).where(col(Import.status) != ImportStatus.ARRIVING).order_by(col(Import.id).desc()).limit(limit)
    )
    if before_id is not None:
        query = query.where(col(Import.id) < before_id)
    if asked_by is not None:
        query = query.where(col(Import.asked_by).endswith(asked_by, autoescape=True))
    return list(session.execute(query).scalars())


def find_open_import(session: Session) -> Import | None:
    """The oldest one that is to be worked on."""
    return session.execute(
        select(Import).where(col(Import.status).in_(OPEN)).order_by(col(Import.id)).limit(1)
    ).scalar_one_or_none()


def finish_keeping(
    session: Session, import_id: int, read_as: str, headings: Sequence[str], targets: Sequence[str], now: datetime
) -> Import:
    """All of the file is here, to be read. Raises NotFoundError where it was swept meanwhile."""
    row = lock_import(session, import_id)
    row.read_as, row.headings, row.targets = read_as[:64], list(headings), list(targets)
    row.status, row.made_at = ImportStatus.READING, now
    return row


def finish_reading(session: Session, import_id: int, known: Callable[[Import], bool]) -> None:
    """All of its rows are there. `known`: whether nobody has to say what its columns are."""
    row = lock_import(session, import_id)
    if row.status == ImportStatus.READING:
        row.status = ImportStatus.CHECKING if known(row) else ImportStatus.DRAFT
        _forget_file(session, import_id)


def _forget_file(session: Session, import_id: int) -> None:
    session.execute(delete(ImportPiece).where(col(ImportPiece.import_id) == import_id))


def describe(session: Session, import_id: int, targets: Sequence[str], options: Mapping[str, Any]) -> Import:
    """Columns are something else than was thought, or it is to be done in another way: all rows are checked anew; whom
    a person has chosen stays chosen.

    Raises ConflictError once it has begun.
    """
    row = lock_import(session, import_id)
    if row.status not in (ImportStatus.READING, *DESCRIBED) and not is_unchecked(session, row):
        raise ConflictError(
            Phrase("导入已经开始，不能再改列。"), Phrase("请先取消，再上传一次文件；已经导入的不会重复。")
        )
    row.targets, row.options, row.tally, row.error = list(targets), dict(options), {}, ""
    if row.status != ImportStatus.READING:
        row.status, row.recheck = ImportStatus.CHECKING, True
    return row


def move(
    session: Session, import_id: int, allowed: Sequence[ImportStatus], status: ImportStatus, now: datetime,
    *, error: str = "",
) -> Import:  # fmt: skip
    """From one of some statuses to another. Raises NotFoundError, ConflictError."""
    row = lock_import(session, import_id)
    if row.status == status:
        return row
    if row.status not in allowed:
        raise ConflictError(
            Phrase("导入 %(import_id)s 现在是 %(status)s，不能这样做。", import_id=import_id, status=row.status),
            Phrase("请重新打开页面看看它到哪一步了。"),
        )
    row.status, row.error = status, error
    if status == ImportStatus.RUNNING:
        row.started_at = row.started_at or now
    if status in ENDED:
        row.ended_at = now
        _forget_file(session, import_id)
    return row


def note_error(session: Session, import_id: int, error: str) -> None:
    """Why it waits, for whoever looks; empty: it goes on."""
    row = lock_import(session, import_id)
    if row.error != error and row.status in OPEN:
        row.error = error


def count_states(session: Session, import_id: int) -> dict[str, int]:
    """How many rows are in which state."""
    rows = session.execute(
        select(col(ImportRow.state), func.count())
        .where(col(ImportRow.import_id) == import_id)
        .group_by(col(ImportRow.state))
    )
    return dict(rows.all())


def sweep_rows(session: Session, now: datetime, before: datetime | None) -> bool:
    """Remove some rows of an import that ended, or was left lying, before an instant (None: none is so old), or of one
    whose file did not come to its end. False: there are none."""
    abandoned = (col(Import.status) == ImportStatus.ARRIVING) & (col(Import.begun_at) < now - ABANDONED_AFTER)
    over = abandoned
    if before is not None:
        last = func.coalesce(col(Import.ended_at), col(Import.made_at), col(Import.begun_at))
        over |= (
            (last < before)
            & col(Import.rows_gone_at).is_(None)
            & col(Import.status).not_in((*OPEN, ImportStatus.ARRIVING))
        )
    row = session.execute(select(Import).where(over).order_by(col(Import.id)).limit(1)).scalar_one_or_none()
    if row is None:
        return False
    some = select(col(ImportRow.id)).where(col(ImportRow.import_id) == row.id).limit(SWEPT_ROWS)
    ids = list(session.execute(some).scalars())
    session.execute(delete(ImportRow).where(col(ImportRow.id).in_(ids)))
    if len(ids) < SWEPT_ROWS and not forget_ids(session, row.id or 0, SWEPT_ROWS):
        if row.status == ImportStatus.ARRIVING:
            _forget_file(session, row.id or 0)
            session.delete(row)
        else:
            row.rows_gone_at = now
            if row.status not in ENDED:
                row.status, row.ended_at = ImportStatus.CANCELLED, now
    return True


def drop_import(session: Session, import_id: int) -> None:
    """Its file could not be kept: `sweep_rows` removes it."""
    row = lock_import(session, import_id)
    row.status, row.begun_at = ImportStatus.ARRIVING, row.begun_at - 2 * ABANDONED_AFTER


def list_open_imports(session: Session) -> list[int]:
    """The numbers of those that are to be worked on, oldest first."""
    found = session.execute(select(col(Import.id)).where(col(Import.status).in_(OPEN)).order_by(col(Import.id)))
    return [each for each in found.scalars() if each is not None]
