"""Load on a callback URL from a process of its own: signed, encrypted, distinct events over 32 connections.

wrk with a script where it is installed, else `benchmarks.loader`; both read the requests from a file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.processes import ROOT, Identity, python
from bot.wecom.crypto import CallbackCrypto

CONNECTIONS = 32
LOADER = "wrk" if shutil.which("wrk") else "benchmarks.loader"


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a run. `other` counts answers that were not 200 and errors of the connections."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    other: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def enter_agent(identity: Identity, number: int) -> str:
    """A staff member opens the app: an event that is stored and that no handler wants."""
    return (
        f"<xml><ToUserName><![CDATA[{identity.corpid}]]></ToUserName>"
        f"<FromUserName><![CDATA[staff{number:08}]]></FromUserName>"
        f"<CreateTime>{1_770_000_000 + number % 86_400}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[enter_agent]]></Event><EventKey><![CDATA[]]></EventKey>"
        f"<AgentID>{identity.agentid}</AgentID></xml>"
    )


def edit_external_contact(identity: Identity, userid: str, external_userid: str, number: int) -> str:
    """A staff member edits a customer."""
    return (
        f"<xml><ToUserName><![CDATA[{identity.corpid}]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>{1_770_000_000 + number}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[change_external_contact]]></Event>"
        f"<ChangeType><![CDATA[edit_external_contact]]></ChangeType><UserID><![CDATA[{userid}]]></UserID>"
        f"<ExternalUserID><![CDATA[{external_userid}]]></ExternalUserID></xml>"
    )


def del_follow_user(identity: Identity, userid: str, external_userid: str) -> str:
    """A customer deletes a staff member: handled by writing, without a call to WeCom."""
    return (
        f"<xml><ToUserName><![CDATA[{identity.corpid}]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>1770000000</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[del_follow_user]]></ChangeType>"
        f"<UserID><![CDATA[{userid}]]></UserID><ExternalUserID><![CDATA[{external_userid}]]></ExternalUserID></xml>"
    )


def write_requests(path: Path, identity: Identity, plaintexts: Iterable[str]) -> int:
    """One request a line, query and body with a tab between; the number of requests."""
    crypto = CallbackCrypto(identity.token, identity.key, identity.corpid)
    written = 0
    with path.open("w", encoding="ascii") as file:
        for nonce, plaintext in zip(count(), plaintexts):
            encrypt = crypto.encrypt(plaintext)
            signature = crypto.sign("1770000000", str(nonce), encrypt)
            file.write(
                f"msg_signature={signature}&timestamp=1770000000&nonce={nonce}\t"
                f"<xml><ToUserName><![CDATA[{identity.corpid}]]></ToUserName>"
                f"<AgentID><![CDATA[{identity.agentid}]]></AgentID><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>\n"
            )
            written += 1
    return written


def run(url: str, requests: Path, seconds: float, *, skip: int = 0, connections: int = CONNECTIONS) -> Load:
    """Send the file's requests from line `skip` on, round and round, for `seconds`."""
    if LOADER == "wrk":
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s"]
        command += [str(ROOT / "benchmarks" / "load.lua"), url, "--", str(requests), str(skip)]
    else:
        command = python("benchmarks.loader", url, requests, skip, seconds, connections, 0)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=seconds + 30)
    return Load(**json.loads(done.stdout.splitlines()[-1]))
