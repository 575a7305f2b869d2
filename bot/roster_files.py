"""Files of customers (CSV and XLSX) read row by row: what each names a customer by, or what is wrong with it.

A file may come from anywhere: in GBK, with a BOM, with formulas, or be no table at all. Nothing of it is run, and what
it may cost is bounded before it is read.
"""

from __future__ import annotations

import codecs
import csv
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from data.rules.problems import InvalidRuleError, Problem
from data.rules.texts import normalised_mobile

FILE_BYTES_MAX = 32 * 1024 * 1024
ROWS_MAX = 500_000
VALUE_MAX_LENGTH = 64
#: What a workbook may unpack to, and its texts, which are held in memory.
UNPACKED_BYTES_MAX = 256 * 1024 * 1024
TEXTS_BYTES_MAX = 64 * 1024 * 1024
COLUMNS_MAX = 200

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
        beginning = opened.read(8)
    if beginning.startswith(b"PK\x03\x04"):
        yield from _named(_xlsx_rows(file))
    elif beginning.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refusal("这是旧版 Excel（.xls）文件：请另存为 .xlsx 或 CSV")
    else:
        yield from _named(_csv_rows(file))


def _refusal(message: str, row: int | None = None) -> InvalidRuleError:
    return InvalidRuleError([Problem("file" if row is None else f"file[{row}]", message)])


def _named(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Named | Problem]:
    columns: list[tuple[int, str, str]] | None = None
    count = 0
    for row, cells in rows:
        if not any(cells):
            continue
        if columns is None:
            columns = _columns(row, cells)
            continue
        count += 1
        if count > ROWS_MAX:
            raise _refusal(f"超过 {ROWS_MAX:,} 行：请分成几个文件", row)
        yield _name(row, cells, columns)
    if columns is None:
        raise _refusal("文件是空的")


def _columns(row: int, cells: Sequence[str]) -> list[tuple[int, str, str]]:
    """(number, kind, heading) of the columns that name customers, those that count first."""
    found = [(number, HEADERS[cell.lower()], cell) for number, cell in enumerate(cells) if cell.lower() in HEADERS]
    kinds = [kind for _, kind, _ in found]
    for _, kind, heading in found:
        if kinds.count(kind) > 1:
            raise _refusal(f"有两列都是 {heading}", row)
    if not found:
        raise _refusal(f"第一行应是列名，其中至少有一列叫 {'、'.join(KINDS)}", row)
    return sorted(found, key=lambda each: KINDS.index(each[1]))


def _name(row: int, cells: Sequence[str], columns: Sequence[tuple[int, str, str]]) -> Named | Problem:
    for number, kind, heading in columns:
        value = cells[number] if number < len(cells) else ""
        if not value:
            continue
        path = f"file[{row}].{heading}"
        if value.startswith("="):
            return Problem(path, "是公式：请粘贴为数值")
        if len(value) > VALUE_MAX_LENGTH:
            return Problem(path, f"最多 {VALUE_MAX_LENGTH} 个字")
        if not value.isprintable() or (kind != "mobile" and " " in value):
            return Problem(path, "有空格或不可见的字符")
        if kind == "mobile":
            value = normalised_mobile(value)
            if not value:
                return Problem(path, "不是手机号")
        return Named(row, kind, value)
    return Problem(f"file[{row}]", f"这一行没有 {'、'.join(kind for _, kind, _ in columns)}")


# -- CSV


def _csv_rows(file: Path) -> Iterator[tuple[int, Sequence[str]]]:
    with file.open("rb") as opened:
        encoding = _encoding_of(opened)
    with file.open(encoding=encoding, newline="") as text:
        first = text.readline(1 << 16)
        text.seek(0)
        reader = csv.reader(text, delimiter=max(",;\t", key=first.count), strict=True)
        try:
            for cells in reader:
                if len(cells) > COLUMNS_MAX:
                    raise _refusal(f"最多 {COLUMNS_MAX} 列", reader.line_num)
                yield reader.line_num, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise _refusal(f"不是有效的 CSV：{error}", reader.line_num) from None


def _encoding_of(opened: BinaryIO) -> str:
    """UTF-8 or UTF-16 by its mark, else UTF-8 where all of it is that, else GB18030, as Chinese Excel writes it."""
    beginning = opened.read(4)
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = ["utf-16"]
    elif beginning.startswith(codecs.BOM_UTF8):
        found = ["utf-8-sig"]
    else:
        found = ["utf-8", "gb18030"]
    for encoding in found:
        if _is_text(opened, encoding):
            return encoding
    raise _refusal("不是文字文件：请保存为 CSV（UTF-8 或 GBK）或 .xlsx")


def _is_text(opened: BinaryIO, encoding: str) -> bool:
    opened.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while chunk := opened.read(1 << 16):
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


# -- XLSX


def _xlsx_rows(file: Path) -> Iterator[tuple[int, Sequence[str]]]:
    from openpyxl import load_workbook

    with file.open("rb") as opened:
        _refuse_bomb(opened)
        try:
            book = load_workbook(opened, read_only=True, data_only=False, keep_links=False)
            rows = book.worksheets[0].iter_rows(max_col=COLUMNS_MAX, values_only=True)
            for number, cells in enumerate(rows, 1):
                if number > 2 * ROWS_MAX:
                    raise _refusal(f"超过 {2 * ROWS_MAX:,} 行：请分成几个文件", number)
                yield number, [_text_of(cell) for cell in cells] if any(cells) else ()
        except InvalidRuleError:
            raise
        except Exception as error:
            raise _refusal(f"不是能读的 .xlsx 文件（{type(error).__name__}）") from error


def _refuse_bomb(opened: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(opened) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise _refusal("不是能读的 .xlsx 文件") from None
    texts = sum(part.file_size for part in parts if "sharedstrings" in part.filename.lower())
    if len(parts) > 1000 or sum(part.file_size for part in parts) > UNPACKED_BYTES_MAX or texts > TEXTS_BYTES_MAX:
        raise _refusal("展开后太大：请另存为 CSV")


def _text_of(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
