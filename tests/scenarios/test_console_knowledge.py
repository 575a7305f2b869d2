"""Knowledge in the console: written, tried, brought in by files; what was not answered becomes an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from sqlmodel import Session

from data.models import Role
from data.queries import audit, drafts, unanswered
from data.rules.drafts import Outcome
from tests.console import fields_of, sign_in
from tests.scenarios.conftest import Company

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂" + "长" * 100
PATH = "/console/knowledge"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def test_knowledge_is_written_tried_and_grows_by_what_is_asked(
    company: Company, http: aiohttp.ClientSession
) -> None:
    db, now = company.bot.db, company.bot.clock.now()

    def fill(session: Session) -> None:
        for whom in ("wm1", "wm2"):
            unanswered.note_unanswered(session, HOSTILE, open_kfid="wk1", external_userid=whom, at=now)
        drafts.add_draft(
            session, open_kfid="wk1", external_userid="wm1", question=HOSTILE, answer=HOSTILE, sources=[1],
            outcome=Outcome.REFUSED, cause="link", model="tiny", seconds=1.5, now=now,
        )  # fmt: skip

    await db.write(fill)
    manager, staff = await sign_in(company.bot, http, Role.MANAGER), await sign_in(company.bot, http, Role.STAFF)
    admin = await sign_in(company.bot, http, Role.ADMIN)
    assert (await staff.get(PATH)).status == 403
    for path in ("unanswered", "drafts"):
        assert (await manager.get(f"{PATH}/{path}")).status == 403
    assert "知识库还是空的" in (await manager.get(PATH)).text

    typed = {"phrasings": f"怎么退款\n{HOSTILE}", "text": HOSTILE, "enabled": "yes"}
    await manager.get(f"{PATH}/new")
    wrong = await manager.post(PATH, {**typed, "phrasings": "怎么退款\n怎么退款？"})
    assert (wrong.status, "与前面的问法相同" in wrong.text, "<script>alert" in wrong.page) == (400, True, False)
    assert dict(fields_of(wrong.page))["text"] == HOSTILE
    assert (await manager.post(PATH, typed)).location == f"{PATH}?said=made"
    listed = await manager.get(PATH)
    assert "<script>alert" not in listed.page
    assert f"{PATH}/1" in listed.page
    assert f"{PATH}/1" not in (await manager.get(f"{PATH}?q=nothing")).page
    tried = await manager.get(f"{PATH}/try?question=请问怎么退款")
    assert "会回答第一条" in tried.text
    assert "<script>alert" not in tried.page
    assert "不会回答" in (await manager.get(f"{PATH}/try?question=退款地址")).text
    shown = await manager.get(f"{PATH}/1")
    form = dict(fields_of(shown.page))
    assert (await manager.post(f"{PATH}/1", {**form, "text": "七天内可退"})).location == f"{PATH}?said=saved"
    overtaken = await manager.post(f"{PATH}/1", {**form, "text": "八天内可退"})
    assert (overtaken.status, "八天内可退" in overtaken.page) == (409, True)
    assert (await manager.post(f"{PATH}/1/switch", {"enabled": "no"})).status == 303
    assert (await db.read(audit.list_entries, limit=1))[0].action == "knowledge.switch"
    exported = await manager.get(f"{PATH}.csv?as=csv")
    assert "七天内可退" in exported.page
    assert "请先选择一个文件" in (await manager.post(f"{PATH}/import")).text
    assert (await manager.post(f"{PATH}/1/remove")).location == f"{PATH}?said=removed"
    assert (await manager.get(f"{PATH}/1")).status == 404

    # which words mean the same is the admins', managers look
    words = f"{PATH}/synonyms"
    assert "添加一组同义词" not in (await manager.get(words)).text
    assert (await manager.get(f"{words}/new")).status == (await manager.post(words, {"words": "x"})).status == 403
    await admin.get(f"{words}/new?replaces=运费")
    refused = await admin.post(words, {"words": f"邮费\n{HOSTILE}\n退钱", "replaces": "运费"})
    assert (refused.status, "「退钱」已经在「退款」这一组里" in refused.text, "<script>alert" in refused.page) == (
        400, True, False,
    )  # fmt: skip
    assert (await admin.post(words, {"words": "邮费，<b>x</b>", "replaces": "运费"})).location == f"{words}?said=made"
    own = await admin.get(words)
    assert ("代替内置的「运费」" in own.text, "<b>x</b>" in own.page) == (True, False)
    form = dict(fields_of((await admin.get(f"{words}/1")).page))
    assert (await admin.post(f"{words}/1", {**form, "words": "邮费"})).location == f"{words}?said=saved"
    assert (await admin.post(f"{words}/1", {**form, "words": "运费"})).status == 409
    assert (await admin.post(f"{words}/1/remove")).location == f"{words}?said=removed"
    assert (await admin.get(f"{words}/1")).status == 404
    entry = (await db.read(audit.list_entries, limit=1))[0]
    before, after = entry.before or {}, entry.after or {}
    assert (entry.action, before["words"], after["words"][1]) == ("synonyms.remove", ["邮费"], "邮费")

    # the hostile question was answered by the pair, so it is asked anew
    assert await db.read(unanswered.count_unanswered) == 0
    await db.write(fill)
    asked = await admin.get(f"{PATH}/unanswered")
    assert "2 人问过 2 次" in asked.text
    assert "<script>alert" not in asked.page
    (question,) = await db.read(unanswered.list_unanswered)
    new = await admin.get(f"{PATH}/new?from={question.id}")
    assert dict(fields_of(new.page))["phrasings"] == question.words
    assert (await admin.post(f"{PATH}/unanswered/{question.id}/dismiss")).status == 303
    assert await db.read(unanswered.count_unanswered) == 0
    assert (await admin.post(f"{PATH}/unanswered/{question.id}/dismiss")).status == 404
    written = await admin.get(f"{PATH}/drafts")
    assert ("没有通过检查" in written.text, "<script>alert" in written.page) == (True, False)
