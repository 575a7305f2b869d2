"""Files of customers: read in whatever way people save them; faults are told by row and column."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import roster_files
from bot.roster_files import Named, read_rows
from data.rules.problems import InvalidRuleError, Problem

Rows = list[list[Any]]


def read(folder: Path, content: bytes) -> list[Named | Problem]:
    file = folder / "file"
    file.write_bytes(content)
    return list(read_rows(file))


def workbook(rows: Rows) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(row)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


TABLE = "姓名,external_userid,手机号\r\n张三,wm1,\r\n\r\n李四, wm2 ,13800138000\r\n王五,,+86 138-0013-8001\r\n"
FOUND = [Named(2, "external_userid", "wm1"), Named(4, "external_userid", "wm2"), Named(5, "mobile", "13800138001")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_in_every_way_that_people_save_one(tmp_path: Path, encoding: str, delimiter: str) -> None:
    assert read(tmp_path, TABLE.replace(",", delimiter).encode(encoding)) == FOUND


def test_a_workbook_is_read_with_numbers_as_they_are_shown(tmp_path: Path) -> None:
    rows: Rows = [["姓名", "Mobile", "unionid"], ["张三", 13800138000, None], [None, None, None], ["李四", None, "u1"]]
    found = read(tmp_path, workbook([*rows, ["王五", 13800138001.0, "u2"], ["坏", "=1+1", ""]]))
    assert found == [
        Named(2, "mobile", "13800138000"), Named(4, "unionid", "u1"), Named(5, "unionid", "u2"),
        Problem("file[6].Mobile", "是公式：请粘贴为数值"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("张三,,", "file[2]"),
        ('=HYPERLINK("x"),=cmd|x,', "file[2].external_userid"),
        (f"张三,{'长' * 65},", "file[2].external_userid"),
        ("张三,wm 1,", "file[2].external_userid"),
        ("张三,wm\u202e1,", "file[2].external_userid"),
        ("张三,,abc", "file[2].手机号"),
        ("张三", "file[2]"),
    ],
)  # fmt: skip
def test_a_faulty_row_is_told_and_the_next_one_read(tmp_path: Path, line: str, path: str) -> None:
    first, second = read(tmp_path, f"姓名,external_userid,手机号\n{line}\n李四,wm2,\n".encode())
    assert isinstance(first, Problem)
    assert (first.path, second) == (path, Named(3, "external_userid", "wm2"))


def packed(**parts: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return kept.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "空的"),
        (b"\n\n", "空的"),
        (b"\x00\x01\x02\xff" * 100, "不是文字文件"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "不是文字文件"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 10, ".xls"),
        (b"PK\x03\x04 and no more", ".xlsx"),
        (packed(readme=b"x"), ".xlsx"),
        (packed(sharedStrings=b"\0" * (65 * 1024 * 1024)), "太大"),
        (b"name,phone\nx,1\n", "列名"),
        (b"mobile,external_userid,mobile\n1,wm1,2\n", "两列"),
        ("mobile,手机\n1,2\n".encode(), "两列"),
        (b'external_userid\n"wm1\nwm2\n', "CSV"),
        (b"external_userid\n" + b"x" * 200_000 + b"\n", "CSV"),
        (b"external_userid" + b"," * 300 + b"\n", "列"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_customers_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        read(tmp_path, content)
    assert words in str(refused.value)


def test_no_file_has_more_rows_than_a_list_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_files, "ROWS_MAX", 3)
    rows = "".join(f"wm{number}\n" for number in range(3))
    assert len(read(tmp_path, f"external_userid\n{rows}".encode())) == 3
    with pytest.raises(InvalidRuleError, match="超过"):
        read(tmp_path, f"external_userid\n{rows}wm4\n".encode())


@given(content=st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda it: b"external_userid\n" + it)))
def test_whatever_is_handed_in_ends_in_rows_or_in_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    try:
        for each in read(tmp_path_factory.getbasetemp(), content):
            assert isinstance(each, Named | Problem)
    except InvalidRuleError:
        pass
