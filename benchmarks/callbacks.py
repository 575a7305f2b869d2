"""Durable callbacks beside a handler that only reads the body, and beside wechatpy in Flask without storage."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.load import LOADER, Load, enter_agent, run, write_requests
from benchmarks.processes import Identity, Server, bot, free_port, process, python, wait_for
from benchmarks.results import Result, at_most, beside

RUNS = 5
SECONDS = 3.0
#: No event may be sent twice: this many are made ready for each run.
EVENTS_PER_RUN = 40_000


def durable(folder: Path) -> list[Result]:
    """Goal: 0.4 of the bare handler, p99 under 50 ms at 32 connections."""
    with bot(folder) as ours, bare(folder) as plain, bare(folder, "uvloop") as same_loop:
        mine, *theirs = interleaved(folder, ours, plain, same_loop)
    per_second = median(load.per_second for load in mine)
    plain_rate, same_rate = (median(load.per_second for load in loads) for loads in theirs)
    return [
        beside(f"callback: durable, SQLite, beside bare aiohttp ({LOADER})", per_second, plain_rate, "events/s", 0.4),
        beside("callback: the same beside bare aiohttp on uvloop", per_second, same_rate, "events/s", None),
        at_most("callback: p99 at 32 connections, SQLite", median(load.p99_ms for load in mine), "ms", 50),
    ]


def flask(folder: Path) -> list[Result]:
    """Goal: twice wechatpy + Flask under gunicorn with two workers."""
    with bot(folder) as ours, wechatpy_flask(folder) as peer:
        mine, theirs = interleaved(folder, ours, peer)
    return [
        beside(
            "callback: durable, SQLite, beside wechatpy + Flask, 2 workers",
            median(load.per_second for load in mine), median(load.per_second for load in theirs), "events/s", 2.0,
        )
    ]  # fmt: skip


def interleaved(folder: Path, *servers: Server) -> list[list[Load]]:
    """Loads of the servers in turn, ours first. Raises RuntimeError when one did not answer or the events ran out."""
    requests, identity = folder / "requests.txt", Identity()
    loads: list[list[Load]] = [[] for _ in servers]
    for number in range(RUNS + 1):
        first = number * EVENTS_PER_RUN
        events = (enter_agent(identity, first + each) for each in range(EVENTS_PER_RUN))
        write_requests(requests, identity, events)
        now = [run(f"{server.url}/callback", requests, SECONDS) for server in servers]
        if any(load.other for load in now) or now[0].requests > EVENTS_PER_RUN:
            raise RuntimeError(f"the load was not answered as it should be: {now}")
        if number:  # the first run warms up
            for kept, load in zip(loads, now, strict=True):
                kept.append(load)
    return loads


@contextlib.contextmanager
def bare(folder: Path, loop: str = "asyncio") -> Iterator[Server]:
    """The handler that only reads the body."""
    port, log = free_port(), folder / f"bare-{loop}.log"
    with process(python("benchmarks.bare", port, loop), log) as child:
        wait_for(f"http://127.0.0.1:{port}/readyz", child, log)
        yield Server(f"http://127.0.0.1:{port}", child.pid, folder)


@contextlib.contextmanager
def wechatpy_flask(folder: Path) -> Iterator[Server]:
    """wechatpy's documented callback in Flask, under gunicorn with two workers."""
    port, log, identity = free_port(), folder / "flask.log", Identity()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--workers",
        "2",
        "--bind",
        f"127.0.0.1:{port}",
        "benchmarks.flask_app:app",
    ]
    environment = {"BENCH_TOKEN": identity.token, "BENCH_KEY": identity.key, "BENCH_CORPID": identity.corpid}
    with process(command, log, **environment) as child:
        wait_for(f"http://127.0.0.1:{port}/readyz", child, log)
        yield Server(f"http://127.0.0.1:{port}", child.pid, folder)
