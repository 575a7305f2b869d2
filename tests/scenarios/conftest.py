"""A whole company in a test: the bot beside the local WeCom, over real HTTP, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest
from pydantic import SecretStr
from sqlmodel import Session, delete

from bot.app import Bot
from bot.assembly import open_context
from bot.clock import Clock
from bot.config import (
    AppSettings,
    CallbackSettings,
    CampaignsSettings,
    CompanySettings,
    DatabaseSettings,
    InboxSettings,
    ServerSettings,
    Settings,
    SyncSettings,
    WecomSettings,
)
from bot.metrics import Metrics
from bot.sandbox.people import Added, People
from bot.sandbox.records import Message
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.models import Alert, SyncStatus, TagRuleRow, Touch, Welcome, WelcomeRuleRow
from data.queries import alerts as alert_rows
from data.queries import events as event_rows
from data.queries import inbox_claims as claim_rows
from data.queries import rules as rule_rows
from data.queries import sync_runs as run_rows
from data.queries import welcomes as welcome_rows
from data.rules.messages import MessageContent
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeConditions, WelcomeRule
from scheduler.sync import Sync
from tests.conftest import Urls
from tests.console import cheap_console  # noqa: F401 - for all tests here
from tests.facts import settle

#: Enough for several calls of everything, and no more: many tests read all of them.
CUSTOMERS = 120
#: What a bot reads of its company as soon as it runs.
FIRST_JOBS = ("poll_directory", "poll_tags", "poll_channels")


async def read_company_of(bot: Bot, *jobs: str) -> None:
    """What the bell would do first. Bots of tests have none: what a test does itself, nobody does beside it."""
    await asyncio.gather(*(bot.runner.run_now(job) for job in jobs or FIRST_JOBS))
    assert all(bot.runner.first_run[job].is_set() for job in jobs or FIRST_JOBS), "a job has failed"


@dataclass
class Company:
    """The running pair, and short ways to play it. No job runs but those that the test runs."""

    sandbox: Sandbox
    bot: Bot

    @property
    def world(self) -> World:
        return self.sandbox.world

    async def settle(self) -> None:
        """Wait until WeCom has delivered everything and the bot has handled it."""
        try:
            await asyncio.wait_for(self._settle(), 240)
        except TimeoutError:
            tasks = [task for event in await self.bot.inbox.db.read(event_rows.list_events) for task in event["tasks"]]
            waiting = [task for task in tasks if task["status"] not in ("done", "dead")]
            for each in asyncio.all_tasks():
                each.print_stack(limit=4)
            pytest.fail(f"did not settle: {self.sandbox.machine.callbacks.waiting} callbacks, tasks {waiting}")

    async def _settle(self) -> None:
        for _ in range(2):
            await self.sandbox.machine.callbacks.idle()
            await self.bot.inbox.wait_until_idle()

    async def settle_with_retries(self) -> None:
        """Like `settle`, moving the clock to each retry until none waits."""
        await self.settle()
        while (due := await self.bot.inbox.db.read(claim_rows.find_next_due)) is not None:
            self.bot.clock.advance(max(due - self.bot.clock.now(), timedelta()))
            self.bot.inbox.wake()
            await self.settle()

    @asynccontextmanager
    async def nobody_works(self) -> AsyncIterator[None]:
        """What arrives meanwhile is stored and waits."""
        inbox = self.bot.inbox
        inbox._stopping = True
        inbox.wake()
        assert inbox._dispatching is not None
        await inbox._dispatching
        yield
        inbox._stopping = False
        await inbox.start(alone=False)

    async def anew(self) -> None:
        """Nothing was sent or told yet, there are no rules and no faults; whoever is known stays so."""
        machine = self.sandbox.machine
        machine.faults.clear()
        machine.calls.counts.clear()
        machine.callbacks.history.clear()
        await self.bot.db.write(_forget)

    async def each(self, *claims: Callable[[Company], Awaitable[None]]) -> None:
        """One claim after the other, each anew: to start a company for each would take longer than all of them."""
        for claim in claims:
            await self.anew()
            await claim(self)

    def scan(self, state: str = "store_poster", **more: Any) -> Added:
        """A new customer scans a channel's code."""
        return self.people.scan(state=state, **more)

    def calls(self, path: str) -> int:
        """How often the bot called an API."""
        return sum(count for (called, _), count in self.sandbox.machine.calls.counts.items() if called == path)

    @property
    def tag_ids(self) -> list[str]:
        """The company's tags."""
        return [tag.id for tag in self.world.tags]

    @property
    def followers(self) -> list[str]:
        """Staff who can have customers."""
        return [member.userid for member in self.world.population.service]

    @property
    def people(self) -> People:
        """Acts as customers and staff do on their phones."""
        return self.sandbox.machine.people

    async def add_rule(self, text: str = "您好", name: str = "默认", **fields: Any) -> WelcomeRule:
        """A welcome rule; without conditions it is the default."""
        rule = WelcomeRule(
            name=name,
            content=MessageContent.model_validate({"text": text, "attachments": fields.pop("attachments", ())}),
            conditions=WelcomeConditions.model_validate(fields.pop("conditions", {})),
            **fields,
        )
        return await self.bot.db.write(rule_rows.save_welcome_rule, rule, self.bot.clock.now())

    async def add_tag_rule(self, **fields: Any) -> TagRule:
        """An auto-tagging rule."""
        rule = TagRule.model_validate(fields)
        return await self.bot.db.write(rule_rows.save_tag_rule, rule, self.bot.clock.now())

    async def welcomes(self) -> list[Welcome]:
        """The bot's record, newest first."""
        return await self.bot.db.read(welcome_rows.list_welcomes, limit=1000)

    async def alerts(self) -> list[Alert]:
        """Alerts to staff, newest first."""
        return await self.bot.db.read(alert_rows.list_alerts, limit=1000)

    def messages(self, added: Added) -> list[Message]:
        """What the customer received from the staff member as a welcome."""
        messages = self.world.chats.of(added.follow.userid, added.follow.external_userid)
        return [message for message in messages if message.origin == "welcome"]

    def texts(self, added: Added) -> list[str]:
        """The texts among them."""
        return [message.content["content"] for message in self.messages(added) if message.msgtype == "text"]

    async def read(self, query: Callable[..., Any], *args: Any) -> Any:
        """One of the bot's queries."""
        return await self.bot.db.read(query, *args)


def _forget(session: Session) -> None:
    for model in (Alert, Welcome, Touch, WelcomeRuleRow, TagRuleRow):
        session.execute(delete(model))
    settle(session)


Start = Callable[..., Awaitable[Company]]


def settings_for(sandbox: Sandbox, urls: Urls, mode: Literal["live", "observe"] = "live", **more: Any) -> Settings:
    """The bot's configuration for the sandbox's company."""
    app, company = sandbox.world.app, sandbox.world.company
    return Settings(
        mode=mode,
        company=CompanySettings(corpid=company.corpid, name=company.name),
        app=AppSettings(agentid=app.agentid, secret=SecretStr(app.secret), **more.pop("app", {})),
        callbacks=(
            CallbackSettings(token=SecretStr(app.callback_token), encoding_aes_key=SecretStr(app.encoding_aes_key)),
        ),
        wecom=WecomSettings(api_base_url=sandbox.api_base_url, timeout_seconds=30, **more.pop("wecom", {})),
        server=ServerSettings(port=0),
        database=DatabaseSettings(url=urls.main, inbox_url=urls.inbox),
        inbox=InboxSettings(**more.pop("inbox", {})),
        sync=more.pop("sync", SyncSettings(first=False)),
        # Tests run at any time of the day.
        campaigns=more.pop("campaigns", CampaignsSettings(hours="00:00-00:00")),
        **more,
    )


async def read_company(sandbox: Sandbox, urls: Urls) -> None:
    """Staff and customers are known, as after `siyu sync`, without a process of its own."""
    clock = sandbox.world.clock
    async with AsyncExitStack() as stack:
        db = open_database(urls.main, pool_size=10)
        stack.push_async_callback(db.close)
        context = await open_context(stack, settings_for(sandbox, urls), clock, db, Metrics())
        run = await db.write(run_rows.ask_for_run, "command", clock.now())
        assert await Sync(context).run(run.id or 0) == SyncStatus.DONE


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    """The local WeCom with its sample company."""
    async with Sandbox(World(clock=clock, customers=CUSTOMERS)) as running:
        yield running


@pytest.fixture
async def start(sandbox: Sandbox, urls: Urls, clock: Clock) -> AsyncIterator[Start]:
    """Start a bot for the sandbox's company; stopped at the end of the test. `reads`: staff, tags and channels."""
    bots: list[Bot] = []

    async def begin(mode: Literal["live", "observe"] = "live", *, reads: bool = True, **more: Any) -> Company:
        bot = Bot(settings_for(sandbox, urls, mode, **more), clock, bell=False)
        await bot.__aenter__()
        bots.append(bot)
        app = sandbox.world.app
        app.callback_url = f"{bot.url}/callback"
        sandbox.world.put_app(app)
        if reads:
            await read_company_of(bot)
        return Company(sandbox, bot)

    yield begin
    for bot in bots:
        await bot.__aexit__(None, None, None)


@pytest.fixture
async def company(start: Start) -> Company:
    """The pair, running."""
    return await start()
