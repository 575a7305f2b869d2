"""The first page: what waits for each role, and the numbers, which each role sees of its own."""

from __future__ import annotations

import csv
import io

import aiohttp

from bot.spreadsheets import guarded
from data.models import Role
from tests.console import sign_in
from tests.scenarios.conftest import Company


def test_no_cell_is_a_formula() -> None:
    assert [guarded(each) for each in ("=1+1", "@x", "-2", "店", "")] == ["'=1+1", "'@x", "'-2", "店", ""]


async def test_numbers_are_those_of_whom_one_sees(company: Company) -> None:
    added = [company.scan(name=f"<i>客{number}</i>") for number in range(3)]
    await company.settle()
    mine = added[0].follow.userid
    own = sum(each.follow.userid == mine for each in added)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(company.bot, http, Role.ADMIN)
        staff = await sign_in(company.bot, http, Role.STAFF, userid=mine)
        stranger = await sign_in(company.bot, http, Role.STAFF)
        for browser, expected in ((admin, 3), (staff, own), (stranger, 0)):
            answer = await browser.get("/console/numbers.csv?by=day&days=7")
            rows = list(csv.reader(io.StringIO(answer.page.removeprefix("\ufeff"))))
            assert rows[0] == ["日期", "新增关系", "新客户", "流失", "净增"]
            assert (len(rows), rows[-1][1:3]) == (8, [str(expected), str(expected)])
            page = await browser.get("/console")
            assert page.status == 200
            assert f"新增关系 {expected} 新客户 {expected}" in page.text
        by_member = (await admin.get("/console/numbers.csv?by=userid&days=30")).page
        assert f"{mine},{own},{own}" in by_member
        assert (await admin.get("/console?days=999999999999999999999")).status == 200

        # Whom a customer leaves has one less.
        company.people.delete_by_customer(added[1].follow.userid, added[1].follow.external_userid)
        await company.settle()
        today = list(csv.reader(io.StringIO((await admin.get("/console/numbers.csv")).page)))[-1]
        assert today[1:] == ["3", "3", "1", "2"]
