"""`siyu links`: made, listed, shown with who followed them, retired."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.db import Database
from data.queries import link_clicks
from data.rules.links import ELSEWHERE
from tests.cli.conftest import Ended, Siyu

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_link_is_made_shown_and_retired(
    siyu: Siyu, config: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIYU_SERVER__PUBLIC_URL", "https://bot.example.com/")

    async def run(*words: object) -> Ended:
        return await asyncio.to_thread(siyu, "links", *words, config=config)

    assert (await run("list")).out.startswith("There is no link.")
    made = await run("add", "春茶", "https://shop.example.com/a", "--tell")
    assert made.out.startswith("https://bot.example.com/l/")
    assert "{{ link_春茶 }}" in made.err
    for wrong, path in ((("a b", "https://a.example"), "name:"), (("x", "javascript:alert(1)"), "url:"),
                        (("x", "https://a.example", "--tag", "etNone"), "tag_ids:")):  # fmt: skip
        refused = await run("add", *wrong)
        assert (refused.code, path in refused.err) == (2, True)
    assert (await run("add", "春茶", "https://b.example")).code == 2

    await db.write(link_clicks.record_click, 1, "wmA", ELSEWHERE, AT)
    assert "wmA              2026-03-04 13:06:07  1       -    -        -" in (await run("show", 1)).out
    assert (await run("show", 1, "--json")).json["followed_by"][0]["external_userid"] == "wmA"
    (listed,) = (await run("list", "--json")).json
    assert (listed["customers"], listed["address"]) == (1, made.out.strip())
    card = '{"msgtype":"link","link":{"title":"春茶","tracked":"春茶"}}'
    words = ("--text", "{{ link_春茶 }} 见", "--attachment", card)
    assert (await asyncio.to_thread(siyu, "welcome", "add", "--name", "默认", *words, config=config)).code == 0
    tried = await asyncio.to_thread(siyu, "welcome", "try", "--userid", "ann", config=config)
    assert f"\n{made.out.strip()} 见\n" in tried.out
    unknown = await asyncio.to_thread(siyu, "welcome", "edit", 1, "--text", "{{ link_x }}", config=config)
    assert (unknown.code, "content.text: 没有跟踪链接 x" in unknown.err) == (2, True)
    refused = await run("retire", 1, "--yes")
    assert (refused.code, "shown by welcome rule 1 默认" in refused.err) == (2, True)
    assert (await run("retire", 1, "--yes", "--force")).out == "Link 1 春茶 is retired.\n"
    checked = await asyncio.to_thread(siyu, "welcome", "edit", 1, "--name", "新", config=config)
    assert (checked.code, "跟踪链接 春茶 已停用" in checked.err) == (2, True)
    assert "(retired)" in (await run("list")).out
    assert (await run("show", 77)).code == 2
