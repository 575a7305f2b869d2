"""What callbacks and new customers notice of long work in the same bot: acknowledgements and welcomes beside it.

The work is a sync, a marking at WeCom's own pace, questions about a million customers (counts one after the other, and
dry runs that go through all of them), campaigns: planned over a million, sent, and their results pulled, or a journey
that begins for a million customers and asks their staff for something at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.load import enter_agent, write_requests
from benchmarks.million import STAFF as MILLION_STAFF
from benchmarks.processes import ROOT, Identity, Server, bot, python, siyu
from benchmarks.results import Result, at_most, table
from benchmarks.segments import ANY, fill
from benchmarks.sync import postgres
from benchmarks.welcome import identity_of, percentile, sandbox, seconds

STAFF = int(os.environ.get("SIYU_BENCH_STAFF", "500"))
CUSTOMERS = int(os.environ.get("SIYU_BENCH_CUSTOMERS", "500000"))
MARKED_CUSTOMERS = 20_000
CALLBACKS_PER_SECOND = 200
SECONDS = 30.0
WELCOMES = 40
SCOPES = (
    "sync:read",
    "sync:write",
    "markings:read",
    "markings:write",
    "segments:read",
    "segments:write",
    "directory:read",
    "customers:read",
    "campaigns:read",
    "campaigns:write",
    "sending:write",
    "journeys:read",
    "journeys:write",
)

CAMPAIGN = {"name": "bench", "waves": [{"content": {"text": "周末到店，好礼相送。"}, "audience": {"everyone": True}}]}

JOURNEY = {
    "name": "bench",
    "trigger": {"on": "event", "name": "bench"},
    "steps": [{"key": "ask", "action": {"do": "task", "content": {"text": "{{ customer_name }}，您好，最近还好吗？"}}}],
}

ADD = "externalcontact/add_msg_template"

WITHOUT_TAGS = tuple(question for question in ANY if "tags" not in json.dumps(question.tree))

#: Does something in the bot until it is left; yields what tells afterwards how much was done.
Work = Callable[["Api", Server], AbstractContextManager[Callable[[], Result]]]


def beside_sqlite(folder: Path) -> list[Result]:
    """Goals: acknowledged with p99 under 100 ms, welcomes within a second, whatever runs."""
    results: list[Result] = []
    for name, work, staff, customers in _works():
        results += _beside(_folder(folder, work.__name__), "", f"{name}, SQLite", work, staff, customers)
    return results


def beside_postgres(folder: Path) -> list[Result]:
    """The same on PostgreSQL."""
    results: list[Result] = []
    for name, work, staff, customers in _works():
        with postgres() as url:
            results += _beside(_folder(folder, work.__name__), url, f"{name}, PostgreSQL", work, staff, customers)
    return results


def _works() -> tuple[tuple[str, Work, int, int], ...]:
    """What there is, with the staff and the customers of the local WeCom; of these what SIYU_BENCH_BESIDE names."""
    works: tuple[tuple[str, Work, int, int], ...] = (
        ("a sync", syncing, STAFF, CUSTOMERS),
        ("a marking", marking, 100, MARKED_CUSTOMERS),
        ("questions", asking, 20, 2_000),
        ("campaigns planned", planning, 20, 2_000),
        ("campaigns sent", sending, 2_000, 20_000),
        ("results pulled", pulling, 300, 300_000),
        ("journeys", stepping, 20, 2_000),
    )
    asked = os.environ.get("SIYU_BENCH_BESIDE", "").split()
    return tuple(each for each in works if not asked or each[1].__name__ in asked)


def _folder(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    return place


def _beside(folder: Path, database: str, name: str, work: Work, staff: int, customers: int) -> list[Result]:
    if work in (asking, planning, stepping):
        # Without its tags: the local WeCom does not know them, and the bot would take them off everybody.
        fill(database or f"sqlite:///{folder}/siyu.db", "DELETE FROM tags")
    with sandbox(folder, staff, customers) as wecom:
        identity = identity_of(wecom)
        if work is planning:
            for number in range(1, MILLION_STAFF + 1):
                wecom.call("/sandbox/staff/join", name=f"S{number}", userid=f"u{number:04d}")
        with bot(folder, identity=identity, api=f"{wecom.url}/cgi-bin/", database=database) as ours:
            api = Api(ours)
            _command(folder, "welcome", "add", "--name", "bench", "--text", "您好")
            wecom.call("/sandbox/apps", callback_url=f"{ours.url}/callback")
            seconds(wecom, 5)  # the first ones fill caches and open connections
            with work(api, wecom) as done, _loader(folder, identity, ours) as loader:
                welcomes = seconds(wecom, WELCOMES, rest_seconds=0.3)
                said = json.loads(loader.communicate(timeout=SECONDS + 30)[0])
                meanwhile = done()
    if said["other"]:
        raise RuntimeError(f"not all callbacks were acknowledged: {said}")
    results = [
        at_most(f"beside {name}: acknowledgement, p99", said["p99_ms"], "ms", 100),
        Result(f"beside {name}: acknowledgement, p50", said["p50_ms"], "ms"),
        at_most(f"beside {name}: event to welcome, slowest", max(welcomes) * 1000, "ms", 1000),
        Result(f"beside {name}: event to welcome, p50", percentile(welcomes, 50) * 1000, "ms"),
        Result(f"beside {name}: {meanwhile.name}", meanwhile.value, meanwhile.unit),
    ]
    # A run takes half an hour: what it found until then is worth having when it is broken off.
    print(table(results), file=sys.stderr)
    return results


@contextlib.contextmanager
def syncing(api: Api, _wecom: Server) -> Iterator[Callable[[], Result]]:
    """A sync that does not end before the load does."""
    run = api.call("POST", "/syncs")["id"]
    api.wait_for(f"/syncs/{run}", lambda told: told["rows"])

    def done() -> Result:
        told = api.call("GET", f"/syncs/{run}")
        if told["status"] != "running":
            raise RuntimeError(f"the sync had ended before the load did: {told}")
        return Result("rows read meanwhile", told["rows"], "rows")

    yield done


@contextlib.contextmanager
def marking(api: Api, _wecom: Server) -> Iterator[Callable[[], Result]]:
    """A tag put on everybody."""
    run = api.call("POST", "/syncs")["id"]
    api.wait_for(f"/syncs/{run}", lambda told: told["status"] == "done")
    made = api.call("POST", "/markings", {"audience": {"everyone": True}, "put_on": [_some_tag(api)]})["id"]
    before = api.wait_for(f"/markings/{made}", lambda told: told["done"])["done"]

    def done() -> Result:
        told = api.call("GET", f"/markings/{made}")
        if told["status"] != "running":
            raise RuntimeError(f"the marking had ended before the load did: {told}")
        return Result("marked meanwhile", told["done"] - before, "follows")

    yield done


def _some_tag(api: Api) -> str:
    return str(api.wait_for("/tags", lambda told: told["items"])["items"][0]["tag_id"])


@contextlib.contextmanager
def asking(api: Api, _wecom: Server) -> Iterator[Callable[[], Result]]:
    """Counts of a million follows one after the other, and beside them dry runs that go through all of them."""
    ended, answers = threading.Event(), 0
    everyone = {"audience": {"everyone": True}, "put_on": [_some_tag(api)], "dry_run": True}

    def count() -> None:
        nonlocal answers
        while not ended.is_set():
            for question in WITHOUT_TAGS:
                api.call("POST", "/segments/count", {"definition": question.tree})
                answers += 1

    def go_through() -> None:
        nonlocal answers
        while not ended.is_set():
            api.call("POST", "/markings", everyone)
            answers += 1

    threads = [threading.Thread(target=each) for each in (count, go_through)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: Result("questions answered meanwhile", answers, "")
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def planning(api: Api, _wecom: Server) -> Iterator[Callable[[], Result]]:
    """Campaigns to everybody, planned one after the other. The local WeCom knows the staff, not the customers."""
    with _campaigns(api, lambda run: run["planned_at"]) as planned:
        yield lambda: Result("recipients found meanwhile", planned(), "follows")


@contextlib.contextmanager
def sending(api: Api, wecom: Server) -> Iterator[Callable[[], Result]]:
    """Campaigns to everybody, sent one after the other."""
    _sync(api)
    with _campaigns(api, lambda run: run["status"] == "awaiting"):
        yield lambda: Result("calls that made tasks meanwhile", count_made(wecom), "calls")


@contextlib.contextmanager
def pulling(api: Api, wecom: Server) -> Iterator[Callable[[], Result]]:
    """Results of a campaign to everybody; the load begins with the first of them."""
    _sync(api)
    wecom.call("/sandbox/settings", staff_confirm_share=1.0, staff_confirm_half_seconds=1.0)
    path = f"/campaigns/{start_campaign(api)}/results"
    api.wait_for(path, lambda told: told["items"][0]["sent"])

    def done() -> Result:
        return Result("results pulled meanwhile", api.call("GET", path)["items"][0]["sent"], "recipients")

    yield done


@contextlib.contextmanager
def stepping(api: Api, _wecom: Server) -> Iterator[Callable[[], Result]]:
    """A journey begins for everybody; its ticks make tasks of staff meanwhile."""
    journey = f"/journeys/{api.call('POST', '/journeys', JOURNEY)['id']}"
    api.call("POST", f"{journey}/start", {})
    api.call("POST", f"{journey}/existing", {})

    def done() -> Result:
        (ask,) = api.call("GET", f"{journey}/statistics")["versions"][0]["steps"]
        return Result("tasks that staff were given meanwhile", ask["reached"], "tasks")

    yield done


def count_made(wecom: Server) -> int:
    """How many calls have made tasks."""
    counts = wecom.call("/sandbox/calls?limit=1")["counts"]
    return sum(int(each["calls"]) for each in counts if each["path"] == ADD and each["errcode"] == 0)


def _sync(api: Api) -> None:
    run = api.call("POST", "/syncs")["id"]
    api.wait_for(f"/syncs/{run}", lambda told: told["status"] == "done")


def start_campaign(api: Api) -> int:
    """Begin a campaign to everybody; its number."""
    made = int(api.call("POST", "/campaigns", CAMPAIGN)["id"])
    api.call("POST", f"/campaigns/{made}/start", {})
    return made


@contextlib.contextmanager
def _campaigns(api: Api, is_done: Callable[[Any], object]) -> Iterator[Callable[[], int]]:
    """Campaign after campaign until it is left; how many recipients those had that are done."""
    ended, recipients = threading.Event(), 0

    def go_on() -> None:
        nonlocal recipients
        while not ended.is_set():
            path = f"/campaigns/{start_campaign(api)}"
            run = api.wait_for(path, lambda told: ended.is_set() or is_done(told["runs"][0]))["runs"][0]
            recipients += run["recipients"]

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield lambda: recipients
    finally:
        ended.set()
        thread.join()


class Api:
    """The bot's API, with a token that may do all of this."""

    def __init__(self, ours: Server) -> None:
        self._url = f"{ours.url}/api/v1"
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        made = _command(ours.folder, "token", "create", f"bench-{ours.pid}", *scopes)
        self._token = next(word for word in made.split() if word.startswith("siyu_"))

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer."""
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def wait_for(self, path: str, holds: Callable[[Any], object]) -> Any:
        """What is told there as soon as something holds of it."""
        while not holds(told := self.call("GET", path)):
            time.sleep(0.2)
        return told


def _command(folder: Path, *words: str) -> str:
    command = siyu(*words, "--config", folder / "config.toml")
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=ROOT).stdout


@contextlib.contextmanager
def _loader(folder: Path, identity: Identity, ours: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Distinct events at a steady pace, from a process of its own."""
    number = int(CALLBACKS_PER_SECOND * SECONDS * 1.2)
    write_requests(folder / "events.txt", identity, (enter_agent(identity, each) for each in range(number)))
    command = python(
        "benchmarks.loader", f"{ours.url}/callback", folder / "events.txt", 0, SECONDS, 32, CALLBACKS_PER_SECOND
    )
    loader = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        yield loader
    finally:
        loader.kill()
        loader.wait()
