"""`siyu webhooks` and `siyu limits`: as the console does it, from a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from data.db import Database
from data.models import WebhookCall
from tests.cli.conftest import Siyu, write_config
from tests.cli.test_campaigns_commands import NOW
from tests.conftest import Urls


async def test_webhooks_and_limits(siyu: Siyu, urls: Urls, db: Database, tmp_path: Path) -> None:
    heard: list[dict[str, object]] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(await request.json())
        return web.Response(status=204 if len(heard) == 1 else 500)

    app = web.Application()
    app.router.add_post("/hook", hear)
    async with TestServer(app) as server:
        config = write_config(
            tmp_path / "config.toml", urls,
            journeys=f'webhook_secret = "{"k" * 20}"\nwebhook_private = true',
        )  # fmt: skip
        await asyncio.to_thread(_webhooks, siyu, config, f"http://127.0.0.1:{server.port}/hook")
        assert [each["event"] for each in heard] == ["test", "test"]
    given_up = WebhookCall(
        id=5, webhook_id=1, enrolment_id=0, external_userid="wm1", url="http://127.0.0.1/", body={"event": "added"},
        made_at=NOW, attempts=9, error="HTTP 500",
    )  # fmt: skip
    await db.write(lambda session: session.add(given_up))
    await asyncio.to_thread(_calls, siyu, config)
    await asyncio.to_thread(_limits, siyu, config)


def _webhooks(siyu: Siyu, config: Path, url: str) -> None:
    assert "There is none" in siyu("webhooks", "list", config=config).out
    assert siyu("webhooks", "add", "--name", "crm", "--url", url, "--event", "explode", config=config).code == 2
    made = siyu("webhooks", "add", "--name", "crm", "--url", url, "--event", "added", config=config)
    assert "signed with: " in made.out
    assert siyu("webhooks", "test", 1, config=config).out == "It was taken.\n"
    changed = siyu("webhooks", "edit", 1, "--event", "lost", "--event", "added", config=config).out
    assert changed == f"Webhook 1 crm is told of added, lost at {url}.\n"
    for wrong in ((), ("--event", "explode"), ("--event", "tagged")):
        assert siyu("webhooks", "edit", 1, *wrong, config=config).code == 2, wrong
    renewed = siyu("webhooks", "secret", 1, config=config).out
    assert ("signed with: " in renewed, renewed[-65:] != made.out[-65:]) == (True, True)
    refused = siyu("webhooks", "test", 1, config=config)
    assert (refused.code, "500" in refused.err) == (1, True)
    assert siyu("webhooks", "test", 9, config=config).code == 2
    assert "told nothing more" in siyu("webhooks", "pause", 1, config=config).out
    (kept,) = siyu("webhooks", "list", "--json", config=config).json
    assert (kept["name"], kept["enabled"], "salt" in kept) == ("crm", False, False)
    assert "told again" in siyu("webhooks", "resume", 1, config=config).out


def _calls(siyu: Siyu, config: Path) -> None:
    assert "HTTP 500" in siyu("webhooks", "deliveries", "--state", "given_up", config=config).out
    assert siyu("webhooks", "deliveries", "--state", "lost", config=config).code == 2
    assert siyu("webhooks", "replay", config=config).code == 2
    assert siyu("webhooks", "replay", 5, config=config).out.startswith("1 are tried")
    (call,) = siyu("webhooks", "deliveries", "--webhook", 1, "--json", config=config).json
    assert call["state"] == "waiting"
    assert siyu("webhooks", "replay", "--all", config=config).out.startswith("0 are tried")
    assert siyu("webhooks", "remove", 1, "--yes", config=config).code == 0
    assert siyu("webhooks", "remove", 1, "--yes", config=config).code == 2


def _limits(siyu: Siyu, config: Path) -> None:
    shown = {each["name"]: each for each in siyu("limits", "show", "--json", config=config).json}
    assert shown["campaigns.hours"]["value"] == shown["campaigns.hours"]["filed"] == "00:00-00:00"
    assert siyu("limits", "set", "campaigns.hours", "09:00-21:00", config=config).code == 0
    assert (
        siyu("limits", "set", "campaigns.cap_count", "3", config=config).out
        == "campaigns.cap_count is 3 from now on.\n"
    )
    assert siyu("limits", "set", "company.holidays", "2026-10-01..2026-10-07", config=config).code == 0
    for name, value in (
        ("campaigns.hours", "late"), ("campaigns.cap_count", "many"), ("company.corpid", "x"),
        ("company.holidays", "soon"),
    ):  # fmt: skip
        assert siyu("limits", "set", name, value, config=config).code == 2, name
    assert "09:00-21:00" in siyu("limits", "show", config=config).out
    assert (
        siyu("limits", "reset", "campaigns.hours", config=config).out == "campaigns.hours is 00:00-00:00 from now on.\n"
    )
