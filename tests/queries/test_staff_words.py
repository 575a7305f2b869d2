"""Messages to members of staff: each is in the language of whoever gets it, whatever it tells."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime

import pytest
from sqlmodel import Session, col, select

from bot.context import Context
from bot.delivery import queue_alert
from bot.phrases import Phrase
from bot.render import Renderer
from bot.render.contracts import CONTRACTS
from bot.staff_words import Kept, Named, Value
from data.db import Database
from data.models import Account, Alert, Role
from scheduler.journey_pauses import why_of
from tests.queries.test_digests import context

#: 09:30 in Shanghai.
NOW = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)
NAME = "小鱼{{7*7}}"
CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
NOTHING = "无"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def test_each_member_is_told_in_their_language(db: Database, stack: AsyncExitStack) -> None:
    ctx: Context = await context(stack, db, NOW)

    def fill(session: Session) -> None:
        for userid, language in (("ann", "en"), ("bo", "zh"), ("cy", "")):
            session.add(Account(userid=userid, name=userid, role=Role.STAFF, language=language, made_at=NOW))

    await db.write(fill)
    texts: dict[str, dict[str, Value]] = {
        "customer_lost": {"customer_name": NAME, "added_date": date(2026, 3, 1), "happened_at": NOW},
        "campaign_unconfirmed": {"count": 1234, "names": Named(["李婷", "", "王强"], more=True)},
        "transfer_failed": {"cause": Phrase("客户拒绝了")},
        "journey_paused": {"cause": Kept(str(why_of(ValueError("50%"))))},
        "campaign_paused": {"cause": Kept("WeCom is away.")},
    }
    for slug, values in texts.items():
        for userid in ("ann", "bo", "cy", "nobody"):
            assert await queue_alert(ctx, slug, userid, values, dedupe_key="1")

    def read(session: Session) -> dict[str, str]:
        found = session.exec(select(Alert).order_by(col(Alert.id)))
        told: dict[str, str] = {}
        for each in found:
            told[each.userid] = f"{told.get(each.userid, '')}\n{each.words}"
        return told

    told = await db.read(read)
    assert told["bo"] == told["cy"] == told["nobody"], "the company's language is Chinese"
    for words in (
        f"{NAME} 在 3月4日 09:30",
        "3月1日",
        "1,234 位",
        "李婷、王强 等",
        "客户拒绝了",
        "不能继续：50%",
        "已暂停：WeCom is",
    ):
        assert words in told["bo"], words
    for words in (
        NAME,
        "(Mar 4 09:30)",
        "Added: Mar 1",
        "1,234",
        "李婷, 王强 and others",
        "cannot go on: 50%",
        "WeCom is away.",
    ):
        assert words in told["ann"], words
    assert CHINESE.sub("", told["ann"]) == told["ann"].replace("小鱼", "").replace("李婷", "").replace("王强", "")


@pytest.mark.parametrize(
    "slug", sorted(name.removeprefix("staff_alert/") for name in CONTRACTS if name.endswith("_en"))
)
def test_nothing_of_an_english_text_is_chinese(slug: str) -> None:
    renderer = Renderer()
    assert slug.removesuffix("_en") in renderer.slugs("staff_alert")
    names = CONTRACTS[f"staff_alert/{slug}"].names
    for values in ({}, dict.fromkeys(names, "x"), dict.fromkeys(names, "9")):
        words = renderer.render("staff_alert", slug, values).replace(NOTHING, "").replace("中文:", "")
        assert not CHINESE.search(words), words


def test_every_text_for_staff_is_there_in_both_languages() -> None:
    slugs = Renderer().slugs("staff_alert")
    assert sorted(slugs) == sorted({each.removesuffix("_en") + end for each in slugs for end in ("", "_en")})
