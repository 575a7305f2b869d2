"""`siyu segments`: kept, counted, sampled and explained."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from data.db import Database
from tests.api.test_segments import make_follows
from tests.cli.conftest import Siyu


async def test_a_segment_is_kept_and_asked(siyu: Siyu, config: Path, db: Database, tmp_path: Path) -> None:
    await db.write(make_follows)
    await asyncio.to_thread(_ask, siyu, config, tmp_path)


def _ask(siyu: Siyu, config: Path, folder: Path) -> None:
    assert siyu("segments", "list", config=config).out == "There is no segment.\n"
    file = folder / "tagged.json"
    file.write_text(json.dumps({"tags": {"tag_ids": ["seg1"]}}), "utf-8")
    added = siyu("segments", "add", file, "--name", "贵宾", config=config)
    assert (added.code, added.out) == (0, "Segment 1 贵宾 added.\n")
    assert siyu("segments", "show", 1, config=config).json["definition"]["tags"]["tag_ids"] == ["seg1"]
    assert "贵宾" in siyu("segments", "list", config=config).out
    assert siyu("segments", "list", "--json", config=config).json[0]["id"] == 1
    assert siyu("segments", "count", 1, config=config).out == "3\n"
    assert siyu("segments", "count", file, "--customers", config=config).out == "3\n"
    sample = siyu("segments", "sample", 1, "-n", 2, "--json", config=config).json
    assert len({each["follow_id"] for each in sample}) == 2
    assert sample == siyu("segments", "sample", 1, "-n", 2, "--json", config=config).json
    assert "wmseg" in siyu("segments", "sample", 1, config=config).out

    told = siyu("segments", "explain", 1, "--userid", "seg", "--customer", "wmseg4", config=config).out
    assert told == "It is not of the segment.\n✗ definition.tags\n"
    told = siyu("segments", "explain", file, "--userid", "seg", "--customer", "wmseg3", config=config).out
    assert "no contacts: deleted_by_customer" in told
    assert "✓ definition.tags" in told

    file.write_text(json.dumps({"not": {"tags": {"tag_ids": ["nobody"]}}}), "utf-8")
    for command in (("count", file), ("add", file, "--name", "x")):
        refused = siyu("segments", *command, config=config)
        assert refused.code == 2
        assert "definition.not.tags.tag_ids" in refused.err
    assert siyu("segments", "count", 99, config=config).code == 2
    assert siyu("segments", "delete", 1, "--yes", config=config).out == "Segment 1 贵宾 removed.\n"
