"""The staff assistant at a million customers: from a member's message to the answer in the response to the callback.

One member asks after the other. What they ask about is the made-up company of `benchmarks/million.py`, with Chinese
names, and a thousand scripts.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlmodel import Session

from benchmarks.million import copy_ready
from benchmarks.pages import DEPARTMENT, RARE_NAME, _named
from benchmarks.processes import Identity, Server, bot
from benchmarks.results import Result, at_most
from benchmarks.segments import fill
from benchmarks.welcome import percentile
from bot.wecom.crypto import CallbackCrypto
from data.db import open_database
from data.models import Account, Role
from data.queries.scripts import save_script
from data.queries.staff import map_departments
from data.rules.messages import MessageContent
from data.rules.scripts import Script

ROUNDS = 30
ANSWER_MS, PASSIVE_MS = 300.0, 1000.0
SCRIPTS = 1_000
WORDS = ("价格", "优惠", "发货", "退款", "新品", "会员", "预约", "门店", "口味", "保存")


class Question(NamedTuple):
    """What is asked, in words, by whom: several texts are sent one after the other, and all are measured."""

    words: str
    userids: Sequence[str]
    texts: Sequence[str]


def assistant_sqlite(folder: Path) -> list[Result]:
    """Goals: p95 of 300 ms for each kind of question, and no answer that takes a second."""
    url = f"sqlite:///{folder}/siyu.db"
    ready = os.environ.get("SIYU_BENCH_PAGES")
    if ready:
        copy_ready(ready, folder / "siyu.db")
    else:
        fill(url, _named(), now=datetime.now(UTC))
    members, manager = asyncio.run(_prepare(url))
    results: list[Result] = []
    slowest = 0.0
    with bot(folder, database=url) as ours, _wecom(ours) as ask:
        for question in _questions(members, manager):
            times = []
            for number in range(ROUNDS + 2):
                for text in question.texts:
                    seconds = ask(question.userids[number % len(question.userids)], text)
                    times += [seconds] if number > 1 else []
            slowest = max(slowest, *times)
            words = f"assistant: {question.words}, p95, SQLite"
            results.append(at_most(words, percentile(times, 95) * 1000, "ms", ANSWER_MS))
    results.append(at_most("assistant: the slowest of all, SQLite", slowest * 1000, "ms", PASSIVE_MS))
    return results


def _questions(members: Sequence[str], manager: str) -> Iterator[Question]:
    yield Question("a customer by a common name", members, ["找 王", "1"])
    yield Question("nobody's name", members, ["find Zebedee"])
    yield Question("the end of a mobile", members, ["找 0000"])
    yield Question("a rare name, a manager's departments", [manager], [f"找 {RARE_NAME}"])
    yield Question("the day", members, ["今天"])
    yield Question("scripts", members, ["话术 价格 优惠", "1"])
    yield Question("my week", members, ["数据"])
    yield Question("the team's week", [manager], ["团队"])
    yield Question("help", members, ["help"])


async def _prepare(url: str) -> tuple[list[str], str]:
    """Scripts and a manager of one of 50 departments, written before the bot begins; some members, and that one."""
    db = open_database(url)
    try:
        return await db.write(_write)
    finally:
        await db.close()


def _write(session: Session) -> tuple[list[str], str]:
    now = datetime.now(UTC)
    for number in range(SCRIPTS):
        first, then = WORDS[number % 10], WORDS[number // 10 % 10]
        text = f"您好 {{{{ customer_name }}}}，关于{first}和{then}，第 {number} 条回答。"
        script = Script(title=f"{first}{then}{number}", category=first, content=MessageContent(text=text))
        save_script(session, script, now)
    within = map_departments(session)
    mine = sorted(userid for userid, departments in within.items() if DEPARTMENT in departments)
    manager = mine[0]
    session.add(Account(userid=manager, name="经理", role=Role.MANAGER, made_at=now, department_ids=[DEPARTMENT]))
    return sorted(within)[: ROUNDS + 2], manager


class _Asking:
    """Posts messages as WeCom does, over one connection, and takes the answers out of the responses."""

    def __init__(self, connection: http.client.HTTPConnection, identity: Identity) -> None:
        self._connection, self._identity = connection, identity
        self._crypto = CallbackCrypto(identity.token, identity.key, identity.corpid)
        self._number = 0

    def __call__(self, userid: str, text: str) -> float:
        """How many seconds a text took until its answer was there. Raises RuntimeError where there was none."""
        self._number += 1
        at, who = int(time.time()), self._identity
        plain = (
            f"<xml><ToUserName><![CDATA[{who.corpid}]]></ToUserName><FromUserName><![CDATA[{userid}]]></FromUserName>"
            f"<CreateTime>{at}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{text}]]></Content>"
            f"<MsgId>{10**15 + self._number}</MsgId><AgentID>{who.agentid}</AgentID></xml>"
        )
        encrypted, nonce = self._crypto.encrypt(plain), str(10**9 + self._number)
        signature = self._crypto.sign(str(at), nonce, encrypted)
        body = (
            f"<xml><ToUserName><![CDATA[{who.corpid}]]></ToUserName><AgentID><![CDATA[{who.agentid}]]></AgentID>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        )
        path = f"/callback?msg_signature={signature}&timestamp={at}&nonce={nonce}"
        began = time.perf_counter()
        self._connection.request("POST", path, body.encode(), {"Content-Type": "text/xml"})
        answer = self._connection.getresponse()
        content = answer.read()
        taken = time.perf_counter() - began
        if answer.status != 200 or b"<Encrypt>" not in content:
            raise RuntimeError(f"{text!r} of {userid} was answered with {answer.status} {content[:80]!r}")
        return taken


@contextmanager
def _wecom(server: Server) -> Iterator[_Asking]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    try:
        yield _Asking(connection, Identity())
    finally:
        connection.close()
