"""Imports of other tools' tables: a file is read into rows, a person says what its columns are and whom doubtful rows
are about; `bot/import_work.py` checks and applies them. What they say of rows is told in words, with what to do."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from itertools import islice
from typing import IO, Any, NamedTuple

from sqlmodel import Session

from bot.phrases import Phrase
from bot.saying import told
from bot.spreadsheets import unguarded
from bot.table_files import HEADING_ROWS, Row, Table, open_table, refusal
from data.db import Database
from data.errors import NotFoundError
from data.models import Import, ImportRow, ImportStatus, RowState
from data.queries import import_facts, import_ids, import_rows
from data.queries import imports as rows
from data.queries.customer_pages import require_visible
from data.queries.fields import list_definitions
from data.queries.import_ids import Converted
from data.queries.import_rows import Read
from data.rules.import_cells import read_row
from data.rules.import_plans import CANDIDATES_SHOWN
from data.rules.imports import (
    CELL_MAX_LENGTH,
    ORDERS,
    Given,
    Options,
    is_heading,
    recognise,
    target_problems,
)
from data.rules.problems import InvalidRuleError
from data.rules.texts import normalised_mobile

ROWS_MAX = 500_000
#: Rows, and bytes of a file, that are written in one go.
CHUNK = 500
PIECE_BYTES = 1 << 20
HEADING_MAX_LENGTH = 64
LEFT_OUT_AT_ONCE = 2_000
LEFT_OUT = Phrase("选择了不导入")
#: Rows that an import did not take, for the file of them.
NOT_TAKEN = (RowState.BAD, RowState.REVIEW, RowState.LEFT_OUT, RowState.FAILED)

_CUSTOMER_ID = re.compile(r"w[mo][A-Za-z0-9_-]{10,62}")
_UNIONID = re.compile(r"o[A-Za-z0-9_-]{26,29}")
_NUMBER = re.compile(r"[+\d][\d\s()-]{9,19}")


async def take_file(
    db: Database, opened: IO[bytes], name: str, asked_by: str, options: Options, now: Callable[[], datetime],
    *, account_id: int | None = None, orders: bool = True,
) -> Import:  # fmt: skip
    """Keep a file, which is read in the background (`read_file`). `orders`: whether whoever asks may import orders.

    Raises InvalidRuleError for what is no table, as far as its first rows tell.
    """
    table = await asyncio.to_thread(open_table, opened, is_heading)
    headings = await asyncio.to_thread(_look, table)
    targets = recognise(headings, await db.read(map_fields))
    if not orders:
        targets = ["" if each in ORDERS else each for each in targets]
    import_id = await db.write(
        rows.begin_import, name or "import", asked_by, account_id, options.model_dump(mode="json"), now()
    )
    try:
        opened.seek(0)
        number = 0
        while content := await asyncio.to_thread(opened.read, PIECE_BYTES):
            await db.write(rows.add_piece, import_id, number, content)
            number += 1
        return await db.write(rows.finish_keeping, import_id, table.told, headings, targets, now())
    except BaseException:
        await db.write(rows.drop_import, import_id)
        while await db.write(rows.sweep_rows, now(), None):
            pass
        raise


def _look(table: Table) -> list[str]:
    """The headings of a table that has a row behind them."""
    try:
        headings, first = _find_headings(table)
        if not first and not _next_chunk(table):
            raise refusal(Phrase("列名下面没有一行内容"))
        return headings
    finally:
        table.rows.close()


async def read_file(db: Database, import_id: int) -> None:
    """Read all rows of an import's file. Where somebody died over it, rows that are there are not written again.

    Where its columns are known it is to be checked next, else somebody has to say what they are. Raises
    InvalidRuleError for what is no table after all.
    """
    with tempfile.TemporaryFile(prefix="siyu-import-") as opened:
        number = 0
        while (content := await db.read(rows.find_piece, import_id, number)) is not None:
            await asyncio.to_thread(opened.write, content)
            number += 1
        table = await asyncio.to_thread(open_table, opened, is_heading)
        _, first = await asyncio.to_thread(_find_headings, table)
        if not await _keep(db, import_id, first, table):
            return

    def finish(session: Session) -> None:
        fields = map_fields(session).keys()
        rows.finish_reading(
            session, import_id, lambda row: not target_problems(row.targets, len(row.headings), fields, orders=True)
        )  # fmt: skip

    await db.write(finish)


def _find_headings(table: Table) -> tuple[list[str], list[Row]]:
    """The row of headings, which some title may stand before, and the rows behind it that were read on the way."""
    first = list(islice((row for row in table.rows if not row.is_blank), HEADING_ROWS))
    if not first:
        raise refusal(Phrase("文件是空的"))
    known = [sum(map(is_heading, row.cells)) for row in first]
    at = known.index(max(known))
    if first[at].faults:
        raise refusal(next(iter(first[at].faults.values())), first[at].line)
    headings = [each[:HEADING_MAX_LENGTH] for each in first[at].cells]
    return headings, first[at + 1 :]


async def _keep(db: Database, import_id: int, first: Sequence[Row], table: Table) -> bool:
    """Write all rows, but those that are there. False: it is not to be read on."""
    there = (await db.read(rows.get_import, import_id)).rows
    count = 0
    chunk = [_read(row) for row in first]
    while chunk:
        count += len(chunk)
        if count > ROWS_MAX:
            raise refusal(Phrase("超过 %(most)s 行：请分成几个文件", most=f"{ROWS_MAX:,}"), chunk[-1].line)
        if count > there and not await db.write(import_rows.keep_rows, import_id, chunk, count):
            return False
        chunk = await asyncio.to_thread(_next_chunk, table)
    return True


def _next_chunk(table: Table) -> list[Read]:
    return [_read(row) for row in islice((row for row in table.rows if not row.is_blank), CHUNK)]


def _read(row: Row) -> Read:
    # PostgreSQL keeps no NUL, and no column is written with more than this.
    cells = [unguarded(each.replace("\0", ""))[: CELL_MAX_LENGTH + 1] for each in row.cells]
    told, unionid, mobile = "", "", ""
    for cell in cells:
        told = told or (cell if _CUSTOMER_ID.fullmatch(cell) else "")
        unionid = unionid or (cell if _UNIONID.fullmatch(cell) else "")
        mobile = mobile or (normalised_mobile(cell)[:32] if _NUMBER.fullmatch(cell) else "")
    return Read(row.line, cells, sorted(row.faults.items()), told, unionid, mobile)


def map_fields(session: Session) -> dict[str, str]:
    """The titles of the company's own fields, by name."""
    return {each.name: each.title for each in list_definitions(session)}


def describe(
    session: Session, import_id: int, targets: Sequence[str] | None, options: Options, *, orders: bool = True
) -> Import:
    """What the columns are, and how it is to be done; the rows are checked anew. None: the columns stay as they are.

    Raises NotFoundError, InvalidRuleError, ConflictError once it has begun.
    """
    row = rows.get_import(session, import_id)
    wanted = list(row.targets if targets is None else targets)
    found = target_problems(wanted, len(row.headings), map_fields(session).keys(), orders=orders)
    if found:
        raise InvalidRuleError(found)
    return rows.describe(session, import_id, wanted, options.model_dump(mode="json"))


def start(session: Session, import_id: int, now: datetime) -> Import:
    """Have it applied in the background, again where it was paused. Raises NotFoundError, ConflictError."""
    row = rows.get_import(session, import_id)
    # What stopped while it was checked is not known to be right yet.
    unchecked = row.status == ImportStatus.PAUSED and row.started_at is None
    status = ImportStatus.CHECKING if unchecked else ImportStatus.RUNNING
    if unchecked and rows.find_piece(session, import_id, 0) is not None:
        status = ImportStatus.READING
    return rows.move(session, import_id, (ImportStatus.READY, ImportStatus.PAUSED), status, now)


def cancel(session: Session, import_id: int, now: datetime) -> Import:
    """End it: what is imported stays. Raises NotFoundError, ConflictError."""
    rows.get_import(session, import_id)
    allowed = (
        ImportStatus.READING, ImportStatus.DRAFT, ImportStatus.CHECKING, ImportStatus.READY, ImportStatus.RUNNING,
        ImportStatus.PAUSED,
    )  # fmt: skip
    return rows.move(session, import_id, allowed, ImportStatus.CANCELLED, now)


#: What may be done with an import, by name.
ACTS: Mapping[str, Callable[[Session, int, datetime], Import]] = {"start": start, "cancel": cancel}


def act(session: Session, import_id: int, name: str, now: datetime) -> Import:
    """One of `ACTS`. Raises NotFoundError, ConflictError."""
    if name not in ACTS:
        raise NotFoundError(Phrase("没有操作 %(name)s。", name=name[:20]), Phrase("可以是 %(acts)s。", acts=[*ACTS]))
    return ACTS[name](session, import_id, now)


def decide(
    session: Session, import_id: int, line: int, external_userid: str | None, userids: Collection[str] | None
) -> ImportRow:
    """Whom a doubtful row is about, of these members' customers; None: it is left out. Raises NotFoundError,
    ConflictError."""
    rows.get_import(session, import_id)
    if external_userid is not None:
        require_visible(session, external_userid, userids)
    return import_rows.decide_row(session, import_id, line, external_userid)


async def leave_out_all(db: Database, import_id: int) -> int:
    """Leave out all rows about which nobody has decided; how many. Raises NotFoundError, ConflictError."""
    count = 0
    while some := await db.write(import_rows.leave_out, import_id, LEFT_OUT_AT_ONCE):
        count += some
    return count


def tell(session: Session, row: Import) -> dict[str, Any]:
    """An import as the API and the command tell it."""
    return {
        **row.model_dump(exclude={"begun_at", "account_id", "recheck"}),
        "states": count_states(session, row),
        "converted": count_converted(session, row)._asdict(),
    }


def count_converted(session: Session, row: Import) -> Converted:
    """How far it has come with the ids of another provider's app."""
    agentid = Options.model_validate(row.options).source_agentid
    return import_ids.count_ids(session, row.id or 0, agentid) if agentid else Converted(0, 0)


def count_states(session: Session, row: Import) -> dict[str, int]:
    """How many of its rows are in each state."""
    return {state.value: 0 for state in RowState} | rows.count_states(session, row.id or 0)


class Doubtful(NamedTuple):
    """A row with whom it may be about."""

    row: ImportRow
    people: list[dict[str, Any]]


def tell_row(row: ImportRow, headings: Sequence[str]) -> dict[str, Any]:
    """A row as it is told, its faults with the headings of their columns."""
    return {
        "line": row.line,
        "state": row.state,
        "cells": list(row.cells),
        "external_userid": row.external_userid or None,
        "faults": [
            {"column": headings[column] if 0 <= column < len(headings) else "", "message": message}
            for column, message in row.faults
        ],
    }


def find_people(
    session: Session, of: Import, found: Sequence[ImportRow], userids: Collection[str] | None, zone: tzinfo
) -> list[Doubtful]:
    """Rows of an import with the customers whom each may be about, of these members'."""
    source = Options.model_validate(of.options).order_source
    given = [_known_by(row, read_row(row.cells, of.targets, {}, zone, source)[0]) for row in found]
    candidates = [each.everybody[:CANDIDATES_SHOWN] for each in import_facts.find_candidates(session, given, userids)]
    people = import_facts.list_people(session, {whose for some in candidates for whose in some}, userids)
    return [
        Doubtful(row, [people[whose] for whose in some if whose in people])
        for row, some in zip(found, candidates, strict=True)
    ]


def _known_by(row: ImportRow, given: Given) -> Given:
    """What a row says, with the id that WeCom converted its id into: such a customer may have become known since."""
    return replace(given, external_userid=row.told_external_userid) if given.external_userid else given


def tell_rows(
    session: Session, of: Import, state: RowState | None, after: int, limit: int, zone: tzinfo
) -> list[dict[str, Any]]:
    """Rows as the API and the command tell them; of those in doubt with the `people` whom each may be about."""
    some = import_rows.list_rows(session, of.id or 0, state, after=after, limit=limit)
    doubtful = find_people(session, of, [row for row in some if row.state in import_rows.UNDECIDED], None, zone)
    people = {each.row.line: each.people for each in doubtful}
    return [{**tell_row(row, of.headings), "people": people.get(row.line, [])} for row in some]


async def not_taken(db: Database, row: Import, language: str = "zh") -> AsyncIterator[list[list[str]]]:
    """The rows that were not taken, a piece at a time, as they were read and with why: to be mended and sent again."""
    for state in NOT_TAKEN:
        after = 0
        while some := await db.read(import_rows.list_rows, row.id or 0, state, after=after, limit=CHUNK):
            after = some[-1].line
            yield [[*_as_read(each, len(row.headings)), str(each.line), why(each, row, language)] for each in some]


def _as_read(row: ImportRow, columns: int) -> list[str]:
    return [*row.cells[:columns], *[""] * (columns - len(row.cells))]


def why(row: ImportRow, of: Import, language: str = "zh") -> str:
    """What is wrong with a row, in words of a language."""
    sign = "：" if language == "zh" else ": "
    faults = [
        (f"{each['column']}{sign}" if each["column"] else "") + told(language, each["message"])
        for each in tell_row(row, of.headings)["faults"]
    ]
    return told(language, faults or [LEFT_OUT] * (row.state == RowState.LEFT_OUT))
