"""`siyu forms`: shipped, checked, made, changed, closed, and what was answered."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.db import Database
from data.queries.form_answers import Page, record_answer
from tests.cli.conftest import Ended, Siyu
from tests.staff_tasks import add_contact

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_shipped_form_is_made_changed_answered_and_closed(
    siyu: Siyu, config: Path, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIYU_SERVER__PUBLIC_URL", "https://bot.example.com/")
    file = tmp_path / "form.json"

    async def run(*words: object) -> Ended:
        return await asyncio.to_thread(siyu, "forms", *words, config=config)

    assert "birthday  生日礼遇与喜好" in siyu("forms", "shipped").out
    file.write_text(siyu("forms", "shipped", "birthday").out, "utf-8")
    refused = await run("check", file)
    assert (refused.code, "questions[1].field: 没有自定义字段 likes" in refused.err) == (2, True)
    made = await run("make", file, "--fields")
    assert made.out.startswith("https://bot.example.com/l/")
    assert "Field likes is defined." in made.err
    assert "{{ link_birthday }}" in made.err
    assert (await run("check", file)).out == "birthday: nothing is wrong with it.\n"
    assert (await run("make", file)).code == 2, "there is one of this name"

    said = json.loads((await run("show", 1, "--file")).out)
    file.write_text(json.dumps({"version": said["version"], "title": "生日"}), "utf-8")
    assert (await run("edit", 1, file)).out == "Form 1 birthday is at version 2.\n"
    assert (await run("edit", 1, file)).code == 2, "it was read at version 1"

    await db.write(add_contact, AT, "wm1", "ann")
    born = {"calendar": "lunar", "month": 8, "day": 15, "leap_month": False, "year": None}
    await db.write(record_answer, Page(1, 2, "0" * 32), "wm1", {"birthday": born, "likes": ["会员优惠"]}, AT)
    assert "birthday  wm1              2026-03-04 13:06:07  您的生日：农历8月15日" in (await run("answers", 1)).out
    assert (await run("answers", "--customer", "wm1", "--json")).json[0]["answers"][1]["value"] == ["会员优惠"]
    assert (await run("answers")).code == 2
    assert (await run("answers", 7)).code == 2
    (listed,) = (await run("list", "--json")).json
    assert (listed["customers"], listed["answers"], listed["address"]) == (1, 1, made.out.strip())
    assert (await run("close", 1)).out == "Form 1 birthday is closed.\n"
    assert "(closed)" in (await run("list")).out
    assert (await run("open", 1)).out == "Form 1 birthday is open.\n"
