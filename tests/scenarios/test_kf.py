"""Customer service from the customer's chat to the answer, beside the local WeCom."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import kf, kf_deciding
from bot.clock import Clock
from bot.erasing import erase_customer, export_customer
from bot.kf_acts import Change, change_state, say_text, session_json
from bot.kf_edits import KfTry, save_choices, save_rule, try_rules
from bot.kf_work import work_on_due
from bot.sandbox.faults import Fault
from bot.sandbox.kf import OWN
from bot.sandbox.kf import KfMessage as Line
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.errors import ConflictError
from data.models import KfAccount, KfMessage, KfRuleRow, KfSession
from data.queries import kf_accounts as account_rows
from data.queries import timelines
from data.rules.kf import KfChoices, KfRule
from data.rules.problems import parse
from scheduler.kf import answer_left, catch_up
from tests.cli.conftest import write_config
from tests.conftest import Urls, killed_on
from tests.forks import Fork
from tests.scenarios import kf_worker
from tests.scenarios.conftest import Company, Start

KILLS = int(os.environ.get("SIYU_KILLS", "2"))
SEED = int(os.environ.get("SIYU_KILL_SEED", "1"))
HOSTILE = "<script>alert(1)</script> {{7*7}} \u202e" + "茶" * 1500


class Shop:
    """The first account, played by customers and servicers."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.acts = company.sandbox.machine.kf_acts
        self.account = company.world.kf.accounts()[0]
        self.id = self.account.open_kfid
        self.servicer = next(iter(self.acts.servicers(self.account)))

    def new_customer(self, name: str = "小鱼") -> str:
        return self.company.world.customers.create(name).external_userid

    async def hears(self, whom: str, text: str, **content: Any) -> list[str]:
        """The customer writes; what comes back."""
        before = len(self.own(whom))
        self.acts.write(self.id, whom, "text", {"content": text, **content})
        await self.company.settle()
        return [_words(line) for line in self.own(whom)[before:]]

    def own(self, whom: str) -> list[Line]:
        """What the customer got from the bot."""
        return [line for line in self.company.world.kf.chat(self.id, whom) if line.origin == OWN]


def _words(line: Line) -> str:
    return str(line.content.get("content") or line.content.get("head_content") or line.msgtype)


async def add(company: Company, **said: Any) -> KfRule:
    return await company.bot.db.write(save_rule, parse(KfRule, said), company.bot.clock.now())


def text(words: str) -> list[dict[str, str]]:
    return [{"msgtype": "text", "text": words}]


async def write_rules(company: Company) -> None:
    menu = {"msgtype": "msgmenu", "head": "您好，请选择", "items": [
        {"kind": "click", "words": "查快递", "id": "parcel"}, {"kind": "view", "words": "官网", "url": "https://a.cn/"},
    ]}  # fmt: skip
    await add(company, name="欢迎", on="enter", answers=[menu])
    await add(company, name="快递", conditions={"menu_ids": ["parcel"]}, answers=text("请发单号"), priority=9)
    await add(company, name="价格", conditions={"words": ["多少钱", "how much"]}, answers=text("199 元起 / from ¥199"))
    await add(company, name="坏", conditions={"words": ["(a+)+$"], "how": "pattern"}, answers=text("a"), priority=5)
    await add(
        company, name="人工", conditions={"words": ["人工", "human"]}, answers=text("马上为您转接"),
        hand_over={"notice": "正在排队，请稍候"},
    )  # fmt: skip
    await add(company, name="兜底", answers=text("没听懂，请换个说法"), again_minutes=30)


def everything(session: Session) -> tuple[list[KfSession], list[KfMessage]]:
    return (
        list(session.execute(select(KfSession)).scalars()),
        list(session.execute(select(KfMessage).order_by(col(KfMessage.id))).scalars()),
    )


@pytest.mark.first_case_on_both
async def test_a_conversation_is_greeted_answered_handed_over_and_taken_back(company: Company) -> None:
    shop, ctx = Shop(company), company.bot.context
    await kf.read_accounts(ctx)
    await write_rules(company)
    choices = KfChoices(picked_text="客服为您服务", ended_text="再见", told=frozenset({shop.servicer}))
    await company.bot.db.write(save_choices, shop.id, choices)
    whom = company.scan().follow.external_userid
    await company.settle()

    # A greeting with a menu leads on.
    shop.acts.enter(shop.id, whom, scene="poster")
    await company.settle()
    (greeting,) = shop.own(whom)
    assert (greeting.msgtype, greeting.content["head_content"]) == ("msgmenu", "您好，请选择")
    shop.acts.click(shop.id, whom, greeting.msgid, "parcel")
    await company.settle()
    assert _words(shop.own(whom)[-1]) == "请发单号"

    # Words in both languages, hostile ones, and what nobody understands, once in a while.
    assert await shop.hears(whom, "这个 多少钱？") == ["199 元起 / from ¥199"]
    assert await shop.hears(whom, "HOW MUCH is it") == ["199 元起 / from ¥199"]
    assert await shop.hears(whom, HOSTILE) == ["没听懂，请换个说法"]
    assert await shop.hears(whom, "a" * 1500 + "!") == [], "said half a minute ago"
    shop.acts.write(shop.id, whom, "image", {})
    await company.settle()
    # WeCom says it twice: nothing is answered twice.
    company.sandbox.machine.faults.add(Fault(0, "callback", "duplicate", on="kf_msg_or_event", count=1, times=2))
    assert await shop.hears(whom, "多少钱") == ["199 元起 / from ¥199"]
    shop.acts.call_back(shop.account)
    await company.settle()

    # A person is asked for: the customer is told, staff hear of it, and the bot keeps quiet.
    assert await shop.hears(whom, "转人工") == ["马上为您转接", "正在排队，请稍候"]
    session = (await company.read(everything))[0][0]
    assert (session_json(session, ctx.clock.now())["state"], session.replies) == ("queued", 1)
    assert [each.userid for each in await company.alerts() if each.kind == "kf_waiting"] == [shop.servicer]
    assert await shop.hears(whom, "多少钱") == []
    with pytest.raises(ConflictError, match="人工"):
        await say_text(ctx, session.id or 0, "你好", "测试")
    shop.acts.pick_up(shop.servicer, shop.id, whom)
    shop.acts.reply(shop.servicer, shop.id, whom, "我是李婷")
    await company.settle()
    assert _words(shop.own(whom)[-1]) == "客服为您服务"
    shop.acts.end(shop.servicer, shop.id, whom)
    await company.settle()
    assert _words(shop.own(whom)[-1]) == "再见"

    # Ended, it cannot be changed; written to again it is the bot's.
    with pytest.raises(ConflictError):
        await change_state(ctx, session.id or 0, Change(to="queue"), "测试")
    assert await shop.hears(whom, "多少钱") == ["199 元起 / from ¥199"]
    after = await change_state(ctx, session.id or 0, Change(to="person", userid=shop.servicer), "测试")
    assert (after.state, after.servicer_userid) == (3, shop.servicer)
    back = await change_state(ctx, session.id or 0, Change(to="bot"), "测试")
    assert session_json(back, ctx.clock.now())["bot_answers"]
    sent = await say_text(ctx, session.id or 0, "还有什么可以帮您？", "小王")
    assert (sent.status, _words(shop.own(whom)[-1])) == ("sent", "还有什么可以帮您？")

    # What was accepted and did not arrive, and what was taken back.
    company.sandbox.machine.world.kf.session(shop.id, whom).failing.append(10)
    assert await shop.hears(whom, "多少钱") == []
    line = shop.acts.write(shop.id, whom, "text", {"content": "发错了"})
    shop.acts.recall(shop.id, whom, line.msgid)
    shop.acts.set_receiving(shop.servicer, shop.id, receiving=False)
    await company.settle()
    _, messages = await company.read(everything)
    assert [each.reason for each in messages if each.status == "failed"] == ["客户拒收"]
    assert [each.words for each in messages if each.recalled_at] == ["发错了"]
    account = await company.read(account_rows.get_account, shop.id)
    assert {"userid": shop.servicer, "receives": False} in account.servicers

    # Five after one of theirs, as WeCom has it.
    assert await shop.hears(whom, "多少钱") == ["199 元起 / from ¥199"]
    for number in range(4):
        await say_text(ctx, session.id or 0, f"{number}", "小王")
    with pytest.raises(ConflictError, match="5 条"):
        await say_text(ctx, session.id or 0, "第六条", "小王")

    # The very function that answers explains itself.
    told = await try_rules(ctx, KfTry(open_kfid=shop.id, text="多少钱"))
    assert (told["rule_name"], told["answers"][0]["said"]) == ("价格", "199 元起 / from ¥199")

    # They are the customer whom staff know: in the timeline, active, exported, erased.
    assert session.contact_id == whom
    entries = await company.read(timelines.list_entries, whom, None, 100)
    assert {"kf"} <= {each.kind for each in entries}
    now = company.bot.clock.now()
    exported = (await export_customer(company.bot.db, company.bot.inbox.db, whom, now))["tables"]
    assert len(exported["kf_messages"]) == len(messages) + 6
    assert len(exported["kf_sessions"]) == 1
    await erase_customer(company.bot.db, company.bot.inbox.db, whom, "test", now)
    assert await company.read(everything) == ([], [])
    assert await shop.hears(whom, "多少钱") == [], "nothing is written of somebody who was erased"
    assert await company.read(everything) == ([], [])


@pytest.mark.first_case_on_both
async def test_nothing_is_lost_or_said_twice_over_restarts_lost_answers_and_lost_callbacks(
    start: Start, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = await start()
    shop = Shop(company)
    await write_rules(company)
    await kf.read_accounts(company.bot.context)
    first, second, third = (shop.new_customer(name) for name in ("甲", "乙", "丙"))
    # Stored, and not answered yet: the bot stops.
    shop.acts.write(shop.id, first, "text", {"content": "多少钱"}, tell=False)
    assert (await kf.pull(company.bot.context, shop.id)).messages == 1
    assert shop.own(first) == []
    await company.bot.__aexit__(None, None, None)
    company = await start()
    shop = Shop(company)
    ctx = company.bot.context
    await answer_left(ctx)
    assert [_words(line) for line in shop.own(first)] == ["199 元起 / from ¥199"]

    # The answer of WeCom is lost after it has sent: the same msgid goes again, and is known.
    sandbox.machine.faults.add(Fault(0, "api", "lose_answer", on="kf/send_msg", count=1))
    assert await shop.hears(second, "多少钱") == ["199 元起 / from ¥199"]

    # No callback came: the account is read all the same, without a token and past one that has expired.
    shop.acts.write(shop.id, third, "text", {"content": "多少钱"}, tell=False)
    assert await catch_up(ctx) == 0, "an event was heard lately"
    ctx.clock.advance(timedelta(minutes=6))
    assert await catch_up(ctx) == 1
    await answer_left(ctx)
    assert len(shop.own(third)) == 1
    shop.acts.write(shop.id, third, "text", {"content": "how much"}, tell=False)
    token = company.world.kf.issue_token(shop.id, company.world.clock.timestamp())
    ctx.clock.advance(timedelta(minutes=11))
    assert (await kf.pull(ctx, shop.id, token)).messages == 1
    await answer_left(ctx)
    assert len(shop.own(third)) == 2

    # One that cannot be handled does not stop the others, nor does a rule that nobody can read.
    await company.bot.db.write(break_a_rule)
    for whom in (first, second):
        shop.acts.write(shop.id, whom, "text", {"content": "多少钱"}, tell=False)
    await kf.pull(ctx, shop.id)
    await company.bot.db.write(break_a_message)
    await answer_left(ctx)
    assert (len(shop.own(first)), len(shop.own(second))) == (1, 2)
    assert await shop.hears(first, "多少钱") == ["199 元起 / from ¥199"]

    # A model that takes its time: what is decided by then goes out, and the rest after it, all in its order.
    monkeypatch.setattr(kf_deciding, "DECIDING_SECONDS", -1.0)
    said = len(shop.own(first))
    for words in ("多少钱", "how much", "多少钱呢"):
        shop.acts.write(shop.id, first, "text", {"content": words}, tell=False)
    await kf.pull(ctx, shop.id)
    await answer_left(ctx)
    assert len(shop.own(first)) == said + 3

    # However many events come at once, they are two readings: the first one's, and one for all that came meanwhile.
    shop.acts.write(shop.id, second, "text", {"content": "how much"}, tell=False)
    before = readings(sandbox)
    found = await asyncio.gather(*(kf.pull(ctx, shop.id) for _ in range(20)))
    assert (sum(each.messages for each in found), readings(sandbox) - before) == (1, 2)
    await answer_left(ctx)
    # A cursor that WeCom does not know any more: it is read from the beginning, and nothing is stored or said again.
    await company.bot.db.write(lose_the_cursor)
    shop.acts.write(shop.id, third, "text", {"content": "多少钱"}, tell=False)
    said = len(shop.own(third))
    assert (await kf.pull(ctx, shop.id)).messages == 1
    await answer_left(ctx)
    assert len(shop.own(third)) == said + 1

    # An old message is left to people, and one to two readers at once is stored once.
    fourth = shop.new_customer("戊")
    shop.acts.write(shop.id, fourth, "text", {"content": "多少钱"}, tell=False)
    ctx.clock.advance(timedelta(hours=2))
    await asyncio.gather(*(kf.pull(ctx, shop.id) for _ in range(3)))
    await answer_left(ctx)
    assert shop.own(fourth) == []
    _, messages = await company.read(everything)
    assert max(Counter((each.external_userid, each.msgid) for each in messages).values()) == 1
    assert [each.reason for each in messages if each.external_userid == fourth] == ["发来已超过 60 分钟，不再自动回复"]


def readings(sandbox: Sandbox) -> int:
    """How often messages were asked for."""
    return sum(count for (path, _), count in sandbox.machine.calls.counts.items() if path == "kf/sync_msg")


def lose_the_cursor(session: Session) -> None:
    session.execute(select(KfAccount)).scalar_one().cursor = "of another time"


def break_a_rule(session: Session) -> None:
    row = session.execute(select(KfRuleRow).where(col(KfRuleRow.name) == "坏")).scalar_one()
    row.definition = {**row.definition, "answers": [{"msgtype": "nothing"}]}


def break_a_message(session: Session) -> None:
    """The first that is open has a content that none can have."""
    row = session.execute(
        select(KfMessage).where(col(KfMessage.status) == "open").order_by(col(KfMessage.id)).limit(1)
    ).scalar_one()
    row.content = [1]


@killed_on("postgresql")
@pytest.mark.slow
async def test_killed_between_reading_and_answering_every_message_is_answered_once(urls: Urls, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    async with Sandbox(World(clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
        )  # fmt: skip
        db = open_database(urls.main, pool_size=2)
        rule = parse(KfRule, {"name": "兜底", "answers": text("收到")})
        await db.write(save_rule, rule, sandbox.world.clock.now())
        acts, account = sandbox.machine.kf_acts, sandbox.world.kf.accounts()[0]
        people = [sandbox.world.customers.create("").external_userid for _ in range(60)]
        for whom in people:
            acts.write(account.open_kfid, whom, "text", {"content": "你好"}, tell=False)
        sandbox.machine.faults.add(Fault(0, "api", "latency", on="kf/send_msg", seconds=0.05))
        sandbox.machine.faults.add(Fault(0, "api", "lose_answer", on="kf/send_msg", probability=0.05))
        killed = 0
        for _ in range(KILLS):
            stop_at = sandbox.machine.calls.seq + rng.randrange(3, 30)
            process = await Fork.start(kf_worker.main, config, account.open_kfid)
            ended = asyncio.create_task(process.wait())
            while sandbox.machine.calls.seq < stop_at and not ended.done():
                await asyncio.sleep(0.005)
            process.kill()
            killed += await ended != 0
            await db.write(let_claims_run_out)
        assert killed, "it was always done before it was killed"
        sandbox.machine.faults.clear()
        process = await Fork.start(kf_worker.main, config, account.open_kfid)
        assert await process.wait() == 0
        got = Counter(line.external_userid for line in sandbox.world.kf.stream(account.open_kfid) if line.origin == OWN)
        assert got == dict.fromkeys(people, 1)
        _, messages = await db.read(everything)
        assert Counter(each.status for each in messages) == {"done": 60, "sent": 60}
        await db.close()


def let_claims_run_out(session: Session) -> None:
    """As their half minute would."""
    for row in session.execute(select(KfSession)).scalars():
        row.claim, row.claimed_until = "", None


async def test_nothing_is_sent_in_observe_mode(start: Start) -> None:
    company = await start("observe")
    shop = Shop(company)
    await write_rules(company)
    await kf.read_accounts(company.bot.context)
    assert await shop.hears(shop.new_customer(), "多少钱") == []
    _, messages = await company.read(everything)
    assert [each.status for each in messages] == ["done", "observed"]
    assert await work_on_due(company.bot.context) == 0
