"""Scripts on both databases: found by what they say, by whom they are for, and counted."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlmodel import Session

from bot.render import Renderer
from bot.scripts import HEAD, import_file, to_rows, words_of
from bot.spreadsheets import CsvWriter
from data.db import Database
from data.errors import ConflictError, NotFoundError, StaleError
from data.models import Department, Staff
from data.queries import scripts as rows
from data.rules.messages import MessageContent
from data.rules.scripts import Script

NOW = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)


def script(title: str, text: str, **more: object) -> Script:
    return Script.model_validate({"title": title, "content": {"text": text}, **more})


def fill(session: Session) -> dict[str, int]:
    session.add(Department(id=1, name="总部"))
    session.add(Department(id=2, name="一店", parent_id=1))
    for userid, department in (("ann", 2), ("boss", 1)):
        session.add(
            Staff(userid=userid, name=userid, department_ids=[department], main_department_id=department, seen_at=NOW)
        )
    session.flush()
    made = (
        script("嫌贵", "价格包含一年的售后，算下来每天不到一块钱。", category="异议"),
        script("价格表", "您要的价格表在这里。", category="报价"),
        script("退款流程", "退款三到五天到账，请放心。", category="售后", department_ids=frozenset({2})),
        script("停用的", "价格以前的说法", enabled=False),
        script("ＶＩＰ Welcome", "Hello {{ customer_name }}!"),
    )
    return {each.title: rows.save_script(session, each, NOW).id for each in made}


def titles(found: list[Script]) -> list[str]:
    return [each.title for each in found]


async def test_scripts_are_found_by_words_by_whom_they_are_for(db: Database) -> None:
    ids = await db.write(fill)

    def search(session: Session, words: str, userid: str = "ann", category: str | None = None) -> list[str]:
        return titles(rows.search_scripts(session, words, userid=userid, category=category, limit=10))

    async def asked(*given: object) -> list[str]:
        return await db.read(search, *given)

    assert await asked("价格") == ["价格表", "嫌贵"], "a title says more than a text; what is off is not found"
    assert await asked("价格", "ann", "异议") == ["嫌贵"]
    assert await asked("退款多久到账") == ["退款流程"]
    assert await asked("退款", "boss") == [], "it is another department's"
    assert await asked("vip") == ["ＶＩＰ Welcome"]
    assert await asked("%") == await asked("😀") == await asked("诸葛") == []
    await db.write(rows.set_favourite, ids["嫌贵"], "ann", True, NOW)
    await db.write(rows.count_use, ids["退款流程"], "ann", NOW)
    assert await asked("") == ["嫌贵", "退款流程", "ＶＩＰ Welcome", "价格表"]
    assert titles(await db.read(rows.list_favourites, "ann")) == ["嫌贵"]
    assert await db.write(rows.set_favourite, ids["嫌贵"], "ann", False, NOW)
    assert not await db.write(rows.set_favourite, ids["嫌贵"], "ann", False, NOW)
    assert await db.read(rows.list_categories, "boss") == ["异议", "报价"]


async def test_uses_are_counted_per_member_and_day(db: Database) -> None:
    ids = await db.write(fill)
    for userid, day in (("ann", 3), ("ann", 4), ("ann", 4), ("boss", 4)):
        await db.write(rows.count_use, ids["嫌贵"], userid, NOW.replace(day=day))
    found = await db.read(rows.list_uses, date(2026, 3, 4))
    assert [(each.title, each.userid, each.uses) for each in found] == [("嫌贵", "ann", 2), ("嫌贵", "boss", 1)]
    assert await db.read(rows.map_uses, list(ids.values()), date(2026, 3, 1)) == {ids["嫌贵"]: (4, 2)}
    mine = await db.read(lambda session: rows.list_uses(session, date(2026, 3, 1), userids=["boss"]))
    assert [each.userid for each in mine] == ["boss"]
    await db.write(rows.delete_script, ids["嫌贵"])
    assert (await db.read(rows.list_uses, date(2026, 3, 1)))[0].title == ""


async def test_an_edit_changes_what_is_found(db: Database) -> None:
    ids = await db.write(fill)
    kept = await db.read(rows.get_script, ids["价格表"])
    changed = kept.model_copy(update={"content": MessageContent(text="菜单如下"), "title": "菜单"})
    await db.write(rows.save_script, changed, NOW, 1)
    assert titles(await db.read(rows.list_page, "菜单")) == ["菜单"]
    assert titles(await db.read(rows.list_page, "价格")) == ["嫌贵", "停用的"]
    with pytest.raises(StaleError):
        await db.write(rows.save_script, changed, NOW, 1)
    with pytest.raises(ConflictError):
        await db.write(rows.save_script, changed.model_copy(update={"title": "嫌贵"}), NOW)
    await db.write(rows.delete_script, ids["价格表"])
    with pytest.raises(NotFoundError):
        await db.read(rows.get_script, ids["价格表"])
    assert await db.read(rows.list_page, "菜单") == []


async def test_files_go_out_and_in(db: Database) -> None:
    await db.write(fill)
    renderer = Renderer()
    whole = await db.read(rows.list_all)
    writer = CsvWriter(HEAD)
    out = writer.write(to_rows(whole, {1: "总部", 2: "一店"})) + writer.end()
    again = await import_file(db, out, renderer, NOW)
    assert (again.made, again.changed, again.faults) == (0, 5, [])
    assert [each.model_dump() for each in await db.read(rows.list_all)] == [each.model_dump() for each in whole]
    given = (
        "标题,内容,部门,启用\n新的,=您好,一店,是\n坏的,{{ nobody }},,是\n"
        ",没有标题,,是\n新的,重复,,是\n怪的,x,火星店,也许\n"
    ).encode("gb18030")
    found = await import_file(db, given, renderer, NOW)
    assert (found.made, found.changed) == (1, 0)
    assert sorted({(each["row"], each["path"]) for each in found.faults}) == [
        (3, "content.text"), (4, "title"), (5, "title"), (6, "departments"), (6, "enabled"),
    ]  # fmt: skip
    made = next(each for each in await db.read(rows.list_all) if each.title == "新的")
    assert (made.content.text, sorted(made.department_ids)) == ("=您好", [2])


def test_names_stand_in_a_script_where_they_are_known() -> None:
    renderer = Renderer()
    hello = script("x", "{{ customer_name }}，我是{{ staff_name }}")
    assert words_of(renderer, hello, {"customer_name": "小鱼", "staff_name": "李婷"}) == "小鱼，我是李婷"
    assert words_of(renderer, hello, {"customer_name": None, "staff_name": "李婷"}) == "您，我是李婷"
    assert words_of(renderer, script("x", "{{ gone }}"), {}) == "{{ gone }}"
