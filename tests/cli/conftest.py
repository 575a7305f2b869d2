"""The command `siyu`, run in this process by its own entry point, on a configuration file."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from tests.conftest import Urls

ROOT = Path(__file__).parents[2]
SIYU = str(Path(sys.executable).parent / "siyu")


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, decoded."""
        return json.loads(self.out)


Siyu = Callable[..., Ended]


def write_config(path: Path, urls: Urls, **more: str) -> Path:
    """A configuration file that can be used; `more` holds whole tables by name."""
    tables = {
        "company": 'corpid = "ww0123456789abcdef"\nname = "云杉生活"',
        "app": f'agentid = 1000002\nsecret = "{"s" * 43}"',
        "wecom": 'api_base_url = "http://127.0.0.1:9/cgi-bin/"',
        "server": "port = 0",
        "campaigns": 'hours = "00:00-00:00"',
        "database": f'url = "{urls.main}"\ninbox_url = "{urls.inbox}"',
        **more,
    }
    callbacks = tables.pop("callbacks", f'token = "{"t" * 24}"\nencoding_aes_key = "{"k" * 43}"')
    text = "".join(f"[{name}]\n{body}\n" for name, body in tables.items()) + f"[[callbacks]]\n{callbacks}\n"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def config(tmp_path: Path, urls: Urls) -> Path:
    """A configuration on a fresh database, on both kinds in turn."""
    return write_config(tmp_path / "config.toml", urls)


@pytest.fixture
def plain_config(tmp_path: Path) -> Path:
    """A configuration on SQLite files that are not there yet."""
    found = Urls(f"sqlite:///{tmp_path}/var/siyu.db", f"sqlite:///{tmp_path}/var/siyu-inbox.db")
    return write_config(tmp_path / "config.toml", found)


@pytest.fixture
def ready_config(plain_config: Path, sqlite_templates: Path) -> Path:
    """The same, with their tables: to make these takes long."""
    shutil.copytree(sqlite_templates, plain_config.parent / "var")
    for tree, name in (("main", "siyu"), ("inbox", "siyu-inbox")):
        (plain_config.parent / "var" / f"{tree}.db").rename(plain_config.parent / "var" / f"{name}.db")
    return plain_config


@pytest.fixture
def siyu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Siyu:
    """Runs a command to its end."""
    for name in ("SIYU_CONFIG", "SIYU_MODE"):
        monkeypatch.delenv(name, raising=False)

    def run(*args: object, config: Path | None = None) -> Ended:
        words = [str(arg) for arg in args] + (["--config", str(config)] if config else [])
        monkeypatch.setattr(sys, "argv", ["siyu", *words])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        told = capsys.readouterr()
        return Ended(code, told.out, told.err)

    return run


async def siyu_beside(*args: object) -> Ended:
    """A command in a thread of this process, while its event loop plays WeCom: a process takes seconds to start."""

    def run() -> Ended:
        out, err, code, argv = io.StringIO(), io.StringIO(), 0, sys.argv
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            sys.argv = ["siyu", *map(str, args)]
            try:
                cli.main()
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            finally:
                sys.argv = argv
        return Ended(code, out.getvalue(), err.getvalue())

    return await asyncio.to_thread(run)
