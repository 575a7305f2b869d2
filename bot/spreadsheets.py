"""Rows as CSV or as an XLSX workbook, a piece at a time: memory does not grow with their number.

The workbook is written by hand, though openpyxl, which reads those that are handed in, could write it: for a million
rows of 13 cells its write-only mode takes 220 seconds of a processor where this takes 29 (measured on the same machine
with 100,000 rows), makes a file ten times as large of texts that are alike, and holds back the first byte until the
last row is there. Memory is no reason: neither grows with the rows (29 and 20 MB). A test reads what is written here
with openpyxl.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from typing import IO, Protocol
from xml.sax.saxutils import escape

#: A spreadsheet takes what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: What a sheet of Excel holds, its heading among them; what is more goes on the next one.
ROWS_PER_SHEET = 1_048_576
CELL_MAX_LENGTH = 32_767
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Cells = Sequence[object]


class SheetWriter(Protocol):
    """Makes a file of rows piece by piece; `end` gives what is left of it."""

    content_type: str
    ending: str

    def write(self, rows: Iterable[Cells]) -> bytes: ...

    def end(self) -> bytes: ...


def guarded(text: str) -> str:
    """A text that a spreadsheet shows and never computes."""
    return f"'{text}" if text.startswith(FORMULA) else text


def unguarded(text: str) -> str:
    """The text that `guarded` made this of."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


class CsvWriter:
    """CSV with the mark by which Excel knows UTF-8."""

    content_type, ending = "text/csv; charset=utf-8", "csv"

    def __init__(self, head: Cells) -> None:
        self._head: Cells | None = head

    def write(self, rows: Iterable[Cells]) -> bytes:
        told = io.StringIO()
        writer = csv.writer(told)
        if self._head is not None:
            told.write("\ufeff")
            writer.writerow(map(_csv_cell, self._head))
            self._head = None
        writer.writerows([_csv_cell(each) for each in row] for row in rows)
        return told.getvalue().encode("utf-8", "replace")

    def end(self) -> bytes:
        return self.write(()) if self._head is not None else b""


def _csv_cell(value: object) -> object:
    return guarded(value) if isinstance(value, str) else "" if value is None else value


class XlsxWriter:
    """A workbook whose texts are texts, whatever they begin with."""

    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    ending = "xlsx"

    def __init__(self, head: Cells) -> None:
        self._head = head
        self._made = _Made()
        self._zip = zipfile.ZipFile(self._made, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self._sheets = 0
        self._sheet: IO[bytes] | None = None
        self._rows = 0

    def write(self, rows: Iterable[Cells]) -> bytes:
        for row in rows:
            if self._sheet is None or self._rows == ROWS_PER_SHEET:
                self._begin_sheet()
            self._add(row)
        return self._made.take()

    def end(self) -> bytes:
        if self._sheet is None:
            self._begin_sheet()
        self._end_sheet()
        numbers = range(1, self._sheets + 1)
        listed = "".join(f'<sheet name="{number}" sheetId="{number}" r:id="r{number}"/>' for number in numbers)
        related = "".join(
            f'<Relationship Id="r{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
            for number in numbers
        )
        kinds = "".join(
            f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_PART}.worksheet+xml"/>'
            for number in numbers
        )
        for name, content in (
            ("xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'),
            ("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_RELATIONS}">{related}</Relationships>'),
            (
                "_rels/.rels",
                f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1" Type="{_OFFICE}/officeDocument" '
                'Target="xl/workbook.xml"/></Relationships>',
            ),
            (
                "[Content_Types].xml",
                f'<Types xmlns="{_TYPES}"><Default Extension="rels" ContentType="{_RELS}"/><Default Extension="xml" '
                'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
                f'ContentType="{_PART}.sheet.main+xml"/>{kinds}</Types>',
            ),
        ):
            self._zip.writestr(name, _XML + content)
        self._zip.close()
        return self._made.take()

    def _begin_sheet(self) -> None:
        self._end_sheet()
        self._sheets += 1
        sheet = self._sheet = self._zip.open(f"xl/worksheets/sheet{self._sheets}.xml", "w")
        columns = (
            f'<cols><col min="1" max="{len(self._head)}" width="18" customWidth="1"/></cols>' if self._head else ""
        )
        sheet.write(
            (
                f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" '
                'topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
                f"{columns}<sheetData>"
            ).encode()
        )
        self._rows = 0
        self._add(self._head)

    def _end_sheet(self) -> None:
        if self._sheet is not None:
            self._sheet.write(b"</sheetData></worksheet>")
            self._sheet.close()
            self._sheet = None

    def _add(self, row: Cells) -> None:
        assert self._sheet is not None
        self._rows += 1
        self._sheet.write(f"<row>{''.join(map(_xlsx_cell, row))}</row>".encode("utf-8", "replace"))


def _xlsx_cell(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"<c><v>{value}</v></c>"
    text = "" if value is None else str(value)
    if not text:
        return "<c/>"
    shown = escape(_NOT_XML.sub("", text)[:CELL_MAX_LENGTH])
    return f'<c t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>'


class _Made(io.RawIOBase):
    """What was written since it was last taken; nothing can be gone back to in it."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, some: object) -> int:
        part = bytes(some)  # type: ignore[call-overload]
        self._bytes += part
        return len(part)

    def take(self) -> bytes:
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELS = "application/vnd.openxmlformats-package.relationships+xml"
_PART = "application/vnd.openxmlformats-officedocument.spreadsheetml"

#: By what is asked for.
WRITERS: dict[str, type[CsvWriter] | type[XlsxWriter]] = {"csv": CsvWriter, "xlsx": XlsxWriter}
