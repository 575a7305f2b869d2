"""Imports, without a database: what columns are, what rows say, whom they are about, what they change."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.fields import FieldKind
from data.rules.import_cells import read_moment, read_row
from data.rules.import_plans import (
    NOBODY,
    SEVERAL,
    Candidates,
    Contact,
    CustomerNow,
    FollowNow,
    TagIndex,
    choose,
    compare,
    follow_fault,
)
from data.rules.imports import Given, Tag, read_tags, recognise, target_problems

ZONE = ZoneInfo("Asia/Shanghai")
KINDS = {"city": FieldKind.TEXT, "score": FieldKind.NUMBER, "vip": FieldKind.FLAG, "since": FieldKind.DATE}
TARGETS = [
    "external_userid", "mobile", "name", "tags", "remark", "field.score", "field.vip", "field.since", "birthday",
    "order_number", "order_amount", "order_placed_at", "order_status",
]  # fmt: skip


def said(**cells: str) -> tuple[Given, dict[str, str]]:
    """What a row says, and what is wrong by target."""
    row = [cells.get(target.removeprefix("field."), "") for target in TARGETS]
    given, faults = read_row(row, TARGETS, KINDS, ZONE, "shop")
    return given, {TARGETS[column]: message for column, message in faults}


def test_columns_of_the_usual_tools_are_known_by_their_headings() -> None:
    headings = [
        "客户昵称",
        "备注名",
        "手机号",
        "External UserID",
        "UnionID",
        "所属员工（姓名）",
        "标签",
        "企业标签",
        "城市",
        "出生日期",
        "订单号",
        "x",
    ]
    assert recognise(headings, {"city": "城市"}) == [
        "name", "remark", "mobile", "external_userid", "unionid", "staff", "tags", "tags", "field.city", "birthday",
        "order_number", "",
    ]  # fmt: skip
    assert recognise(["name", "昵称", "Phone", "手机"], {}) == ["name", "", "mobile", "mobile"]


@pytest.mark.parametrize(
    ("targets", "orders", "words"),
    [
        (["tags"], True, "用来找客户"),
        (["name"], True, "要导入的内容"),
        (["name", "tags", "field.gone"], True, "没有 field.gone"),
        (["name", "name", "tags"], True, "有两列"),
        (["name", "order_number"], True, "订单号、金额和下单时间"),
        (["name", "order_number", "order_amount", "order_placed_at"], False, "管理员"),
    ],
)
def test_columns_that_do_not_do_are_refused(targets: list[str], orders: bool, words: str) -> None:
    problems = target_problems(targets, len(targets), KINDS.keys(), orders=orders)
    assert words in "；".join(each.message for each in problems)


def test_a_row_says_what_is_in_its_cells() -> None:
    given, faults = said(
        mobile="+86 138-0013-8000", name="王芳", tags="老客户、等级：VIP,老客户", remark="王总", score="¥1,234.5",
        vip="是", since="2026/3/4", birthday="8月15日", order_number="A1", order_amount="128.50元",
        order_placed_at="2026-03-04 10:00", order_status="交易成功",
    )  # fmt: skip
    assert faults == {}
    assert given.mobiles == ("13800138000",)
    assert given.tags == (Tag("", "老客户"), Tag("等级", "VIP"))
    assert given.fields == {
        "score": 1234.5, "vip": True, "since": "2026-03-04", "birthday": {"calendar": "solar", "month": 8, "day": 15},
    }  # fmt: skip
    assert given.order is not None
    assert (given.order["amount_fen"], given.order["status"]) == (12_850, "finished")
    assert given.order["placed_at"] == datetime(2026, 3, 4, 10, tzinfo=ZONE)
    assert said(name="王芳")[0] == Given(name="王芳")


@pytest.mark.parametrize(
    ("cells", "where"),
    [
        ({"mobile": "138****8000"}, "mobile"),
        ({"mobile": "手机"}, "mobile"),
        ({"external_userid": "wm 1"}, "external_userid"),
        ({"remark": "长" * 21}, "remark"),
        ({"remark": "a\x07"}, "remark"),
        ({"tags": "长" * 31}, "tags"),
        ({"score": "多"}, "field.score"),
        ({"vip": "也许"}, "field.vip"),
        ({"since": "2026-02-30"}, "field.since"),
        ({"birthday": "腊月"}, "birthday"),
        ({"order_number": "A1", "order_amount": "-1", "order_placed_at": "2026-03-04"}, "order_amount"),
        ({"order_number": "A1", "order_amount": "1"}, "order_placed_at"),
        ({"order_number": "A" * 65, "order_amount": "1", "order_placed_at": "2026-03-04"}, "order_number"),
        (
            {"order_number": "A1", "order_amount": "1", "order_placed_at": "2026-03-04", "order_status": "?"},
            "order_status",
        ),
        ({"name": "长" * 3_000}, "name"),
    ],
)
def test_what_is_wrong_is_told_by_its_column_with_what_to_do(cells: dict[str, str], where: str) -> None:
    _, faults = said(**cells)
    assert faults.keys() == {where}
    assert len(faults[where]) > 5


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=13, max_size=13))
def test_whatever_is_in_its_cells_a_row_is_read(cells: list[str]) -> None:
    given, faults = read_row(cells, TARGETS, KINDS, ZONE, "shop")
    assert all(message for _, message in faults)
    assert isinstance(given, Given)


def test_days_are_read_as_people_write_them() -> None:
    for text in ("2026-03-04", "2026/3/4", "2026.3.4", "20260304", "2026年3月4日", "２０２６-03-04"):
        assert read_moment(text, ZONE) == datetime(2026, 3, 4, tzinfo=ZONE), text
    assert read_moment("2026-13-01", ZONE) is read_moment("gestern", ZONE) is None


# -- whom a row is about


def test_the_surest_clue_decides_and_doubt_is_for_a_person() -> None:
    a, b = Contact("wma", "anna", "ua"), Contact("wmb", "bert")
    both = Candidates(by_mobile=[a, b])
    assert choose(Given(external_userid="wma"), Candidates(by_id=[a], by_mobile=[b]), ()) == ("wma", "")
    assert choose(Given(), both, ()) == ("", SEVERAL)
    assert choose(Given(), both, {"bert"}) == ("wmb", ""), "the member tells them apart"
    assert choose(Given(unionid="ux"), both, ()) == ("wmb", ""), "anna's has another unionid"
    assert choose(Given(), Candidates(by_name=[a]), ())[0] == "", "a name alone is not enough"
    assert choose(Given(), Candidates(by_name=[a]), {"anna"}) == ("wma", "")
    assert choose(Given(), Candidates(by_unionid=[a, b], by_name=[a]), {"carl"}) == ("", SEVERAL)
    assert choose(Given(), Candidates(), {"anna"}) == ("", NOBODY)


# -- what it changes

INDEX = TagIndex([("t1", "老客户", "等级"), ("t2", "VIP", "等级"), ("t3", "VIP", "来源"), ("t4", "a:b", "来源")])


def test_tags_are_found_by_what_files_call_them() -> None:
    assert INDEX.find(Tag("", "老客户")) == "t1"
    assert INDEX.find(Tag("来源", "VIP")) == "t3"
    assert INDEX.find(Tag("a", "b")) == "t4", "a colon may be part of the name"
    assert "请写成" in INDEX.fault(Tag("", "VIP"), make=True)
    assert "没有标签" in INDEX.fault(Tag("", "新"), make=False)
    assert INDEX.fault(Tag("", "新"), make=True) == ""
    assert read_tags("a|b\nc；d") == ([Tag("", each) for each in "abcd"], "")


def follow(number: int = 1, userid: str = "anna", **more: Any) -> FollowNow:
    return FollowNow(**{
        "follow_id": number, "userid": userid, "remark": "", "description": "", "remark_mobiles": (),
        "tag_ids": frozenset(), **more,
    })  # fmt: skip


def test_what_is_there_is_only_replaced_when_that_is_wanted() -> None:
    now = CustomerNow([follow(remark="老王", remark_mobiles=("1390000",), tag_ids=frozenset({"t1"}))], {"city": "上海"})
    given = Given(remark="王总", remark_mobiles=("13800138000",), fields={"city": "北京", "score": 3.0},
                  tags=(Tag("", "老客户"), Tag("来源", "VIP"), Tag("", "新")))  # fmt: skip
    filled = compare([(given, ())], now, {}, INDEX, overwrite=False)
    assert filled.tags == {1: {"t3"}}
    assert filled.missing == [Tag("", "新")]
    assert (filled.fields, filled.kept) == ({"score": 3.0}, 2)
    assert (filled.remarks["anna"].remark, filled.remarks["anna"].remark_mobiles) == (
        "老王",
        ("1390000", "13800138000"),
    )
    replaced = compare([(given, ())], now, {}, INDEX, overwrite=True)
    assert (replaced.fields, replaced.kept) == ({"city": "北京", "score": 3.0}, 0)
    assert replaced.remarks["anna"].remark == "王总"


def test_a_remark_with_several_members_needs_the_one_whose_it_is() -> None:
    both = CustomerNow([follow(), follow(2, "bert")])
    assert "所属员工" in follow_fault(Given(remark="x"), both.follows)
    assert follow_fault(Given(remark="x"), both.follows[:1]) == ""
    assert "不是任何同事的好友" in follow_fault(Given(tags=(Tag("", "x"),)), [])
    assert compare([(Given(remark="x"), {"bert"})], both, {}, INDEX, overwrite=False).remarks.keys() == {"bert"}
    assert compare([(Given(tags=(Tag("", "老客户"),)), ())], both, {}, INDEX, overwrite=False).tags.keys() == {1, 2}


_WORD = st.sampled_from(["", "a", "b"])
_ROW = st.builds(
    Given,
    remark=_WORD,
    description=_WORD,
    remark_mobiles=st.lists(st.sampled_from(["13800138000", "13800138001", "13800138002"]), max_size=2).map(tuple),
    tags=st.lists(st.sampled_from([Tag("", "老客户"), Tag("来源", "VIP")]), max_size=2).map(tuple),
    fields=st.dictionaries(st.sampled_from(["city", "score"]), st.sampled_from(["a", "b"])),
)


@given(st.lists(_ROW, min_size=1, max_size=4), _WORD, st.booleans())
def test_the_same_rows_again_change_nothing(rows: list[Given], remark: str, overwrite: bool) -> None:
    now = CustomerNow([follow(remark=remark)], {"city": "a"})
    pairs: list[tuple[Given, Any]] = [(each, ()) for each in rows]
    first = compare(pairs, now, {}, INDEX, overwrite=overwrite)
    noted = first.remarks.get("anna")
    after = follow(
        remark=noted.remark if noted else remark,
        description=noted.description if noted else "",
        remark_mobiles=noted.remark_mobiles if noted else (),
        tag_ids=frozenset(first.tags.get(1, ())),
    )
    again = compare(pairs, CustomerNow([after], {**now.values, **first.fields}), {}, INDEX, overwrite=overwrite)
    assert again.is_empty
