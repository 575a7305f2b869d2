"""Customer service: messages that come at 200 a second, each answered by a rule, while the bot is killed and stopped.

WeCom lets an app call one API 10,000 times a minute, so what comes faster than 166 a second for minutes has to wait.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import Server, bot, siyu
from benchmarks.results import Result, at_least, at_most
from benchmarks.sync import postgres
from benchmarks.welcome import identity_of, sandbox

WAITING = int(os.environ.get("SIYU_BENCH_KF", "4000"))
PER_SECOND = 200
SECONDS = 12
GROUP = 50
LIMIT_SECONDS = 240.0


def kf_sqlite(folder: Path) -> list[Result]:
    """Goals: 200 a second drained; none lost and none answered twice over a kill and a stop."""
    return _kf(folder, lambda: "", "SQLite")


def kf_postgres(folder: Path) -> list[Result]:
    """The same on PostgreSQL."""
    with postgres() as url:
        return _kf(folder, lambda: url, "PostgreSQL")


def _kf(folder: Path, database: Callable[[], str], name: str) -> list[Result]:
    with sandbox(folder, 8, 50) as wecom:
        account = wecom.call("/sandbox/kf/accounts")["accounts"][0]["open_kfid"]
        known: dict[str, Any] = {"identity": identity_of(wecom), "api": f"{wecom.url}/cgi-bin/", "database": database()}
        with bot(folder, **known):  # its tables are made
            rule = siyu("kf", "rules", "add", "--name", "bench", "--text", "收到", "--config", folder / "config.toml")
            subprocess.run(rule, check=True, capture_output=True, timeout=60)
        answers = Answers(wecom, account)
        _burst(wecom, account, WAITING, one_callback=True)
        with bot(folder, **known) as ours:
            wecom.call("/sandbox/apps", callback_url=f"{ours.url}/callback")
            began = answers.wait_for(1)
            _burst(wecom, account, 1, one_callback=True)
            drained = WAITING / (answers.wait_for(WAITING + 1) - began)
        left, seconds = _over_restarts(folder, wecom, answers, known)
    return [
        at_least(f"kf: {WAITING:,} waiting messages answered, {name}", drained, "messages/s", PER_SECOND),
        at_most(f"kf: lost or answered twice, {PER_SECOND}/s over a kill and a stop, {name}", left, "messages", 1),
        Result(f"kf: the last of them answered after the last came, {name}", seconds, "s"),
    ]


def _over_restarts(folder: Path, wecom: Server, answers: Answers, known: dict[str, Any]) -> tuple[float, float]:
    """Messages come while the bot is killed once and stopped once; how many were lost or answered twice, and how long
    after the last of them all were answered."""
    already = answers.count()
    sent: list[str] = []
    for part, end in enumerate((signal.SIGKILL, signal.SIGTERM, None)):
        with bot(folder, **known) as ours:
            wecom.call("/sandbox/apps", callback_url=f"{ours.url}/callback")
            for _ in range(SECONDS // 3 * PER_SECOND // GROUP):
                started = time.monotonic()
                sent += _burst(wecom, answers.account, GROUP, one_callback=False)
                time.sleep(max(0.0, GROUP / PER_SECOND - (time.monotonic() - started)))
            if end is not None:
                os.kill(ours.pid, end)
                continue
            last = time.monotonic()
            seconds = answers.wait_for(already + len(sent)) - last
            time.sleep(2)
        assert part == 2
    answers.count()
    return float(sum(abs(answers.of[whom] - 1) for whom in sent)), seconds


def _burst(wecom: Server, account: str, number: int, *, one_callback: bool) -> list[str]:
    told = wecom.call(
        "/sandbox/kf/burst", open_kfid=account, messages=number, customers=number, one_callback=one_callback
    )
    return list(told["external_userids"])


class Answers:
    """What has reached the customers of an account so far."""

    def __init__(self, wecom: Server, account: str) -> None:
        self.wecom, self.account, self.of = wecom, account, Counter[str]()
        self._since = 0

    def count(self) -> int:
        """Read what is new."""
        address = f"/sandbox/kf/messages?open_kfid={self.account}&limit=100000&since={self._since}"
        for line in self.wecom.call(address)["messages"]:
            self._since = line["seq"]
            if line["origin"] == 0:
                self.of[line["external_userid"]] += 1
        return self.of.total()

    def wait_for(self, number: int) -> float:
        """When so many have come."""
        began = time.monotonic()
        while (count := self.count()) < number:
            if time.monotonic() - began > LIMIT_SECONDS:
                raise RuntimeError(f"{count} of {number} were answered")
            time.sleep(0.1)
        return time.monotonic()
