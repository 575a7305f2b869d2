"""Files of questions and answers (CSV and XLSX) read row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bot.phrases import Phrase
from bot.spreadsheets import unguarded
from bot.table_files import WHOLE_ROW, Row, open_table, refusal
from data.rules.knowledge import KnowledgePair
from data.rules.problems import InvalidRuleError, Problem, parse

ROWS_MAX = 20_000
#: What a column may be called, and what it holds.
HEADERS = {
    "编号": "id", "id": "id", "问题": "phrasings", "问法": "phrasings", "question": "phrasings",
    "questions": "phrasings", "答案": "text", "回答": "text", "answer": "text", "客服账号": "open_kfids",
    "accounts": "open_kfids", "启用": "enabled", "enabled": "enabled",
}  # fmt: skip
#: Columns of an exported file that say nothing to us.
IGNORED = frozenset({"使用次数", "最近使用", "uses", "used_at"})
NEEDED = {"phrasings": "问题", "text": "答案"}
YES = frozenset({"是", "yes", "true", "1", "启用", ""})
NO = frozenset({"否", "no", "false", "0", "停用"})


class FileRow(NamedTuple):
    """A row: its line, the number of the pair that it is about (0: none is named), and what it says."""

    line: int
    id: int
    pair: KnowledgePair


def read_rows(file: Path) -> Iterator[FileRow | Problem]:
    """The rows of a file behind its header, those that are blank left out.

    Several questions stand in one cell, a line each. Raises InvalidRuleError for what is no such file at all.
    """
    with file.open("rb") as opened:
        yield from _rows(open_table(opened, lambda heading: heading.lower() in HEADERS).rows)


def _rows(rows: Iterable[Row]) -> Iterator[FileRow | Problem]:
    columns: dict[int, str] | None = None
    count = 0
    for row in rows:
        if row.is_blank:
            continue
        if columns is None:
            if WHOLE_ROW in row.faults:
                raise refusal(row.faults[WHOLE_ROW], row.line)
            columns = _columns(row.line, row.cells)
            continue
        count += 1
        if count > ROWS_MAX:
            raise refusal(Phrase("超过 %(most)s 行：请分成几个文件", most=f"{ROWS_MAX:,}"), row.line)
        yield _read(row, columns)
    if columns is None:
        raise refusal(Phrase("文件是空的"))


def _columns(line: int, cells: Sequence[str]) -> dict[int, str]:
    columns: dict[int, str] = {}
    for number, cell in enumerate(cells):
        name = HEADERS.get(cell.lower())
        if name is None:
            continue
        if name in columns.values():
            raise refusal(Phrase("有两列都是 %(heading)s", heading=cell), line)
        columns[number] = name
    missing = [heading for name, heading in NEEDED.items() if name not in columns.values()]
    if missing:
        raise refusal(Phrase("第一行应是列名，其中要有 %(names)s", names=missing), line)
    return columns


def _read(row: Row, columns: Mapping[int, str]) -> FileRow | Problem:
    if WHOLE_ROW in row.faults:
        return Problem(f"file[{row.line}]", row.faults[WHOLE_ROW])
    told: dict[str, Any] = {}
    for number, name in columns.items():
        if number in row.faults:
            return Problem(f"file[{row.line}].{name}", row.faults[number])
        told[name] = unguarded(row.cells[number] if number < len(row.cells) else "")
    number_of = told.pop("id", "")
    if number_of and not (number_of.isascii() and number_of.isdecimal() and len(number_of) < 16):
        return Problem(f"file[{row.line}].id", Phrase("编号应是数字，新问答请留空"))
    enabled = told.pop("enabled", "").lower()
    if enabled not in YES | NO:
        return Problem(f"file[{row.line}].enabled", Phrase("应为 是 或 否"))
    values = {
        "phrasings": _lines(told.pop("phrasings")), "text": told.pop("text").replace("\r\n", "\n"),
        "open_kfids": _lines(told.pop("open_kfids", "")), "enabled": enabled in YES,
    }  # fmt: skip
    try:
        return FileRow(row.line, int(number_of or 0), parse(KnowledgePair, values))
    except InvalidRuleError as error:
        first = error.problems[0]
        return Problem(f"file[{row.line}].{first.path}", first.message)


def _lines(cell: str) -> list[str]:
    return [line.strip() for line in cell.splitlines() if line.strip()]
