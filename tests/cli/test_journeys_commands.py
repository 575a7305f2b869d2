"""`siyu journeys`: what comes with the program can be used, and what is wrong with a file is told by its path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.shipped import LANGUAGES, list_shipped, read_shipped
from tests.cli.conftest import ROOT, Siyu

pytestmark = pytest.mark.first_case_on_both


def test_what_comes_with_the_program_can_be_used(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    table = siyu("journeys", "shipped").out
    assert "新客 7 天" in table
    assert "Birthday" in siyu("journeys", "shipped", "--language", "en").out
    file = tmp_path / "journey.json"
    for name in list_shipped("journeys"):
        assert name in table
        shapes = []
        for language in LANGUAGES:
            told = siyu("journeys", "shipped", name, "--language", language)
            file.write_text(told.out, "utf-8")
            assert told.json == read_shipped("journeys", name, language)
            said = siyu("journeys", "check", file, "--from", "2026-03-04T11:00", config=config)
            assert said.code == 0, (name, said.err)
            shapes.append([(step["key"], step.get("when")) for step in told.json["steps"]])
        assert shapes[0] == shapes[1], name
    file.write_text(siyu("journeys", "shipped", "new_customer").out, "utf-8")
    checked = siyu("journeys", "check", file, "--from", "2026-03-04T11:00", config=config).out
    assert "day_two    task  2026-03-05 10:30 Thu" in checked
    assert "day_four   task  2026-03-07 19:30 Sat" in checked


def test_the_documents_example_can_be_used(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "journeys.md").read_text("utf-8")
    file = tmp_path / "journey.json"
    file.write_text(page.partition("```json\n")[2].partition("```")[0], "utf-8")
    told = siyu("journeys", "check", file, config=config)
    assert told.code == 0, told.err


def test_what_is_wrong_is_told_by_its_path(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    assert siyu("journeys", "shipped", "nothing").code == 2
    assert "birthday" in siyu("journeys", "shipped", "nothing").err
    assert "zh, en" in siyu("journeys", "shipped", "--language", "fr").err
    file = tmp_path / "journey.json"
    content = {
        "text": "{{ customer_name }}{{ time_of_day }}",
        "attachments": [{"msgtype": "file", "file": {"media": "x"}}],
    }
    bad = {
        "name": "x",
        "trigger": {"on": "date_field", "field": "expires"},
        "audience": {"not": {"tags": {"tag_ids": ["nobody"]}}},
        "goal": {"on": "tagged", "tag_id": "nobody"},
        "stops": [{"on": "clicked", "link": "none"}],
        "excluded_userids": ["nobody"],
        "steps": [
            {"key": "a", "action": {"do": "task", "content": content}},
            {"key": "b", "action": {"do": "broadcast", "content": {"text": "{{ customer_name }}"}}},
            {"key": "c", "action": {"do": "tags", "put_on": ["nobody"]}},
            {"key": "d", "action": {"do": "field", "field": "level", "value": 1}},
            {"key": "e", "action": {"do": "broadcast", "content": {}}},
            {"key": "f", "action": {"do": "webhook", "url": "https://crm.example.com/"}},
        ],
    }
    file.write_text(json.dumps(bad), "utf-8")
    told = siyu("journeys", "check", file, config=config)
    assert told.code == 2
    for path in (
        "trigger.field", "audience.not.tags.tag_ids", "goal.tag_id", "stops[0].link", "excluded_userids",
        "steps[0].action.content.text", "steps[0].action.content.attachments[0].file.media",
        "steps[1].action.content.text", "steps[2].action.put_on", "steps[3].action.field", "steps[4].action.content",
        "steps[5].action",
    ):  # fmt: skip
        assert f"{path}: " in told.err, (path, told.err)
    file.write_text("[]", "utf-8")
    assert siyu("journeys", "check", file, config=config).code == 2


def test_a_journey_is_made_changed_and_over(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "journey.json"
    file.write_text(siyu("journeys", "shipped", "birthday").out, "utf-8")
    assert "There is no journey" in siyu("journeys", "list", config=config).out
    made = siyu("journeys", "make", file, config=config)
    assert (made.code, "siyu journeys start 1" in made.out) == (0, True), made.err
    assert siyu("journeys", "pause", 1, config=config).code != 0
    assert siyu("journeys", "existing", 1, config=config).code != 0
    assert "Journey 1" in siyu("journeys", "start", 1, config=config).out
    assert siyu("journeys", "list", "--json", config=config).json[0]["status"] == "running"
    assert "so far for 0 customers" in siyu("journeys", "existing", 1, config=config).out

    said = siyu("journeys", "show", 1, "--file", config=config).json
    file.write_text(json.dumps({**said, "name": "生日\n祝福"}), "utf-8")
    assert "name: " in siyu("journeys", "edit", 1, file, config=config).err
    file.write_text(json.dumps({**said, "name": "生日祝福"}), "utf-8")
    assert "version 2" in siyu("journeys", "edit", 1, file, config=config).out
    assert siyu("journeys", "edit", 1, file, config=config).code != 0, "it was read before the change"
    assert siyu("journeys", "show", 1, config=config).json["definition"]["name"] == "生日祝福"
    assert "0 customers would go on with version 2" in siyu("journeys", "move", 1, "--dry-run", config=config).out
    assert siyu("journeys", "move", 1, "--step", "one", config=config).code == 2
    assert "not on journey 1" in siyu("journeys", "withdraw", 1, "wmA", config=config).err
    assert "would begin" in siyu("journeys", "simulate", 1, "--days", 3, config=config).out
    assert "0 began" in siyu("journeys", "statistics", 1, config=config).out
    assert "There is no such customer" in siyu("journeys", "explain", "wmA", config=config).err
    assert "Not on it: wmA" in siyu("journeys", "enrol", 1, "wmA", config=config).out
    assert siyu("journeys", "enrol", 1, config=config).code == 2
    assert "all of its audience" in siyu("journeys", "enrol", 1, "--existing", config=config).out
    for act, becomes in (("pause", "paused"), ("close", "closed"), ("resume", "running"), ("stop", "stopped")):
        assert f"is {becomes}" in siyu("journeys", act, 1, config=config).out
    assert siyu("journeys", "show", 2, config=config).code != 0
