"""Conversations with the staff assistant over real callbacks: in both languages, twice told, a restart between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import answering
from bot.delivery import MERGED_ABOVE, add_words, send_due_alerts
from bot.menus import create_menu, read_menu, same_menu, wanted_menu
from bot.sandbox.faults import Fault
from data.models import Account, Alert, Customer, Follow, FollowStatus, Note, Role, ScriptUse
from data.queries import audit
from data.queries import scripts as script_rows
from data.queries.accounts import account_of_member
from data.rules.messages import MessageContent
from data.rules.scripts import Script
from scheduler.digests import send_digests
from tests.facts import settle
from tests.scenarios.campaign_ledger import ready
from tests.scenarios.conftest import Company, Start
from tests.scenarios.test_once_and_told import handle_all_again

HOSTILE = "重名{{7*7}}<a href='x'>\u202e]]>🙂"
SEND = "message/send"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, an answer comes in the response; WeCom would wait five seconds."""
    monkeypatch.setattr(answering, "WAIT_SECONDS", 4.0)
    monkeypatch.setattr(answering, "ANSWER_SECONDS", 4.5)


def chat(company: Company, userid: str) -> list[Any]:
    """What the app has said to a member."""
    found = company.world.chats.of_app(company.world.app.agentid, userid)
    return [each for each in found if not each.incoming]


async def ask(company: Company, userid: str, text: str) -> str:
    """A member writes to the app; what is answered at once, in the response to the callback."""
    before = len(chat(company, userid))
    company.sandbox.machine.staff_acts.write(userid, text)
    await company.settle()
    (answer,) = chat(company, userid)[before:]
    assert answer.msgid == "", f"{text!r} was answered by app message"
    return str(answer.content["content"])


async def tap(company: Company, userid: str, key: str) -> str:
    """A member taps an entry of the menu."""
    before = len(chat(company, userid))
    company.sandbox.machine.staff_acts.event(userid, "click", key)
    await company.settle()
    (answer,) = chat(company, userid)[before:]
    return str(answer.content["content"])


def prepare(session: Session, member: str, now: Any) -> list[str]:
    """Three customers of a member have the same name, and another is called as nobody else is; their ids."""
    mine = list(
        session.exec(
            select(Follow)
            .where(col(Follow.userid) == member, col(Follow.status) == FollowStatus.PRESENT.value)
            .where(col(Follow.shared).is_(False))
            .order_by(col(Follow.id))
            .limit(4)
        )
    )
    for number, follow in enumerate(mine):
        customer = session.get(Customer, follow.external_userid)
        assert customer is not None
        customer.name, follow.remark = (HOSTILE, f"甲{number}") if number < 3 else ("独一无二Bob", "")
        follow.added_at = now - timedelta(days=1) if number == 3 else follow.added_at
    settle(session)
    script = Script(title="嫌贵", category="异议", content=MessageContent(text="{{ customer_name }}，一分价钱一分货"))
    script_rows.save_script(session, script, now)
    script_rows.save_script(session, Script(title="发货", category="物流", content=MessageContent(text="48 小时")), now)
    script_rows.save_script(session, Script(title="价格表", content=MessageContent(text="价格见附件")), now)
    return [follow.external_userid for follow in mine]


async def test_a_day_with_the_assistant(start: Start) -> None:
    company = await start()
    await ready(company)
    member, other = company.followers[0], company.followers[1]
    ids = await company.bot.db.write(prepare, member, company.bot.clock.now())
    sends = company.calls(SEND)

    # Found by name: one at once, of several a number chooses; nobody else's.
    assert "独一无二Bob" in await ask(company, member, "找 独一无二")
    listed = await ask(company, member, "找：重名。")
    assert [line[:4] for line in listed.splitlines() if line[:2] in ("1.", "2.", "3.")] == ["1. 甲", "2. 甲", "3. 甲"]
    shown = await ask(company, member, "第２个")
    assert HOSTILE.replace("<", "＜").replace("\u202e", "") in shown.replace("\u202e", "")
    assert "49" not in shown
    assert "没有找到" in await ask(company, other, "找 独一无二")
    assert "1 到 3" in await ask(company, member, "9")
    await company.bot.db.write(make_manager, other, company.bot.clock.now())
    assert "独一无二Bob" in await ask(company, other, "find 独一无二bob")

    # What is done about the customer who was shown.
    chosen = listed.splitlines()[2].split("（")[0].removeprefix("2. ")
    whose = ids[int(chosen[-1])]
    tag = next(iter(company.world.tags))
    assert tag.name in await ask(company, member, f"标签 {tag.name}")
    follow = company.world.customers.find_follow(member, whose)
    assert follow is not None
    assert tag.id in follow.tag_ids
    assert "没有「没有这个标签」" in await ask(company, member, "+没有这个标签")
    assert "去掉" in await ask(company, member, f"去标签{tag.name}")
    assert "已记下" in await ask(company, member, "记：喜欢绿茶\n<b>{{ config }}</b>")
    assert "提醒您联系" in await ask(company, member, "下次 明天")
    assert "例如" in await ask(company, member, "下次 昨天")
    assert "喜欢绿茶" in await ask(company, member, "2")

    # Of a category; in traditional characters.
    listed = await ask(company, member, "話 術")
    assert ("异议、物流" in listed, "价格表" in listed, "customer_name" in listed) == (True, True, False)
    logistics = await ask(company, member, "话术 物流")
    assert ("发货" in logistics, "嫌贵" in logistics) == (True, False)

    # Scripts: ready text with the customer's name; counted once, however often it is delivered.
    assert "嫌贵" in await ask(company, member, "话术 价钱")
    company.sandbox.machine.faults.add(Fault(0, "callback", "duplicate", count=1))
    company.sandbox.machine.staff_acts.write(member, "1")
    await company.settle()
    first, again = (each.content["content"] for each in chat(company, member)[-2:])
    assert first == again
    assert first.endswith("，一分价钱一分货")
    assert "＜a" in first
    assert "已收藏" in await ask(company, member, "收藏 1")
    assert "★" in await ask(company, member, "收藏")

    # The day after: what is due, and done; a restart between forgets nothing.
    company.bot.clock.advance(timedelta(days=1))
    day = await ask(company, member, "今天")
    assert f"1. {chosen}" in day
    assert "还没有备注：" in day
    await company.bot.__aexit__(None, None, None)
    company = await start()
    assert chosen in await ask(company, member, "完成1")
    assert f"1. {chosen}" not in await ask(company, member, "今日")
    assert "本周" in await ask(company, member, "我的数据")
    assert "没有您能" not in await ask(company, other, "团队")
    assert "没有可以查看的团队" in await ask(company, member, "团队")

    # In English, by the member's own choice; hostile and unknown words.
    assert "English" in await ask(company, member, "english")
    assert "[Today]" in await ask(company, member, "TODAY")
    assert "Several were found" in await ask(company, member, "find 重名")
    assert "Noted" not in await ask(company, member, "note likes tea")
    assert "Member" not in await ask(company, member, "1")
    assert "Noted for" in await ask(company, member, "note likes tea")
    assert "[Today]" in await ask(company, member, "today")
    assert "You will be reminded" in await ask(company, member, "next in 3 days")
    assert 'is now "Alice"' in await ask(company, member, "remark Alice")
    assert "Alice" in [_remark(company, member, each) for each in ids]
    assert "Not saved" in await ask(company, member, f"remark {'x' * 21}")
    assert "You can write" in await ask(company, member, "Help")
    for text in ("{{ 7*7 }}", "'; DROP TABLE follows; --", "<a href=x>待办</a>", "暂停" * 900):
        assert "did not understand" in await ask(company, member, text)

    # The menu is answered like the words, in the app's own chat.
    await create_menu(company.bot.context)
    assert same_menu(await read_menu(company.bot.context), wanted_menu("zh"))
    assert "[Today]" in await tap(company, member, "siyu.today")
    assert "No group-send" in await tap(company, member, "siyu.tasks")
    assert '"someone.else"' in await tap(company, member, "someone.else")

    # The morning digest at the member's own time, once.
    assert "07:30" in await ask(company, member, "digest 7:30")
    wrong = await ask(company, member, "早报 25:99")
    assert ('"25:99" is no time of day' in wrong, "07:30" in wrong) == (True, True), wrong
    await tell_in_the_morning(company, member)

    count = await company.read(lambda session: len(session.exec(select(Alert)).all()))
    await check_written_down(company, member, whose)
    await handle_all_again(company)
    facts = await company.read(facts_of)
    assert facts == (count, 2, 1), "handled again, nothing is done or said twice"
    await check_written_down(company, member, whose)
    assert company.calls(SEND) - sends == 1, "all but the digest went in the responses to callbacks"

    await company.bot.db.write(disable, member, company.bot.clock.now())
    assert "account is closed" in await ask(company, member, "find 重名")
    assert "account is closed" in await ask(company, member, "待办")


async def check_written_down(company: Company, member: str, whose: str) -> None:
    """Whatever the member changed is in the audit log, once: who, what, before and after."""
    found = await company.read(lambda session: audit.list_entries(session, limit=100))
    entries = [each for each in reversed(found) if each.address == "app"]
    assert all(member in each.who or each.account_id for each in entries)
    tags = [each for each in entries if each.action == "customers.tags"]
    assert [each.external_userid for each in tags] == [whose] * len(tags)
    assert tags[-1].before is not None
    assert len(tags[-1].before["tags"]) == len(tags[-1].after["tags"]) + 1
    kept = [each for each in entries if each not in tags]
    assert [each.action for each in kept] == [
        "customers.note", "customers.next_contact", "scripts.favourite", "customers.contacted", "staff.choose",
        "customers.note", "customers.next_contact", "customers.remark", "staff.choose",
    ]  # fmt: skip
    assert (kept[0].external_userid, kept[0].after["words"]) == (whose, "喜欢绿茶\n<b>{{ config }}</b>")
    planned = kept[1].after["on"]
    assert (kept[1].before, kept[1].after) == ({"on": None}, {"userid": member, "on": planned})
    assert (kept[3].before, kept[3].after) == ({"on": planned}, {"userid": member, "on": None})
    assert (kept[4].before, kept[4].after) == ({"language": ""}, {"language": "en"})
    assert (kept[7].before["remark"][:1], kept[7].after["remark"]) == ("甲", "Alice")
    assert (kept[8].before, kept[8].after) == ({"digest_at": None}, {"digest_at": "07:30"})


def disable(session: Session, userid: str, now: Any) -> None:
    account = account_of_member(session, userid, now)
    assert account is not None
    account.disabled_at = now


def _remark(company: Company, member: str, whose: str) -> str:
    follow = company.world.customers.find_follow(member, whose)
    return "" if follow is None else follow.remark


def make_manager(session: Session, userid: str, now: Any) -> None:
    account = account_of_member(session, userid, now)
    assert account is not None
    account.role, account.department_ids = Role.MANAGER, [1]


def facts_of(session: Session) -> tuple[int, int, int]:
    """Messages to staff, notes, and how often scripts were used."""
    uses = sum(each.uses for each in session.exec(select(ScriptUse)))
    return len(session.exec(select(Alert)).all()), len(session.exec(select(Note)).all()), uses


async def tell_in_the_morning(company: Company, member: str) -> None:
    ctx, clock = company.bot.context, company.bot.clock
    local = clock.now().astimezone(ctx.settings.zone)
    at = local.replace(hour=7, minute=31, second=0) + timedelta(days=(7 - local.weekday()) % 7 or 7)
    clock.advance(at - local)
    before = len(chat(company, member))
    assert await send_digests(ctx) == 1
    assert await send_digests(ctx) == 0
    assert await send_due_alerts(ctx) == 1
    (told,) = chat(company, member)[before:]
    assert "[Morning]" in told.content["content"]


async def test_a_flood_becomes_one_message_and_a_busy_bot_answers_later(company: Company) -> None:
    member, ctx = company.followers[0], company.bot.context

    def flood(session: Session) -> None:
        for number in range(40):
            add_words(session, ctx, "customer_lost", member, f"客户 {number} 流失", dedupe_key=f"t:{number}")

    await ctx.db.write(flood)
    sent = 0
    while (now := await send_due_alerts(ctx)) > 0:
        sent += now
    told = "".join(each.content["content"] for each in chat(company, member))
    assert all(f"客户 {number} 流失" in told for number in range(40))
    assert sent <= MERGED_ABOVE

    # Nobody handles the event in time: the request is answered by nothing, and an app message follows.
    async with company.nobody_works():
        company.sandbox.machine.staff_acts.write(member, "帮助")
        await company.sandbox.machine.callbacks.idle()
        before = len(chat(company, member))
    await company.settle()
    assert await send_due_alerts(ctx) == 1
    (answer,) = chat(company, member)[before:]
    assert "可以发送" in answer.content["content"]
    assert answer.msgid
    account: Account | None = await company.read(
        lambda session: session.exec(select(Account).where(col(Account.userid) == member)).one_or_none()
    )
    assert account is None, "who only asks has no account of the console"
