"""`pytest --workers 4`: the tests are collected once, by a process that then forks those that run them.

pytest-xdist has each of its processes load the program and collect all tests, which takes a tenth of the whole run.
What forked processes are told of themselves is what it tells its own: `PYTEST_XDIST_WORKER` and so on.
"""

from __future__ import annotations

import os
import struct
import sys
import traceback
import uuid
from collections.abc import Iterator
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any

import pytest

#: What a worker takes at a time: a long test, or all others of a file, as the first and the last of the items.
SHARE = struct.Struct("=HH")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=0, help="run the tests in so many forked processes")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("workers"):
        os.environ["PYTEST_XDIST_TESTRUNUID"] = uuid.uuid4().hex


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    option = session.config.option
    if not option.workers or option.collectonly or session.testsfailed or not session.items:
        return None
    shares = _pipe_of(_shares_of(session.items))
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    sys.stdout.flush()
    workers = [_Worker(session, number, shares) for number in range(option.workers)]
    open_ends: dict[Any, _Worker] = {worker.end: worker for worker in workers}
    while open_ends:
        for end in wait(list(open_ends)):
            if not open_ends[end].read():
                del open_ends[end]
        if session.shouldfail or session.shouldstop:
            while os.read(shares, SHARE.size):
                pass
    os.close(shares)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


def _shares_of(items: list[pytest.Item]) -> Iterator[tuple[int, int]]:
    def together(numbered: tuple[int, pytest.Item]) -> tuple[Any, ...]:
        number, item = numbered
        return (number,) if item.get_closest_marker("slow") else (item.path,)

    for _, found in groupby(enumerate(items), together):
        numbers = [number for number, _ in found]
        yield numbers[0], numbers[-1]


def _pipe_of(shares: Iterator[tuple[int, int]]) -> int:
    """A pipe from which each worker takes the next one; they are few enough for its buffer."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    os.write(into, b"".join(SHARE.pack(*share) for share in shares))
    os.close(into)
    return out


class _Worker:
    """A forked process, seen from the one that forked it."""

    def __init__(self, session: pytest.Session, number: int, shares: int) -> None:
        self._session = session
        self._runs: str | None = None
        self.end, into = Pipe(duplex=False)
        self._pid = os.fork()
        if not self._pid:
            self.end.close()
            _work(session, number, shares, into)
        into.close()

    def read(self) -> bool:
        """Pass on what it tells. False: it has ended."""
        try:
            told = self.end.recv()
        except EOFError:
            self.end.close()
            _, status = os.waitpid(self._pid, 0)
            if status or self._runs:
                self._tell_crash(os.waitstatus_to_exitcode(status))
            return False
        if isinstance(told, dict):
            config = self._session.config
            report = config.hook.pytest_report_from_serializable(config=config, data=told)
            config.hook.pytest_runtest_logreport(report=report)
        else:
            self._runs = told
        return True

    def _tell_crash(self, code: int) -> None:
        name = self._runs or "no test"
        report = pytest.TestReport(
            nodeid=name, location=(name, 0, name), keywords={}, outcome="failed", when="call",
            longrepr=f"The worker ended with {code} while it ran {name}.",
        )  # fmt: skip
        self._session.config.hook.pytest_runtest_logreport(report=report)


class _Teller:
    """In a worker: what becomes of its tests goes to the process that forked it."""

    def __init__(self, config: pytest.Config, into: Any) -> None:
        self._config = config
        self._into = into

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._into.send(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))


def _work(session: pytest.Session, number: int, shares: int, into: Any) -> None:
    """Run shares of the tests until none is left, and end."""
    code = 1
    try:
        _set_up(session, number)
        session.config.pluginmanager.register(_Teller(session.config, into))
        items = (item for first, last in _taken(shares) for item in session.items[first : last + 1])
        item = next(items, None)
        while item is not None:
            after = next(items, None)
            into.send(item.nodeid)
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            item = after if not (session.shouldfail or session.shouldstop) else None
        session._setupstate.teardown_exact(None)
        into.send(None)
        code = 0
    except BaseException:  # noqa: BLE001 - it may not go on as the process that forked it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _set_up(session: pytest.Session, number: int) -> None:
    config, name = session.config, f"worker{number}"
    os.environ["PYTEST_XDIST_WORKER"] = name
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(config.option.workers)
    plugins = config.pluginmanager
    plugins.unregister(plugins.getplugin("terminalreporter"))
    # What it prints is kept in a file, of which each needs one of its own.
    capture: Any = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()
    folders: Any = config._tmp_path_factory  # type: ignore[attr-defined]
    folders._basetemp = folders.mktemp(name, numbered=False)


def _taken(shares: int) -> Iterator[tuple[int, int]]:
    while share := os.read(shares, SHARE.size):
        yield SHARE.unpack(share)
