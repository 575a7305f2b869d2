"""Reports: on the page, as files and by the API of whom one may see; sent on Mondays exactly once."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from openpyxl import load_workbook
from sqlalchemy import select
from sqlmodel import Session

from bot.app import Bot
from bot.clock import Clock
from bot.config import ReportsSettings, ServerSettings
from bot.delivery import send_due_alerts
from bot.sandbox.server import Sandbox
from data.models import Alert, Department, Role, Staff
from data.queries import access as access_rows
from data.queries import audit
from data.queries import reports as rows
from data.rules.reports import period_of
from scheduler import reports as weekly
from scheduler.reports import send_reports
from tests.api.conformance import check_answer
from tests.conftest import Urls
from tests.console import Browser, sign_in
from tests.scenarios.conftest import Company, read_company_of, settings_for

HOSTILE = "=1+1</td><script>alert(1)</script>{{7*7}}\u202e🙂"
MONDAY = datetime(2026, 3, 9, 0, 59, 30, tzinfo=UTC)  # half a minute before nine in Shanghai
PUBLIC = "http://127.0.0.1:1"
CSV = "/console/reports.csv?day=2026-03-04"
Begin = Callable[[], Awaitable[Company]]


@pytest.fixture
async def begin(sandbox: Sandbox, urls: Urls, clock: Clock) -> AsyncIterator[Callable[[], Awaitable[Company]]]:
    """Start a bot whose address is known, after the one before has stopped."""
    async with AsyncExitStack() as stack:

        async def start() -> Company:
            await stack.aclose()
            more = {"server": ServerSettings(port=0, public_url=PUBLIC), "reports": ReportsSettings(pull=False)}
            bot = await stack.enter_async_context(
                Bot(settings_for(sandbox, urls).model_copy(update=more), clock, bell=False)
            )
            company = Company(sandbox, bot)
            app = sandbox.world.app
            app.callback_url = f"{bot.url}/callback"
            sandbox.world.put_app(app)
            await read_company_of(bot, "poll_directory")
            return company

        yield start


def csv_of(page: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(page.removeprefix("\ufeff"))))


async def test_reports_are_of_whom_one_sees_and_go_out_once(begin: Begin) -> None:
    company = await begin()
    bot = company.bot
    # Of two sales groups beside each other; nobody is below either.
    mine, other = (next(each.userid for each in company.world.population.service if each.department == [number])
                   for number in (3, 4))  # fmt: skip
    for userid in (mine, mine, mine, other):
        company.people.scan(userid=userid, name=HOSTILE)
    await company.settle()

    def name(session: Session) -> tuple[int, int, list[str]]:
        member = session.get_one(Staff, mine)
        assert member.main_department_id
        member.name = HOSTILE
        session.get_one(Department, member.main_department_id).name = HOSTILE
        everybody = session.execute(select(Staff)).scalars().all()
        others = {each.main_department_id for each in everybody} - {member.main_department_id, None}
        inside = [each.userid for each in everybody if each.main_department_id == member.main_department_id]
        return member.main_department_id, min(others), inside

    department, elsewhere, inside = await bot.db.write(name)
    seen = 3
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(bot, http, Role.ADMIN, userid=other)
        manager = await sign_in(bot, http, Role.MANAGER, userid=mine, department_ids=[department])
        nobody = await sign_in(bot, http, Role.MANAGER)

        # The week that goes on: everybody's, one's own, nobody's.
        for browser, expected in ((admin, 4), (manager, seen), (nobody, 0)):
            page = await browser.get("/console/reports?day=2026-03-04")
            assert page.status == 200
            assert "<script>alert" not in page.page
            assert ("还没有结束" in page.text, "每周一发送" in page.text) == (True, browser is admin)
            if expected:
                assert f"新增关系 {expected} 上期 0 新客户 {expected}" in page.text
            else:
                assert "还没有可以看的成员" in page.text
            lines = csv_of((await browser.get(CSV)).page)
            assert (lines[1][1], lines[1][3]) == ("合计", str(expected))
            assert sum(int(line[3]) for line in lines[1:] if line[2]) == expected
            assert browser is admin or all(line[2] in inside for line in lines[1:] if line[2])
        assert ["'" + HOSTILE, mine] in [line[1:3] for line in csv_of((await admin.get(CSV)).page)]

        assert "Confirmation rate" in (await admin.get("/console/reports?lang=en")).text
        assert "Relations still there" in (await manager.get("/console?lang=en")).text

        # One department; another's is not there for a manager.
        page = await admin.get(f"/console/reports?day=2026-03-04&department={department}")
        assert f"新增关系 {seen} 上期 0" in page.text
        assert (await manager.get(f"/console/reports?day=2026-03-04&department={department}")).status == 200
        assert (await manager.get(f"/console/reports?department={elsewhere}")).status == 404
        for odd in ("day=never", "day=0001-01-01", "day=9999-12-31&kind=month", "kind=%00x", "department=9" * 30):
            assert (await admin.get(f"/console/reports?{odd}")).status in (200, 404), odd

        (sheet,) = load_workbook(io.BytesIO((await manager.get(f"{CSV}&as=xlsx")).body)).worksheets
        rows_there = list(sheet.iter_rows())
        assert [line[1].value for line in rows_there if line[2].value == mine] == [HOSTILE]
        assert {line[2].value for line in rows_there[1:]} <= {*inside, None}
        assert not [cell for line in rows_there for cell in line if cell.data_type == "f"]

        # The API has the same figures.
        token = "siyu_" + "t" * 43
        await bot.db.write(access_rows.add_api_token, "t", token, ["reports:read"], bot.clock.now())
        headers = {"Authorization": f"Bearer {token}"}
        for query, status in (("?day=2026-03-04", 200), ("?kind=month", 200), ("?kind=year", 422), ("?day=x", 422)):
            async with http.get(f"{bot.url}/api/v1/reports{query}", headers=headers) as response:
                told = await response.json()
                check_answer("GET", f"/reports{query}", response.status, told)
                assert response.status == status, told
                if query == "?day=2026-03-04":
                    assert (told["total"]["now"]["added"], told["is_over"]) == (4, False)
                    assert told["total"]["now"]["people"] == 4

        await send_on_mondays(begin, company, admin, manager, seen)


async def send_on_mondays(begin: Begin, company: Company, admin: Browser, manager: Browser, seen: int) -> None:
    """Chosen by an admin, sent to each what they may see: once, whoever runs it and whatever dies between."""
    bot = company.bot
    accounts = [("account", str(each.account_id)) for each in (admin, manager)]
    saved = await admin.post("/console/reports/readers", [*accounts, ("account", "999"), ("account", "x")])
    assert (saved.status, saved.location) == (303, "/console/reports?said=saved")
    assert (await admin.get("/console/reports")).page.count(" checked>") == 2
    assert "reports.readers" in [each.action for each in await bot.db.read(audit.list_entries, limit=9)]
    bot.clock.advance(MONDAY - bot.clock.now())
    assert await send_reports(bot.context) == 0, "it is not nine yet"
    bot.clock.advance(timedelta(minutes=1))

    # The first was sent it and the process died: the other still gets it, and nobody twice.
    chosen = await bot.db.read(rows.list_chosen)
    first, second = sorted(chosen)
    await weekly._send(bot.context, period_of("week", MONDAY.date()).before, first, chosen[first])
    assert [await send_reports(bot.context) for _ in range(2)] == [1, 0]
    sent = await of_kind(company)
    assert sorted((each.userid, bool(each.media_id)) for each in sent) == [
        (first, False), (first, True), (second, False), (second, True),
    ]  # fmt: skip
    words = {each.userid: each.words for each in sent if not each.media_id}
    for userid, visible in chosen.items():
        expected = 4 if visible is None else seen
        assert f"新客户 {expected}（上周 0）" in words[userid]
        assert f"{PUBLIC}/console/reports?day=2026-03-02" in words[userid]
    await send_due_alerts(bot.context)
    assert {each.status for each in await of_kind(company)} == {"sent"}
    agentid = company.world.app.agentid
    for userid in (first, second):
        received = [each for each in company.world.chats.of_app(agentid, userid) if not each.incoming]
        assert [each.msgtype for each in received if each.msgtype == "file" or "周报" in str(each.content)] == [
            "text", "file",
        ]  # fmt: skip

    # A new process on Monday and Tuesday sends nothing again, and the next week once.
    after = await begin()
    for days, expected in ((0, 0), (1, 0), (5, 0), (1, 2), (0, 0)):
        after.bot.clock.advance(timedelta(days=days))
        assert await send_reports(after.bot.context) == expected, (days, after.bot.clock.now())
    assert len(await of_kind(after)) == 8


async def of_kind(company: Company) -> list[Alert]:
    return [each for each in await company.alerts() if each.kind == "weekly_report"]
