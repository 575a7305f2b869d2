"""Tables handed in as files: what was written is read, whatever it was written in, or refused with what to do."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.spreadsheets import FORMULA, CsvWriter, XlsxWriter, guarded, unguarded
from bot.table_files import WHOLE_ROW, Row, open_table
from data.rules.imports import is_heading
from data.rules.problems import InvalidRuleError

ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be")
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12)
TABLE = st.lists(st.lists(CELL, min_size=2, max_size=5), min_size=1, max_size=8)


def read(content: bytes) -> list[Row]:
    return [row for row in open_table(io.BytesIO(content), is_heading).rows if not row.is_blank]


def written(rows: list[list[str]], delimiter: str, encoding: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


@given(rows=TABLE, delimiter=st.sampled_from(",;\t|"), encoding=st.sampled_from(ENCODINGS))
@example(rows=[["一", "二"], ["三", "四"]], delimiter=",", encoding="utf-16-le")
@example(rows=[["a;b", "c"], ["1", "2"]], delimiter=",", encoding="utf-8")
@example(rows=[["隆", "隆"]], delimiter=",", encoding="gb18030")
@example(rows=[['"', "x\r\ny"]], delimiter="\t", encoding="gb18030")
def test_what_was_written_is_read_or_refused_with_what_to_do(
    rows: list[list[str]], delimiter: str, encoding: str
) -> None:
    try:
        content = written(rows, delimiter, encoding)
    except UnicodeEncodeError:
        return  # A character that GB18030 has not.
    wanted = [cells for row in rows if any(cells := [cell.strip() for cell in row])]
    try:
        found = read(content)
    except InvalidRuleError:
        return
    if encoding == "gb18030" and not content.isascii():
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return  # The very same bytes are a table in UTF-8.
    assert [list(row.cells) for row in found] == wanted
    assert all(not row.faults for row in found)


def test_what_a_table_is_written_in_is_told() -> None:
    for encoding in ENCODINGS:
        table = open_table(io.BytesIO(written([["姓名", "标签"], ["王芳", "老客户"]], ";", encoding)))
        assert table.told == f'CSV, {encoding.removesuffix("-sig")}, ";"'


def test_a_broken_row_is_told_and_the_others_are_read() -> None:
    content = 'name,tags\n王芳,"老客户\n李四,新客户\n"a"b,c\n张三,x\n' + "".join(
        f"n{number},t\n" for number in range(60)
    )
    first, broken, second, third, fourth, *others = read(content.encode())
    assert (first.cells, second.cells, fourth.cells) == (["name", "tags"], ["李四", "新客户"], ["张三", "x"])
    assert [each.line for each in (broken, second, third, fourth)] == [2, 3, 4, 5]
    assert all("引号" in each.faults[WHOLE_ROW] for each in (broken, third))
    assert [each.cells[0] for each in others] == [f"n{number}" for number in range(60)]
    wide = read(b"name,tags\n" + b"x," * 300 + b"\na,b\n")
    assert ("列" in wide[1].faults[WHOLE_ROW], wide[2].cells) == (True, ["a", "b"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_character_that_a_tool_has_cut_spoils_its_cell_and_nothing_else(encoding: str) -> None:
    names = [f"客户{number}" if number != 7 else "李断" for number in range(60)]
    content = written([["客户昵称", "标签"], *([name, "老客户"] for name in names)], ",", encoding)
    whole = "李断,".encode(encoding.removesuffix("-sig"))
    head, *rows = read(content.replace(whole, whole[:-2] + b","))
    assert head.cells == ["客户昵称", "标签"]
    assert [row.cells[0] for row in rows if not row.faults] == [name for name in names if name != "李断"]
    (broken,) = [row for row in rows if row.faults]
    assert (broken.line, broken.cells[0][:2], broken.cells[1]) == (9, "李\ufffd", "老客户")
    assert ["编码坏了" in broken.faults[0], len(broken.faults)] == [True, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("隆,隆\r\n".encode("gb18030"), "分不清是 UTF-8 还是 GBK"),
        (",\u2c00".encode("utf-16-le"), "不是文字文件"),
        (b"a;b,c\n1;2,3\n", "分隔符"),
        (b"\xff\xfe\0\0a\0\0\0", "不是文字文件"),
        (b"%PDF-1.4\0\0\xff", "不是文字文件"),
        (b"a,b\n" + b'"x"y,1\n' * 1002, "CSV"),
    ],
)
def test_what_could_be_two_things_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(InvalidRuleError, match=words):
        read(content)


def test_a_delimiter_in_a_heading_is_told_by_the_headings_that_are_known() -> None:
    first, second = read("客户名称,标签(几个用;隔开),手机号\n王芳,a;b,1\n".encode())
    assert (len(first.cells), second.cells) == (3, ["王芳", "a;b", "1"])


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(row)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def test_cells_of_a_workbook_are_read_as_they_are_shown() -> None:
    day = datetime(2026, 3, 4)  # noqa: DTZ001 - a workbook knows no zones
    cells = [13800138000, 13800138000.0, 1234567890123456789, 0.1 + 0.2, True, day, "=1+1"]
    (row,) = read(workbook([*cells, day.replace(hour=10, minute=5), date(2026, 3, 5), " 王芳 ", None]))
    assert [*row.cells[:2], *row.cells[3:6]] == ["13800138000", "13800138000", "0.3", "是", "2026-03-04"]
    assert row.cells[7:] == ["2026-03-04 10:05:00", "2026-03-05", "王芳"]
    assert {number: words[:6] for number, words in row.faults.items()} == {2: "数字超过 1", 6: "是公式：请粘"}


SHOWN = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)


@given(rows=st.lists(st.lists(st.one_of(SHOWN, st.integers(-9, 9)), min_size=1, max_size=4), max_size=5))
@example(rows=[["=1+1", "\x00\x07", "＝a", "<&>"]])
def test_what_we_write_is_read_again_and_no_cell_is_a_formula(rows: list[list[Any]]) -> None:
    head = ["客户名称", "a", "b", "c"]
    csv_file, book_file = CsvWriter(head), XlsxWriter(head)
    texts = csv_file.write(rows[:2]) + csv_file.write(rows[2:]) + csv_file.end()
    lines = list(csv.reader(io.StringIO(texts.decode("utf-8-sig"), newline="")))
    assert lines == [head, *([guarded(each) if isinstance(each, str) else str(each) for each in row] for row in rows)]
    content = book_file.write(rows[:2]) + book_file.write(rows[2:]) + book_file.end()
    (sheet,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    for row, cells in zip([head, *rows], sheet.iter_rows(), strict=True):
        for value, cell in zip(row, cells, strict=False):
            assert cell.data_type != "f"
            assert (cell.value or "") == (
                value.replace("\0", "").replace("\x07", "") if isinstance(value, str) else value or ""
            )


@given(CELL)
def test_what_was_guarded_is_what_it_was(text: str) -> None:
    assert unguarded(guarded(text)) == text or text.startswith("'")
    assert not guarded(text).startswith(FORMULA)


def test_what_does_not_fit_on_a_sheet_goes_on_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.spreadsheets.ROWS_PER_SHEET", 3)
    writer = XlsxWriter(["n"])
    content = writer.write([[number] for number in range(5)]) + writer.end()
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    found = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    assert found == [["n", 0, 1], ["n", 2, 3], ["n", 4]]
