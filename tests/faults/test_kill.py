"""The bot is killed with SIGKILL at random moments under load and started again, many times.

Afterwards: every event that was acknowledged is stored and finished, nobody was welcomed twice for one add, and every
add is greeted or recorded with the reason why not. `SIYU_KILLS=100` makes it as long as one likes; `SIYU_KILL_SEED`
repeats a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.clock import Clock
from bot.sandbox.callbacks import Delivery
from bot.sandbox.errors import WorldError
from bot.sandbox.faults import Fault
from bot.sandbox.people import Added
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from bot.wecom.event_xml import parse_event
from bot.wecom.events import AddedEvent
from data.db import Database, open_database
from data.queries import events as event_rows
from data.queries import inbox as inbox_rows
from data.queries import rules as rule_rows
from data.queries import welcomes as welcome_rows
from data.rules.messages import MessageContent
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeRule
from tests.conftest import Urls
from tests.forks import Fork, siyu

KILLS = int(os.environ.get("SIYU_KILLS", "2"))
SEED = int(os.environ.get("SIYU_KILL_SEED", "1"))
FLOWS: tuple[Any, ...] = ("direct", "direct", "half_then_add", "add_then_half", "half")
ACTS_PER_SECOND = 20


@dataclass
class Load:
    """Customers who scan, leave and come back, and staff who edit, at random."""

    sandbox: Sandbox
    rng: random.Random
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    adds: list[Added] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    #: People pause while the bot starts, or most of what they do would come too late to be greeted.
    busy: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Act until cancelled."""
        while True:
            await self.busy.wait()
            self.act()
            self.collect()
            await asyncio.sleep(self.rng.expovariate(ACTS_PER_SECOND))

    def act(self) -> None:
        """One thing that a person does."""
        people = self.sandbox.machine.people
        known = self.rng.choice(self.adds).follow if self.adds else None
        act = self.rng.choices(("scan", "edit", "leave", "delete", "again"), (8, 10, 1, 1, 2))[0]
        with suppress(WorldError):  # what cannot be done now, such as leaving twice
            if act == "scan" or known is None:
                self.adds.append(people.scan(state="store_poster", flow=self.rng.choice(FLOWS), codes="always"))
            elif act == "edit":
                people.edit(known.userid, known.external_userid, remark=f"备注{self.rng.randrange(10**6)}")
            elif act == "leave":
                people.delete_by_customer(known.userid, known.external_userid)
            elif act == "delete":
                people.delete_by_staff(known.userid, known.external_userid)
            else:
                added = people.scan(
                    state="store_poster", userid=known.userid, external_userid=known.external_userid, codes="always"
                )
                if added.outcome != "already":
                    self.adds.append(added)
            self.acts[act] += 1

    def collect(self) -> None:
        """Keep the deliveries: the local WeCom remembers only the last ones."""
        for delivery in reversed(self.sandbox.machine.callbacks.history):
            if delivery.seq in self.deliveries:
                break
            self.deliveries[delivery.seq] = delivery

    @property
    def acknowledged(self) -> dict[bytes, Delivery]:
        """The events that the bot answered with 200, by the inbox's digest."""
        return {
            _digest(delivery.plaintext): delivery
            for delivery in self.deliveries.values()
            if any(attempt.status == 200 for attempt in delivery.attempts)
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Process:
    """The bot as its own process, as an operator starts it."""

    config: Path
    url: str
    log: Path
    process: Fork | None = None

    async def start(self) -> None:
        """Start it; returns at once."""
        self.process = await Fork.start(siyu, "serve", "--config", str(self.config), output=self.log, errors=True)

    async def ready(self) -> None:
        """Wait until it answers."""
        assert self.process is not None
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            while True:
                assert self.process.returncode is None, self.log.read_text()[-2000:]
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{self.url}/healthz") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """SIGKILL, at once."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        assert self.process is not None
        self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    db = open_database(url, pool_size=3)
    try:
        yield db
    finally:
        await db.close()


def _write_config(path: Path, sandbox: Sandbox, urls: Urls, port: int) -> None:
    app, company = sandbox.world.app, sandbox.world.company
    path.write_text(
        f"""
[company]
corpid = "{company.corpid}"
name = "{company.name}"
[app]
agentid = {app.agentid}
secret = "{app.secret}"
[[callbacks]]
token = "{app.callback_token}"
encoding_aes_key = "{app.encoding_aes_key}"
[wecom]
api_base_url = "{sandbox.api_base_url}"
timeout_seconds = 3
[server]
port = {port}
[database]
url = "{urls.main}"
inbox_url = "{urls.inbox}"
[inbox]
lease_seconds = 10
[sync]
first = false
""",
        "utf-8",
    )
    path.chmod(0o600)


async def _make_rules(urls: Urls, sandbox: Sandbox, clock: Clock) -> None:
    async with _opened(urls.main) as db:
        content = MessageContent.model_validate({"text": "您好{{ customer_name }}"})
        await db.write(rule_rows.save_welcome_rule, WelcomeRule(name="默认", content=content), clock.now())
        tag = next(iter(sandbox.world.tags)).id
        rule = TagRule.model_validate({"name": "海报", "put_on": [tag], "conditions": {"states": ["store_poster"]}})
        await db.write(rule_rows.save_tag_rule, rule, clock.now())


async def _wait_until_finished(urls: Urls, seconds: float) -> None:
    async with _opened(urls.inbox) as inbox, asyncio.timeout(seconds):
        while True:
            counts = await inbox.read(event_rows.count_tasks)
            if not counts.get("waiting") and not counts.get("claimed"):
                return
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_killed_at_random_moments_nothing_is_lost_and_nobody_greeted_twice(
    urls: Urls, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    async with Sandbox(World(clock=clock)) as sandbox:
        machine = sandbox.machine
        machine.settings.welcome_delivery_seconds = 0.08  # so that kills strike while welcomes are under way
        machine.callbacks.settings.retry_pauses_seconds = (0.5, 1.5, 3.0)
        machine.faults.add(Fault(0, "api", "lose_answer", probability=0.02))
        port = _free_port()
        bot = Process(tmp_path / "config.toml", f"http://127.0.0.1:{port}", tmp_path / "bot.log")
        _write_config(bot.config, sandbox, urls, port)
        await _make_rules(urls, sandbox, clock)
        app = sandbox.world.app
        app.callback_url = f"{bot.url}/callback"
        sandbox.world.put_app(app)
        load = Load(sandbox, rng)
        acting: asyncio.Task[None] | None = None
        try:
            for _ in range(KILLS):
                await bot.start()
                acting = acting or asyncio.create_task(load.run())
                if rng.random() < 0.9:
                    await bot.ready()
                load.busy.set()
                # Some die while they start, most while they work.
                await asyncio.sleep(rng.uniform(0.0, 2.5))
                await bot.kill()
                if rng.random() < 0.9:
                    load.busy.clear()
            assert acting is not None
            acting.cancel()
            await asyncio.gather(acting, return_exceptions=True)
            machine.faults.clear()
            await bot.start()
            await bot.ready()
            async with asyncio.timeout(120):
                await machine.callbacks.idle()
            load.collect()
            await _wait_until_finished(urls, 240)
            await bot.stop()
        finally:
            if acting is not None:
                acting.cancel()
            if bot.process is not None and bot.process.returncode is None:
                await bot.kill()
        figures = await _judge(load, urls, sandbox)
    with capsys.disabled():
        print(f"\n{KILLS} kills: {json.dumps(figures, ensure_ascii=False)}")  # noqa: T201


async def _judge(load: Load, urls: Urls, sandbox: Sandbox) -> dict[str, Any]:
    acknowledged = load.acknowledged
    async with _opened(urls.inbox) as inbox, _opened(urls.main) as main:
        events = await inbox.read(event_rows.list_events, limit=1_000_000)
        welcomes = await main.read(welcome_rows.list_welcomes, limit=1_000_000)
    stored = {bytes.fromhex(event["digest"]): event for event in events}

    lost = [delivery.plaintext for digest, delivery in acknowledged.items() if digest not in stored]
    assert lost == [], "acknowledged and not stored"
    unfinished = [
        (event["kind"], task["status"], task["note"])
        for event in events
        for task in event["tasks"]
        if task["status"] != "done"
    ]
    assert unfinished == [], "stored and not finished"

    by_event = {welcome.event_id: welcome for welcome in welcomes}
    greeted_pairs = {(welcome.userid, welcome.external_userid) for welcome in welcomes}
    assert not [welcome for welcome in welcomes if welcome.status == "sending"], "left in the middle"
    adds = [event for event in events if event["kind"].rpartition(".")[2] in _ADD_KINDS]
    for event in adds:
        outcomes = {outcome["handler"]: outcome for outcome in event["outcomes"]}
        assert outcomes["welcome.on_added"]["reason"], event
        assert event["id"] in by_event or _pair(event) in greeted_pairs, "an add without a record"

    arrived = Counter[tuple[str, str]]()
    for pair in {(added.follow.userid, added.follow.external_userid) for added in load.adds}:
        since_add = 0
        for message in sandbox.world.chats.of(*pair):
            if message.origin == "notice":  # they became contacts: an add of its own
                since_add = 0
            elif message.origin == "welcome":
                since_add += 1
                arrived[pair] += 1
                assert since_add <= 1, f"{pair} welcomed twice"
    statuses = Counter(f"{welcome.status} {welcome.reason}".strip() for welcome in welcomes)
    # The record agrees with the phones, but where it says itself that it does not know.
    sent, known = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for welcome in welcomes:
        pair = (welcome.userid, welcome.external_userid)
        sent[pair] += welcome.status == "sent" or welcome.reason == "outcome_unknown"
        known[pair] += welcome.status == "sent"
    wrong = {pair: (arrived[pair], known[pair], sent[pair]) for pair in sent | arrived
             if not known[pair] <= arrived[pair] <= sent[pair]}  # fmt: skip
    told = [
        (welcome.event_id, welcome.kind, welcome.status, welcome.reason, welcome.note, welcome.received_at)
        for welcome in welcomes
        if (welcome.userid, welcome.external_userid) in wrong
    ]
    shown = [(message.origin, message.at) for pair in wrong for message in sandbox.world.chats.of(*pair)]
    about = [
        (event["id"], event["kind"], event["received_at"], event["tasks"], event["outcomes"])
        for event in events
        for pair in wrong
        if pair[1] in event["body"]
    ]
    assert wrong == {}, f"the record and the phones disagree: {told}; the phone shows {shown}; events {about}"
    return {
        "acts": dict(load.acts),
        "events": len(load.deliveries),
        "acknowledged": len(acknowledged),
        "tries": sum(len(delivery.attempts) for delivery in load.deliveries.values()),
        "stored": len(stored),
        "stored_unacknowledged": len(stored.keys() - acknowledged.keys()),
        "adds": len(adds),
        "welcomes_arrived": arrived.total(),
        "welcomes_recorded": dict(statuses),
    }


_ADD_KINDS = ("add_external_contact", "add_half_external_contact")


def _digest(plaintext: str) -> bytes:
    return inbox_rows.digest_of(plaintext, parse_event(plaintext).created_seconds)


def _pair(event: dict[str, Any]) -> tuple[str, str]:
    parsed = parse_event(event["body"])
    assert isinstance(parsed, AddedEvent)
    return parsed.userid, parsed.external_userid
