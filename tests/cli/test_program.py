"""The program as a whole: start, stop, faults in plain words, tokens, migration."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text
from sqlmodel import Session

from bot import cli
from bot.app import Bot
from bot.commands import terminal
from bot.config import load_settings
from bot.errors import ConfigurationError
from data import migrate
from data.db import Database
from data.errors import SchemaError, StorageError
from tests.cli.conftest import SIYU, Siyu, write_config
from tests.conftest import Urls
from tests.forks import Fork
from tests.forks import siyu as siyu_in_fork

HEAVY = ("aiohttp", "alembic", "jinja2", "pydantic", "sqlalchemy", "wechatpy", "lxml", "uvloop")
#: A guard against hanging: a busy machine takes long to load the program.
PATIENCE_SECONDS = 240


def test_help_loads_nothing_that_it_does_not_need() -> None:
    code = f"import sys, bot.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_command_explains_itself(siyu: Siyu) -> None:
    groups = {group.name: group.typer_instance for group in cli.app.registered_groups}
    assert groups.keys() == {
        "sync",
        "events",
        "welcome",
        "tags",
        "customers",
        "orders",
        "fields",
        "notes",
        "segments",
        "journeys",
        "channels",
        "webhooks",
        "limits",
        "tasks",
        "links",
        "knowledge",
        "forms",
        "campaigns",
        "testers",
        "group-welcomes",
        "groups",
        "handovers",
        "join-ways",
        "kf",
        "staff",
        "rosters",
        "scripts",
        "menu",
        "imports",
        "media",
        "accounts",
        "alerts",
        "token",
    }
    for words in (["--help"], *([group, "--help"] for group in groups if group), ["welcome", "add", "--help"]):
        told = siyu(*words)
        assert told.code == 0
        assert "Usage: " in told.out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no configuration file"),
        ("x = ", "is not a TOML file"),
        ("colour = 1", "colour"),
        ('[company]\ntimezone = "Mars"', "unknown time zone"),
        ('[database]\nurl = "mysql://x"', "not supported"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "migrate", "welcome list", "events list"])
def test_a_configuration_that_cannot_be_used_is_one_sentence(
    siyu: Siyu, tmp_path: Path, content: str | None, told: str, command: str
) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    ended = siyu(*command.split(), config=path)
    assert ended.code == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err


def test_a_configuration_that_others_may_read_is_refused(siyu: Siyu, plain_config: Path) -> None:
    plain_config.chmod(0o644)
    ended = siyu("welcome", "list", config=plain_config)
    assert (ended.code, "chmod 600" in ended.err) == (2, True)


def test_the_configuration_may_be_named_by_the_environment_or_be_the_environment(
    siyu: Siyu, plain_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "There is no configuration file config.toml" in siyu("token", "list").err
    monkeypatch.setenv("SIYU_CONFIG", str(plain_config))
    assert siyu("token", "list").out == "There is no token.\n"
    monkeypatch.delenv("SIYU_CONFIG")
    monkeypatch.setenv("SIYU_DATABASE__URL", f"sqlite:///{tmp_path}/other.db")
    assert siyu("token", "list").out == "There is no token.\n"
    assert (tmp_path / "other.db").exists()


def test_migrate_says_what_it_did(siyu: Siyu, plain_config: Path) -> None:
    url, (before, newest) = load_settings(plain_config).database.url, migrate.revisions_of("main")[-2:]
    asyncio.run(migrate.upgrade(url, "main", before))
    first = siyu("migrate", config=plain_config)
    assert first.code == 0
    told = rf"main: brought from {before} to {newest}\.\ninbox: tables made \(inbox_\d+\)\.\n"
    assert re.fullmatch(told, first.out)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as tables:
        kept = tables.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone()
    assert kept, "the planner was told what the tables hold"
    assert siyu("migrate", config=plain_config).out.count("nothing to do") == 2


async def test_a_database_of_a_newer_version_is_refused(siyu: Siyu, config: Path, db: Database) -> None:
    def make_newer(session: Session) -> None:
        session.execute(text("UPDATE alembic_version_main SET version_num = 'main_9999'"))

    await db.write(make_newer)
    with pytest.raises(SchemaError, match="newer version"):
        await Bot(load_settings(config)).__aenter__()
    for ended in (
        await asyncio.to_thread(siyu, "migrate", config=config),
        await asyncio.to_thread(siyu, "welcome", "list", config=config),
    ):
        assert ended.code == 2
        assert "newer version" in ended.err
        assert "Traceback" not in ended.err


def test_a_token_is_shown_once(siyu: Siyu, config: Path) -> None:
    made = siyu("token", "create", "报表", "--scope", "welcomes:read", "--scope", "events:read", config=config)
    assert made.code == 0
    token = made.out.strip()
    assert re.fullmatch(r"siyu_[\w-]{43}", token)
    listed = siyu("token", "list", "--json", config=config)
    assert token not in listed.out
    assert [(each["name"], each["scopes"]) for each in listed.json] == [("报表", ["events:read", "welcomes:read"])]
    assert "already" in siyu("token", "create", "报表", "--all-scopes", config=config).err
    assert "no scope everything" in siyu("token", "create", "x", "--scope", "everything", config=config).err
    assert siyu("token", "create", "x", config=config).code == 2
    assert siyu("token", "revoke", "报表", config=config).code == 0
    assert "revoked" in siyu("token", "list", config=config).out
    assert siyu("token", "revoke", "nobody", config=config).code == 2


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`siyu serve` in a process of its own: the process, and where it listens."""
    process = await asyncio.create_subprocess_exec(
        SIYU, "serve", "--config", str(config), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode()
        found = re.match(r"Siyu listens on (http://\S+)", line)
        assert found, line + (await process.communicate())[1].decode()
        yield process, found[1]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def forked(config: Path, log: Path) -> AsyncIterator[tuple[Fork, str]]:
    """The same, from a process that has loaded the program already; what it says is in `log`."""
    process = await Fork.start(siyu_in_fork, "serve", "--config", str(config), output=log, errors=True)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := re.search(r"^Siyu listens on (http://\S+)", said := _read(log), re.MULTILINE)):
                assert process.returncode is None, said
                await asyncio.sleep(0.02)
        yield process, found[1]
    finally:
        process.kill()
        await process.wait()


def _read(log: Path) -> str:
    return log.read_text("utf-8") if log.exists() else ""


@pytest.mark.drawn
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serve_stops_at_a_signal_and_leaves_everything_in_order(config: Path, number: signal.Signals) -> None:
    async with serving(config) as (process, url), aiohttp.ClientSession() as http:
        async with http.get(f"{url}/readyz") as response:
            assert response.status == 200
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
        assert process.returncode == 0
        assert b"Stopping" in out
        assert b" stopped " in err
        assert b"Traceback" not in err


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_two_bots_on_one_sqlite_file_and_two_on_one_port(
    config: Path, tmp_path: Path, sqlite_templates: Path
) -> None:
    async with forked(config, tmp_path / "said") as (_, url):
        with pytest.raises(StorageError, match="Another process is running"):
            await Bot(load_settings(config)).__aenter__()
        folder = shutil.copytree(sqlite_templates, tmp_path / "other")
        other = Urls(f"sqlite:///{folder}/main.db", f"sqlite:///{folder}/inbox.db")
        port = url.rpartition(":")[2]
        third = write_config(tmp_path / "c.toml", other, server=f"port = {port}")
        with pytest.raises(ConfigurationError, match="cannot be listened on"):
            await Bot(load_settings(third)).__aenter__()


async def test_the_sandbox_serves_a_sample_company_until_it_is_told_to_stop() -> None:
    process = await asyncio.create_subprocess_exec(
        SIYU, "sandbox", "--port", "0", "--staff", "3", "--customers", "5", "--seed", "7",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode()
    found = re.search(r"http://\S+?(?=\.? )", line)
    assert found
    async with aiohttp.ClientSession() as http, http.get(f"{found[0].rstrip('.')}/sandbox/world") as response:
        assert response.status == 200
    process.terminate()
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("私域", 4), ("a私", 3), ("", 0), ("ｗｉｄｅ", 8)])
def test_columns_are_as_wide_as_a_terminal_shows_them(text: str, width: int) -> None:
    assert terminal.shown_width(text) == width


def test_a_long_text_is_cut_to_its_width() -> None:
    assert terminal.cut("一二三四", 8) == "一二三四"
    assert terminal.cut("一二三四五", 8) == "一二三…"
    assert terminal.cut("a\n b", 9) == "a b"
