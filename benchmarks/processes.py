"""Processes of a measurement: started with what they need, waited for, and ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMPANY = "wwbench0000000001"
TOKEN = "benchtoken"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
START_SECONDS = 30.0
STOP_SECONDS = 15.0


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own, ended by SIGTERM and, if it does not listen, by SIGKILL."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, env=os.environ | environment, start_new_session=True
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until `url` answers 200. Raises RuntimeError with the end of the log when the child gives up."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.01)
    raise RuntimeError(f"{url} does not answer; the end of the log:\n{log.read_text('utf-8', 'replace')[-2000:]}")


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this checkout."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def siyu(*arguments: object) -> list[str]:
    """The command `siyu` of this checkout."""
    return [sys.executable, "-c", "from bot.cli import main; main()", *map(str, arguments)]


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    pid: int
    folder: Path

    def call(self, path: str, /, **body: Any) -> Any:
        """POST JSON and read JSON; without a body a GET."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a callback is signed and encrypted with, and what WeCom's API is called with."""

    corpid: str = COMPANY
    token: str = TOKEN
    key: str = KEY
    agentid: int = 1000002
    secret: str = "benchsecret"


@contextlib.contextmanager
def bot(
    folder: Path,
    *,
    identity: Identity = Identity(),
    api: str = "",
    database: str = "",
    inbox: str = "",
    mode: str = "live",
    calls_per_minute: int = 10_000,
) -> Iterator[Server]:
    """`siyu serve` with a database of its own. `api` empty: a WeCom that nobody answers for."""
    port = free_port()
    config = folder / "config.toml"
    database = database or f"sqlite:///{folder}/siyu.db"
    config.write_text(
        f'mode = "{mode}"\n[company]\ncorpid = "{identity.corpid}"\n'
        f'[app]\nagentid = {identity.agentid}\nsecret = "{identity.secret}"\n'
        f'[[callbacks]]\ntoken = "{identity.token}"\nencoding_aes_key = "{identity.key}"\n'
        f'[wecom]\napi_base_url = "{api or "http://127.0.0.1:9/cgi-bin/"}"\ncalls_per_minute = {calls_per_minute}\n'
        f'[server]\nport = {port}\n[database]\nurl = "{database}"\ninbox_url = "{inbox}"\n'
        '[sync]\nfirst = false\n[campaigns]\nhours = "00:00-00:00"\n',
        "utf-8",
    )
    config.chmod(0o600)
    log = folder / "bot.log"
    with process(siyu("serve", "--config", config), log) as child:
        server = Server(f"http://127.0.0.1:{port}", child.pid, folder)
        wait_for(f"{server.url}/readyz", child, log)
        yield server
