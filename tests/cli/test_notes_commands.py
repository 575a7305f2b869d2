"""`siyu notes`: noted, read and handed out from a terminal, and written down like everywhere else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from data.db import Database
from data.queries import audit
from tests.cli.conftest import Siyu
from tests.staff_tasks import add_contact, add_staff


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_notes_are_kept_read_and_handed_out(siyu: Siyu, config: Path, db: Database) -> None:
    def fill(session: Session) -> None:
        add_staff(session, datetime.now(UTC), "ann")
        add_contact(session, datetime.now(UTC), "wm1", "ann")

    await db.write(fill)
    await asyncio.to_thread(_act, siyu, config)
    entries = await db.read(lambda session: audit.list_entries(session, limit=9))
    assert [(each.action, each.who.startswith("siyu")) for each in entries] == [
        ("customers.note_remove", True), ("customers.next_contact", True), ("customers.note", True),
        ("customers.note", True),
    ]  # fmt: skip
    assert entries[0].before is not None
    assert entries[0].before["words"] == "喜欢绿茶"
    assert {each.external_userid for each in entries} == {"wm1"}


def _act(siyu: Siyu, config: Path) -> None:
    soon = (datetime.now(UTC) + timedelta(days=30)).date()
    assert "siyu notes add" in siyu("notes", "list", "wm1", config=config).out
    assert siyu("notes", "add", "wm1", "喜欢绿茶", "-u", "ann", config=config).out == "Note 1 is kept.\n"
    again = siyu("notes", "add", "wm1", "周五\x1b[31m\n回电", "-u", "ann", "--next", soon, config=config)
    assert again.out == "Note 2 is kept.\n"
    listed = siyu("notes", "list", "wm1", config=config).out
    assert "喜欢绿茶" in listed
    assert f"Next contact: {soon} by ann" in listed
    assert "\x1b" not in listed
    assert [each["id"] for each in siyu("notes", "list", "wm1", "--json", "-n", 1, config=config).json] == [2]
    assert "any more" in siyu("notes", "next", "wm1", "-u", "ann", config=config).out
    for wrong in (
        ("add", "wm1", "x", "-u", "bob"), ("add", "wm1", " ", "-u", "ann"), ("add", "wm1", "x" * 1001, "-u", "ann"),
        ("next", "wm1", "-u", "ann", "--on", "tomorrow"), ("next", "wm1", "-u", "ann", "--on", "2020-01-01"),
        ("remove", "wm1", "9"), ("add", "wm2", "x", "-u", "ann"),
    ):  # fmt: skip
        refused = siyu("notes", *wrong, config=config)
        assert (refused.code, refused.err != "") == (2, True), wrong
    assert siyu("notes", "remove", "wm1", 1, config=config).out == "Note 1 is removed.\n"
    told = siyu("notes", "export", "wm1", config=config).json
    assert [each["id"] for each in told["notes"]] == [2]
    assert [each["due_on"] for each in told["next_contacts"]] == []
