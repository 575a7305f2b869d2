"""Tables that people hand in as files, CSV and XLSX, read row by row in constant memory.

A file may come from anywhere: in GB18030, in UTF-16, with a BOM, with formulas, with a broken row, or be no table at
all. Nothing of it is run, and what it may cost is bounded before it is read. What can be read in two ways is refused,
with what to do, and never guessed.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from types import MappingProxyType
from typing import IO, Any, NamedTuple, TextIO

from bot.encodings import BROKEN_MAX, DELIMITERS, SAVE_ANEW, UNREADABLE, encoding_of, open_text, readable
from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem

FILE_BYTES_MAX = 32 * 1024 * 1024
#: What a workbook may unpack to, and its texts, which are held in memory.
UNPACKED_BYTES_MAX = 256 * 1024 * 1024
TEXTS_BYTES_MAX = 64 * 1024 * 1024
COLUMNS_MAX = 200
#: Rows that a workbook may skip or leave empty: the reader goes through each.
SHEET_ROWS_MAX = 1_048_576
#: A record goes over so many lines at most: of a quotation mark that is never closed the lines behind it are rows.
RECORD_LINES_MAX = 50
LINE_MAX = 1 << 20
SIGNS = {",": '","', ";": '";"', "|": '"|"', "\t": "Tab"}
#: Numbers that Excel keeps whole.
WHOLE_BELOW = 10**15
#: The number of a fault that is of the whole row.
WHOLE_ROW = -1
#: Where titles and dates may stand before the row of headings.
HEADING_ROWS = 10
_NO_FAULTS: Mapping[int, str] = MappingProxyType({})


class Row(NamedTuple):
    """A row: where it begins in the file, its cells without blanks around them, what is wrong with some by number."""

    line: int
    cells: Sequence[str]
    faults: Mapping[int, str] = _NO_FAULTS

    @property
    def is_blank(self) -> bool:
        return not any(self.cells) and not self.faults


class Table(NamedTuple):
    """A file's rows, blank ones among them, and how it was read: `CSV, utf-8, ","`."""

    told: str
    rows: Generator[Row, None, None]


def open_table(opened: IO[bytes], knows: Callable[[str], bool] = lambda _: False) -> Table:
    """The table in a file that can be read from its beginning again. `knows`: whether a text is a heading.

    Raises InvalidRuleError here and while rows are read, for what is no such file.
    """
    opened.seek(0)
    beginning = opened.read(8)
    if beginning.startswith(b"PK\x03\x04"):
        return Table("XLSX", _xlsx_rows(opened))
    if beginning.startswith(b"\xd0\xcf\x11\xe0"):
        raise refusal(Phrase("这是旧版 Excel（.xls）文件：请另存为 .xlsx 或 CSV"))
    encoding = encoding_of(opened)
    delimiter = _delimiter_of(opened, encoding, knows)
    told = f"CSV, {encoding.removesuffix('-sig')}, {SIGNS.get(delimiter, delimiter)}"
    return Table(told, _csv_rows(opened, encoding, delimiter))


def refusal(message: str, row: int | None = None) -> InvalidRuleError:
    """What is wrong with a file as a whole."""
    return InvalidRuleError([Problem("file" if row is None else f"file[{row}]", message)])


# -- CSV


class _TooLongError(Exception):
    """A record goes over more lines than a record does."""


class _Lines:
    """The lines of a text, of which those of a broken record can be given back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._back: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._text.readline(LINE_MAX)
        if not line:
            raise StopIteration
        if len(self.taken) == RECORD_LINES_MAX:
            self._back.appendleft(line)
            raise _TooLongError
        self.number += 1
        self.taken.append(line)
        return line

    def give_back(self) -> str:
        """All lines of this record but the first, which is returned."""
        first, *others = self.taken
        self._back.extendleft(reversed(others))
        self.number -= len(others)
        return first


def _csv_rows(opened: IO[bytes], encoding: str, delimiter: str) -> Generator[Row, None, None]:
    text = open_text(opened, encoding)
    try:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        broken = 0
        while True:
            lines.taken.clear()
            begins = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _TooLongError) as error:
                broken += 1
                if broken > BROKEN_MAX:
                    raise refusal(
                        Phrase(
                            "有 %(most)s 多行不是有效的 CSV：%(save_anew)s",
                            most=f"{BROKEN_MAX:,}",
                            save_anew=SAVE_ANEW,
                        ),
                        begins,
                    ) from None
                why = Phrase("引号没有成对") if isinstance(error, _TooLongError) else str(error)
                yield Row(
                    begins,
                    [readable(lines.give_back().strip()[:2000])],
                    {WHOLE_ROW: Phrase("不是有效的 CSV（%(why)s）：请检查这一行的引号", why=why)},
                )
                continue
            if len(cells) > COLUMNS_MAX:
                yield Row(
                    begins,
                    [readable(cell) for cell in cells[:COLUMNS_MAX]],
                    {WHOLE_ROW: Phrase("最多 %(most)s 列，这一行有 %(count)s 列", most=COLUMNS_MAX, count=len(cells))},
                )
            elif UNREADABLE.search("".join(cells)):
                unreadable = Phrase("有无法识别的字符，文件里这一格的编码坏了：请重新填写这一格")
                faults = {number: unreadable for number, cell in enumerate(cells) if UNREADABLE.search(cell)}
                yield Row(begins, [readable(cell).strip() for cell in cells], faults)
            else:
                yield Row(begins, [cell.strip() for cell in cells])
    finally:
        # The file stays open: it is the caller's, who may have closed it by now.
        if not opened.closed:
            text.detach()


def _delimiter_of(opened: IO[bytes], encoding: str, knows: Callable[[str], bool]) -> str:
    """The one with which most headings are known; else the one that the first row has. Raises InvalidRuleError."""
    known = {each: _count_known(opened, encoding, each, knows) for each in DELIMITERS}
    most = max(known.values())
    best = [each for each, count in known.items() if count == most]
    if most and len(best) == 1:
        return best[0]
    line, outside = _first_record(opened, encoding)
    found = [each for each in best if each in outside]
    if len(found) > 1:
        words = "、".join(DELIMITERS[each] for each in found)
        raise refusal(
            Phrase(
                "第一行里有几种分隔符（%(words)s），分不清用的是哪一种：%(save_anew)s",
                words=words,
                save_anew=SAVE_ANEW,
            ),
            line,
        )
    return found[0] if found else ","


def _count_known(opened: IO[bytes], encoding: str, delimiter: str, knows: Callable[[str], bool]) -> int:
    rows = _csv_rows(opened, encoding, delimiter)
    try:
        first = list(islice((row for row in rows if not row.is_blank), HEADING_ROWS))
    finally:
        rows.close()
    return max((sum(map(knows, row.cells)) for row in first), default=0)


def _first_record(opened: IO[bytes], encoding: str) -> tuple[int, str]:
    """The line of the first record that is not blank, and what of it is outside quotation marks."""
    text = open_text(opened, encoding)
    try:
        record, begins = "", 1
        for number in range(1, RECORD_LINES_MAX):
            line = text.readline(LINE_MAX)
            record += line
            if not line or (record.strip() and record.count('"') % 2 == 0):
                break
            if not record.strip():
                record, begins = "", number + 1
        return begins, re.sub(r'"[^"]*"', "", record).rstrip("\r\n")
    finally:
        text.detach()


# -- XLSX


def _xlsx_rows(opened: IO[bytes]) -> Generator[Row, None, None]:
    from openpyxl import load_workbook

    opened.seek(0)
    _refuse_bomb(opened)
    opened.seek(0)
    try:
        book = load_workbook(opened, read_only=True, data_only=False, keep_links=False)
        for number, cells in enumerate(book.worksheets[0].iter_rows(max_col=COLUMNS_MAX), 1):
            if number > SHEET_ROWS_MAX:
                raise refusal(Phrase("超过 %(most)s 行：请分成几个文件", most=f"{SHEET_ROWS_MAX:,}"), number)
            yield _xlsx_row(number, cells)
    except (InvalidRuleError, GeneratorExit):
        raise
    except Exception as error:
        raise refusal(Phrase("不是能读的 .xlsx 文件（%(error)s）", error=type(error).__name__)) from error


def _refuse_bomb(opened: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(opened) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise refusal(Phrase("不是能读的 .xlsx 文件")) from None
    texts = sum(part.file_size for part in parts if "sharedstrings" in part.filename.lower())
    if len(parts) > 1000 or sum(part.file_size for part in parts) > UNPACKED_BYTES_MAX or texts > TEXTS_BYTES_MAX:
        raise refusal(Phrase("展开后太大：请另存为 CSV"))


def _xlsx_row(number: int, cells: Sequence[Any]) -> Row:
    texts: list[str] = []
    faults: dict[int, str] = {}
    for column, cell in enumerate(cells):
        if cell.value is None:
            texts.append("")
            continue
        text, fault = _text_of(cell.value, cell.data_type)
        texts.append(text)
        if fault:
            faults[column] = fault
    while texts and not texts[-1]:
        texts.pop()
    return Row(number, texts, faults or _NO_FAULTS)


def _text_of(value: Any, data_type: str) -> tuple[str, str]:
    """A cell as it is shown, and what is wrong with it."""
    if data_type == "f":
        return str(getattr(value, "text", value)).strip(), Phrase("是公式：请粘贴为数值")
    if data_type == "e":
        return str(value), Phrase("是 Excel 的错误值 %(value)s：请改成正确的内容或清空", value=value)
    if isinstance(value, bool):
        return ("是" if value else "否"), ""
    if isinstance(value, int | float) and abs(value) >= WHOLE_BELOW:
        return str(value), Phrase("数字超过 15 位，Excel 已经丢掉了后几位：请把这一列设为文本后重新填写")
    if isinstance(value, float):
        return (str(int(value)) if value.is_integer() else f"{value:.15g}"), ""
    if isinstance(value, datetime):
        return (value.date().isoformat() if not any(value.timetuple()[3:6]) else f"{value:%Y-%m-%d %H:%M:%S}"), ""
    if isinstance(value, date):
        return value.isoformat(), ""
    return str(value).strip(), ""
