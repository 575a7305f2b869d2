"""A company whose set-up is in order, so that each test can spoil one thing."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.app import Bot
from bot.clock import Clock
from bot.config import (
    AppSettings,
    CallbackSettings,
    CompanySettings,
    DatabaseSettings,
    ServerSettings,
    Settings,
    SyncSettings,
    WecomSettings,
)
from bot.doctor import Finding, Level, address, examine
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.conftest import Urls

Findings = dict[str, Finding]


@dataclass
class Patient:
    """The set-up under examination."""

    sandbox: Sandbox
    settings: Settings
    clock: Clock

    def change(self, **more: Any) -> None:
        """Other settings; `app__secret="…"` is `secret` of `[app]`."""
        dump: dict[str, Any] = dict(self.settings)
        for name, value in more.items():
            section, _, key = name.partition("__")
            dump[section] = dump[section].model_copy(update={key: value}) if key else value
        self.settings = Settings.model_construct(**dump)

    async def examine(self, url: str = "") -> Findings:
        """Findings by code; none may come twice with different levels."""
        return {finding.code: finding async for finding in examine(self.settings, self.clock, url)}

    def app(self, **changes: Any) -> None:
        """What the company's admin sets on the app's page."""
        for name, value in changes.items():
            setattr(self.sandbox.world.app, name, value)

    def bot(self) -> Bot:
        """The bot of this set-up."""
        return Bot(self.settings, self.clock, bell=False)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World()) as running:
        yield running


@pytest.fixture
async def patient(sandbox: Sandbox, urls: Urls) -> Patient:
    """A sound set-up on a fresh database, on both kinds in turn."""
    app = sandbox.world.app
    app.redirect_domain = "bot.example.com"
    settings = Settings(
        company=CompanySettings(corpid=sandbox.world.company.corpid, name="云杉生活"),
        app=AppSettings(agentid=app.agentid, secret=SecretStr(app.secret)),
        callbacks=(
            CallbackSettings(token=SecretStr(app.callback_token), encoding_aes_key=SecretStr(app.encoding_aes_key)),
        ),
        wecom=WecomSettings(api_base_url=sandbox.api_base_url, timeout_seconds=30),
        server=ServerSettings(port=0),
        database=DatabaseSettings(url=urls.main, inbox_url=urls.inbox),
        sync=SyncSettings(first=False),
    )
    return Patient(sandbox, settings, Clock())


@pytest.fixture
def alone(sandbox: Sandbox, tmp_path: Path) -> Patient:
    """A set-up whose SQLite files are not there yet: for what no database is asked about."""
    app = sandbox.world.app
    app.redirect_domain = "bot.example.com"
    return Patient(
        sandbox,
        Settings(
            company=CompanySettings(corpid=sandbox.world.company.corpid, name="云杉生活"),
            app=AppSettings(agentid=app.agentid, secret=SecretStr(app.secret)),
            callbacks=(
                CallbackSettings(token=SecretStr(app.callback_token), encoding_aes_key=SecretStr(app.encoding_aes_key)),
            ),
            wecom=WecomSettings(api_base_url=sandbox.api_base_url, timeout_seconds=30),
            server=ServerSettings(port=0),
            database=DatabaseSettings(url=f"sqlite:///{tmp_path}/var/siyu.db"),
        ),
        Clock(),
    )


@pytest.fixture
def served(alone: Patient, sqlite_templates: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """One whose bot may run: its files are there, with their tables, and no machine is too slow for it."""
    monkeypatch.setattr(address, "WECOM_WAITS_SECONDS", 30.0)
    for tree, url in (("main", alone.settings.database.url), ("inbox", alone.settings.inbox_url)):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(exist_ok=True)
        shutil.copy(sqlite_templates / f"{tree}.db", path)
    return alone


def failures(findings: Findings) -> set[str]:
    """Codes of what does not work."""
    return {code for code, finding in findings.items() if finding.level == Level.FAIL}


def warnings(findings: Findings) -> set[str]:
    """Codes of what somebody should look at; that the API is not WeCom's own is so in every test."""
    return {code for code, finding in findings.items() if finding.level == Level.WARN} - {"api_base_url"}
