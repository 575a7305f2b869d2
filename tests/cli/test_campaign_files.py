"""Campaigns written in files: made, exported, changed, copied from a terminal."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from bot.shipped import LANGUAGES
from data.db import Database
from data.models import Staff
from tests.cli.conftest import Siyu

TOML = """
name = "三月上新"

[[waves]]
content.text = "我是{{ staff_name }}，周末有新品"
audience.external_userids = ["wm1", "wm2"]
sender_policy = "last_added"
excluded_userids = ["ann"]
timing.at = 2098-03-08T10:00:00+08:00

[[waves]]
kind = "groups"
content.text = "群里见"
audience.everyone = true
"""


async def test_what_a_file_says_is_made_exported_changed_and_copied(
    siyu: Siyu, config: Path, db: Database, tmp_path: Path
) -> None:
    staff = Staff(userid="ann", follows_customers=True, seen_at=datetime(2026, 3, 4, tzinfo=UTC))
    await db.write(lambda session: session.merge(staff))
    await asyncio.to_thread(_act, siyu, config, tmp_path)


def _act(siyu: Siyu, config: Path, folder: Path) -> None:
    written = folder / "march.toml"
    written.write_text(TOML, "utf-8-sig")
    told = siyu("campaigns", "create", written, config=config)
    assert told.out == "Campaign 1 三月上新 is made: siyu campaigns preview 1\n"
    exported = siyu("campaigns", "export", 1, config=config).json
    assert exported["version"] == 1
    first, second = exported["waves"]
    assert first["audience"] == {"external_userids": ["wm1", "wm2"]}
    assert (first["excluded_userids"], first["timing"]["at"]) == (["ann"], "2098-03-08T10:00:00+08:00")
    assert (second["kind"], second["audience"]) == ("groups", {"everyone": True})

    changed = folder / "march.json"
    exported["waves"][0]["content"]["text"] = "改过的话"
    changed.write_text(json.dumps({**exported, "waves": exported["waves"][:1]}), "utf-8")
    told = siyu("campaigns", "edit", 1, changed, config=config)
    assert told.out == "Campaign 1 三月上新 is at version 2.\n"
    late = siyu("campaigns", "edit", 1, changed, config=config)
    assert (late.code, "version 2, not 1" in late.err) == (2, True)
    again = siyu("campaigns", "export", 1, config=config).json
    assert [each["content"]["text"] for each in again["waves"]] == ["改过的话"]

    assert siyu("campaigns", "create", changed, config=config).out.startswith("Campaign 2 三月上新 is made")
    assert siyu("campaigns", "copy", 1, config=config).out.startswith("Campaign 3 三月上新 副本 is made")
    assert siyu("campaigns", "copy", 1, "--name", "四月", config=config).out.startswith("Campaign 4 四月 is made")
    copied = siyu("campaigns", "export", 4, config=config).json
    assert [{**each, "id": 0} for each in copied["waves"]] == [{**each, "id": 0} for each in again["waves"]]

    for name, content, what in (
        ("faulty.json", b'{"name": "x", "waves": [{"content": {"text": "x"}, "audience": {"all": 1}}]}',
         "waves[0].audience.all"),
        ("gbk.json", '{"name": "三月"}'.encode("gbk"), "is not UTF-8"),
        ("list.json", b"[]", "is not a JSON object"),
        ("deep.json", b"[" * 200_000, "is not JSON"),
        ("faulty.toml", b"name = ", "is not TOML"),
        ("huge.json", b" " * (4 * 1024 * 1024 + 1), "more than 4,194,304 bytes"),
        ("nothing.json", None, "cannot be read"),
    ):  # fmt: skip
        if content is not None:
            (folder / name).write_bytes(content)
        refused = siyu("campaigns", "create", folder / name, config=config)
        assert (refused.code, what in refused.err) == (2, True), (name, refused.err)
    assert len(siyu("campaigns", "list", "--json", config=config).json) == 4


def test_what_comes_with_the_program_can_be_used(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    assert "新群第一周" in siyu("campaigns", "shipped").out
    shapes = []
    for language in LANGUAGES:
        told = siyu("campaigns", "shipped", "group_first_week", "--language", language)
        file = tmp_path / "campaign.json"
        file.write_text(told.out, "utf-8")
        made = siyu("campaigns", "create", file, config=config)
        assert made.code == 0, made.err
        shapes.append([(wave["audience"], wave["timing"]) for wave in told.json["waves"]])
    assert shapes[0] == shapes[1]
    assert "group_first_week" in siyu("campaigns", "shipped", "nothing").err
