"""`siyu testers`, and tests of campaigns from a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from data.db import Database
from data.models import Batch
from data.queries.campaigns import add_campaign
from data.rules.campaigns import CampaignDraft
from tests.api.test_segments import make_follows
from tests.cli.conftest import Siyu, write_config
from tests.cli.test_campaigns_commands import DRAFT, NOW
from tests.conftest import Urls


async def test_a_test_is_sent_and_found_right(siyu: Siyu, urls: Urls, db: Database, tmp_path: Path) -> None:
    await db.write(make_follows)
    await db.write(add_campaign, CampaignDraft.model_validate({**DRAFT, "test_first": True}), "test", NOW)
    config = write_config(tmp_path / "config.toml", urls)
    await asyncio.to_thread(_send_test, siyu, config)
    received = Batch(run_id=1, batch_no=1, userid="seg", recipients=1, sent=1, status="created")
    await db.write(lambda session: session.add(received))
    await asyncio.to_thread(_give_go, siyu, config)


def _send_test(siyu: Siyu, config: Path) -> None:
    assert siyu("testers", "list", config=config).out == "There is no test customer: siyu testers add names one.\n"
    refused = siyu("campaigns", "test", 1, config=config)
    assert (refused.code, "siyu testers add" in refused.err) == (2, True)
    assert siyu("testers", "add", "seg", "wmseg3", config=config).code == 2, "no contact any more"
    for whom in ("wmseg0", "wmseg1"):
        assert siyu("testers", "add", "seg", whom, config=config).code == 0
    assert siyu("testers", "remove", 2, config=config).out == "Number 2 is removed.\n"
    assert "wmseg0" in siyu("testers", "list", config=config).out
    (kept,) = siyu("testers", "list", "--json", config=config).json
    assert (kept["external_userid"], kept["present"], kept["added_by"]) == ("wmseg0", True, "command")
    told = siyu("campaigns", "test", 1, config=config).out
    assert told == "Version 1 goes to the test customers as campaign 2.\n"
    refused = siyu("campaigns", "go", 1, "--version", 1, config=config)
    assert (refused.code, "Nobody has received a test" in refused.err) == (2, True)


def _give_go(siyu: Siyu, config: Path) -> None:
    assert siyu("campaigns", "go", 1, "--version", 1, config=config).out == "Campaign 1 三月上新: draft.\n"
    told = siyu("campaigns", "show", 1, config=config).json
    assert (told["go_version"], told["go_by"], told["tests"][0]["sent"]) == (1, "command", 1)
