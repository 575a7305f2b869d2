"""`siyu import` and `siyu imports` from a terminal."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import Session

from data.db import Database
from data.models import Customer, FieldDefinition
from tests.cli.conftest import Siyu

NOW = datetime(2026, 3, 4, tzinfo=UTC)


async def test_a_file_is_checked_decided_and_left_to_the_bot(
    siyu: Siyu, config: Path, db: Database, tmp_path: Path
) -> None:
    def prepare(session: Session) -> None:
        session.add_all(Customer(external_userid=f"wm{number}", first_seen_at=NOW) for number in (1, 2))
        session.add(FieldDefinition(name="city", title="城市", kind="text", created_at=NOW))

    await db.write(prepare)
    await asyncio.to_thread(_act, siyu, config, tmp_path / "old tool.csv")


def _act(siyu: Siyu, config: Path, file: Path) -> None:
    assert siyu("imports", "list", config=config).out == "No import yet: siyu import customers.csv\n"
    assert siyu("import", file, config=config).code == 2
    file.write_bytes(b"%PDF\0\xff")
    refused = siyu("import", file, config=config)
    assert (refused.code, "不是文字文件" in refused.err) == (2, True)
    file.write_text("客户ID,住在,城市\nwm1,上海,\nwm9,北京,\nwm2,长,x\n=1,a,b c\n", "utf-8")
    wrong = siyu("import", file, "--column", "没有=name", config=config)
    assert (wrong.code, "the headings are 客户ID, 住在, 城市" in wrong.err) == (2, True)
    told = siyu("import", file, "--column", "城市=", "--column", "住在=field.city", config=config).out
    assert "住在 -> field.city" in told
    assert "rows: 2 ready, 2 review" in told
    (found, *_) = siyu("imports", "list", "--json", config=config).json
    number = found["id"]
    row = json.loads(siyu("imports", "rows", number, "--state", "review", config=config).out.splitlines()[0])
    assert (row["line"], row["cells"][1], row["people"]) == (3, "北京", [])
    rejected = siyu("imports", "rejected", number, config=config).out.splitlines()
    assert (rejected[0], len(rejected)) == ("客户ID,住在,城市,行号,原因", 3)
    assert any(each.startswith("'=1,") for each in rejected)
    assert siyu("imports", "rows", number, "--state", "nothing", config=config).code == 2
    assert siyu("imports", "decide", number, 3, config=config).out == "Line 3 is left out.\n"
    assert siyu("imports", "start", number, config=config).code == 2, "it is to be checked once more"
    assert siyu("imports", "show", number, "--json", config=config).json["states"]["left_out"] == 1
    told = siyu("import", file, "--column", "城市=", "--column", "住在=field.city", "--start", config=config).out
    assert ": running," in told
    assert siyu("imports", "cancel", number, config=config).code == 0
