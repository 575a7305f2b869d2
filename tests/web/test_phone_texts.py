"""The page's words: complete in every language, and none that nobody says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bot.sandbox.phone import page_files
from bot.sandbox.server import ENDPOINTS

LANGUAGES = ("zh", "en")
#: Keys that are put together from data: their first part.
MADE_FROM_DATA = (
    "add_way.",
    "bot.",
    "call.",
    "error.",
    "event.",
    "flow.",
    "kf.event.",
    "kf.list.",
    "kind.",
    "moments.state.",
    "panel.",
    "result.",
    "standing.",
    "staff.confirm.",
    "task.state.",
    "task.status.",
    "tasks.to.",
)


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((page_files() / f"texts.{language}.json").read_text("utf-8"))
    return found


def sources() -> list[Path]:
    return sorted(path for path in page_files().iterdir() if path.suffix in (".js", ".html"))


def used() -> set[str]:
    found: set[str] = set()
    for path in sources():
        text = path.read_text("utf-8")
        found |= set(re.findall(r'\bt\("([^"]+)"', text)) | set(re.findall(r'data-t(?:-label)?="([^"]+)"', text))
        found |= {key for pair in re.findall(r'\bt\(\w+ \? "([^"]+)" : "([^"]+)"\)', text) for key in pair}
    return found


def test_languages_have_the_same_keys_and_values() -> None:
    chinese, english = texts("zh"), texts("en")
    assert chinese.keys() == english.keys()
    for key, text in chinese.items():
        assert text.strip(), key
        assert english[key].strip(), key
        named = set(re.findall(r"\{(\w+)\}", text))
        assert named == set(re.findall(r"\{(\w+)\}", english[key])), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_is_said_is_there_and_no_other(language: str) -> None:
    known = texts(language).keys()
    assert used() - known == set()
    assert {key for key in known - used() if not key.startswith(MADE_FROM_DATA)} == set()


def test_english_has_no_chinese_words() -> None:
    assert [key for key, text in texts("en").items() if re.search("[\u4e00-\u9fff]", text)] == []


def test_every_call_of_the_bot_can_be_said_in_words() -> None:
    known = texts("zh").keys()
    assert [endpoint.path for endpoint in ENDPOINTS if f"call.{endpoint.path}" not in known] == []


def test_data_never_becomes_markup() -> None:
    """The page builds elements from text; nothing reads a string as HTML, style or program."""
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "srcdoc")
    for path in sources():
        text = path.read_text("utf-8")
        assert [word for word in forbidden if word in text] == [], path.name
        assert not re.search(r"<style|<script(?! type=\"module\" src=)| style=| on\w+=\"", text), path.name
    for path in page_files().rglob("*.*"):
        if path.suffix != ".svg":
            elsewhere = re.findall(r"https?://(?!www\.w3\.org/)[\w.-]+\w", path.read_text("utf-8"))
            assert elsewhere == [], path.name
