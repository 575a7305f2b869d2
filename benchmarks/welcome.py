"""From an event's arrival at the bot to its welcome's arrival at WeCom: idle, right behind another, beside edits.

Both ends are measured at the local WeCom, a process of its own: when it began to post the event, and when the call of
send_welcome_msg came in.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.load import edit_external_contact, write_requests
from benchmarks.processes import Identity, Server, bot, free_port, process, python, siyu, wait_for
from benchmarks.results import Result, at_most

WELCOMES = 60
STORM_WELCOMES = 40
EDITS_PER_SECOND = 500
STORM_SECONDS = 24.0
#: What remains of an add after its greeting (records, tags) takes less: then the bot is idle.
REST_SECONDS = 0.3
STAFF, CUSTOMERS = 8, 300
SEND = "externalcontact/send_welcome_msg"


def welcome(folder: Path) -> list[Result]:
    """Goals: p50 under 25 ms idle, p99 under 1 s while 500 edits a second stream in."""
    with sandbox(folder, STAFF, CUSTOMERS) as wecom:
        identity = identity_of(wecom)
        with bot(folder, identity=identity, api=f"{wecom.url}/cgi-bin/") as ours:
            rule = siyu("welcome", "add", "--name", "bench", "--text", "您好", "--config", folder / "config.toml")
            subprocess.run(rule, check=True, capture_output=True, timeout=60)
            wecom.call("/sandbox/apps", callback_url=f"{ours.url}/callback")
            seconds(wecom, 5)  # the first ones fill caches and open connections
            idle = seconds(wecom, WELCOMES, rest_seconds=REST_SECONDS)
            close = seconds(wecom, WELCOMES)
            with storm(folder, identity, wecom, ours) as loader:
                busy = seconds(wecom, STORM_WELCOMES, loader)
                said = loader.communicate(timeout=60)[0].decode()
    if '"other": 0' not in said:
        raise RuntimeError(f"the edits were not all acknowledged: {said}")
    return [
        at_most("welcome: event to send_welcome_msg, idle, p50", percentile(idle, 50) * 1000, "ms", 25),
        Result("welcome: event to send_welcome_msg, idle, p99", percentile(idle, 99) * 1000, "ms"),
        Result("welcome: adds one right behind the other, p50", percentile(close, 50) * 1000, "ms"),
        Result("welcome: beside 500 edits/s, p50", percentile(busy, 50) * 1000, "ms"),
        at_most("welcome: beside 500 edits/s, p99", percentile(busy, 99) * 1000, "ms", 1000),
    ]


@contextlib.contextmanager
def sandbox(folder: Path, staff: int, customers: int) -> Iterator[Server]:
    """`siyu sandbox` with a sample company that forgets."""
    port, log = free_port(), folder / "sandbox.log"
    with process(siyu("sandbox", "--port", port, "--staff", staff, "--customers", customers), log) as child:
        server = Server(f"http://127.0.0.1:{port}", child.pid, folder)
        wait_for(f"{server.url}/sandbox/world", child, log)
        yield server


def identity_of(wecom: Server) -> Identity:
    """The sample company's own secrets."""
    found = wecom.call("/sandbox/apps")
    app: dict[str, Any] = found["apps"][0]
    return Identity(found["corpid"], app["callback_token"], app["encoding_aes_key"], app["agentid"], app["secret"])


@contextlib.contextmanager
def storm(folder: Path, identity: Identity, wecom: Server, ours: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Edits of the company's customers, straight to the bot, from a process of its own."""
    staff = [member["userid"] for member in wecom.call("/sandbox/staff")["staff"]]
    pairs = [
        (userid, each["follow"]["external_userid"])
        for userid in staff
        for each in wecom.call(f"/sandbox/staff/{userid}/customers?limit=1000")["customers"]
    ]
    number = int(EDITS_PER_SECOND * STORM_SECONDS)
    events = (edit_external_contact(identity, *pairs[each % len(pairs)], each) for each in range(number))
    write_requests(folder / "edits.txt", identity, events)
    command = python(
        "benchmarks.loader", f"{ours.url}/callback", folder / "edits.txt", 0, STORM_SECONDS, 32, EDITS_PER_SECOND
    )
    loader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        time.sleep(2)
        yield loader
    finally:
        loader.kill()
        loader.wait()


def seconds(
    wecom: Server, number: int, loader: subprocess.Popen[bytes] | None = None, *, rest_seconds: float = 0.0
) -> list[float]:
    """Add customers one after the other; for each, from the event's posting to the arrival of its welcome."""
    userid = _follower(wecom)
    found: list[float] = []
    deliveries = wecom.call("/sandbox/callbacks?limit=20000")["deliveries"]
    delivered = deliveries[-1]["seq"] if deliveries else 0
    for _ in range(number):
        if loader is not None and loader.poll() is not None:
            break
        time.sleep(rest_seconds)
        before = wecom.call("/sandbox/calls?limit=1")["last"]
        wecom.call("/sandbox/add", userid=userid, by_staff=False)
        call = _wait_for_call(wecom, before)
        wecom.call("/sandbox/callbacks/wait", timeout_seconds=20)
        delivery = wecom.call(f"/sandbox/callbacks?since={delivered}")["deliveries"][0]
        delivered, attempt = delivery["seq"], delivery["attempts"][0]
        found.append((call["at"] - call["seconds"]) - (attempt["at"] - attempt["seconds"]))
    if len(found) < number // 2:
        raise RuntimeError(f"the edits ended after {len(found)} of {number} welcomes: {found}")
    return found


def _follower(wecom: Server) -> str:
    """A member who has customers."""
    for member in wecom.call("/sandbox/staff")["staff"]:
        if wecom.call(f"/sandbox/staff/{member['userid']}/customers?limit=1")["customers"]:
            return str(member["userid"])
    raise RuntimeError("nobody in the sample company has customers")


def _wait_for_call(wecom: Server, since: int) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        calls: list[dict[str, Any]] = wecom.call(f"/sandbox/calls?since={since}&path={SEND}")["calls"]
        if calls:
            return calls[0]
        time.sleep(0.005)
    raise RuntimeError("no welcome came within 20 seconds")


def percentile(values: list[float], percent: int) -> float:
    """The value that `percent` of 100 do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]
