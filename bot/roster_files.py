"""Files of customers (CSV and XLSX) read row by row: what each names a customer by, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bot.phrases import Phrase
from bot.table_files import WHOLE_ROW, Row, open_table, refusal
from data.rules.problems import Problem
from data.rules.texts import normalised_mobile

ROWS_MAX = 500_000
VALUE_MAX_LENGTH = 64

#: What a column may be called, and what it names a customer by; of several in a row the first that has a value counts.
KINDS = ("external_userid", "unionid", "mobile")
HEADERS = {**{kind: kind for kind in KINDS}, "外部联系人id": "external_userid", "手机号": "mobile", "手机": "mobile"}


class Named(NamedTuple):
    """A row that names a customer, in a column of the kind `kind`."""

    row: int
    kind: str
    value: str


def read_rows(file: Path) -> Iterator[Named | Problem]:
    """The rows of a file behind its header, those that are blank left out.

    Raises InvalidRuleError for what is no such file at all.
    """
    with file.open("rb") as opened:
        yield from _named(open_table(opened, lambda heading: heading.lower() in HEADERS).rows)


def _named(rows: Iterable[Row]) -> Iterator[Named | Problem]:
    columns: list[tuple[int, str, str]] | None = None
    count = 0
    for row in rows:
        if row.is_blank:
            continue
        if WHOLE_ROW in row.faults:
            raise refusal(row.faults[WHOLE_ROW], row.line)
        if columns is None:
            columns = _columns(row.line, row.cells)
            continue
        count += 1
        if count > ROWS_MAX:
            raise refusal(Phrase("超过 %(most)s 行：请分成几个文件", most=f"{ROWS_MAX:,}"), row.line)
        yield _name(row, columns)
    if columns is None:
        raise refusal(Phrase("文件是空的"))


def _columns(row: int, cells: Sequence[str]) -> list[tuple[int, str, str]]:
    """(number, kind, heading) of the columns that name customers, those that count first."""
    found = [(number, HEADERS[cell.lower()], cell) for number, cell in enumerate(cells) if cell.lower() in HEADERS]
    kinds = [kind for _, kind, _ in found]
    for _, kind, heading in found:
        if kinds.count(kind) > 1:
            raise refusal(Phrase("有两列都是 %(heading)s", heading=heading), row)
    if not found:
        raise refusal(Phrase("第一行应是列名，其中至少有一列叫 %(kinds)s", kinds=[*KINDS]), row)
    return sorted(found, key=lambda each: KINDS.index(each[1]))


def _name(row: Row, columns: Sequence[tuple[int, str, str]]) -> Named | Problem:
    for number, kind, heading in columns:
        value = row.cells[number] if number < len(row.cells) else ""
        if not value:
            continue
        path = f"file[{row.line}].{heading}"
        if number in row.faults:
            return Problem(path, row.faults[number])
        if value.startswith("="):
            return Problem(path, Phrase("是公式：请粘贴为数值"))
        if len(value) > VALUE_MAX_LENGTH:
            return Problem(path, Phrase("最多 %(most)s 个字", most=VALUE_MAX_LENGTH))
        if not value.isprintable() or (kind != "mobile" and " " in value):
            return Problem(path, Phrase("有空格或不可见的字符"))
        if kind == "mobile":
            value = normalised_mobile(value)
            if not value:
                return Problem(path, Phrase("不是手机号"))
        return Named(row.line, kind, value)
    return Problem(f"file[{row.line}]", Phrase("这一行没有 %(names)s", names=[kind for _, kind, _ in columns]))
