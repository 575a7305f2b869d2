"""The words of pages for staff: the same in both languages, and none is missing that a page asks for."""

from __future__ import annotations

import json
import re
from typing import get_args

from bot.console.pages import LANGUAGES, folder
from data.models import EndReason
from data.rules.messages import Attachment
from data.rules.staff_tasks import NO_WORDS, MoveReason

TEXTS = {each: json.loads((folder() / f"texts.{each}.json").read_text("utf-8")) for each in LANGUAGES}
PAGES = "".join(path.read_text("utf-8") for path in sorted(folder().glob("*.html")))


def test_both_languages_say_the_same_things_about_the_same_values() -> None:
    zh, en = TEXTS["zh"], TEXTS["en"]
    assert zh.keys() == en.keys()
    for key in zh:
        assert sorted(re.findall(r"{\w+}", zh[key])) == sorted(re.findall(r"{\w+}", en[key])), key


def test_every_text_that_a_page_asks_for_is_there_and_none_is_left_over() -> None:
    asked = set(re.findall(r't\("([\w.]+)"[,)]', PAGES))
    begun = set(re.findall(r't\("([\w.]+\.)" \+', PAGES))
    assert asked <= TEXTS["zh"].keys()
    assert [key for key in TEXTS["zh"] if key not in asked and not key.startswith(tuple(begun))] == []


def test_every_way_in_which_a_task_ends_and_every_attachment_has_words() -> None:
    ended = {f"ended.{each.value}" for each in EndReason if each is not EndReason.FINISHED} | {f"ended.{NO_WORDS}"}
    moved = {f"moved.{each.value}" for each in MoveReason}
    kinds = {f"kind.{each.model_fields['msgtype'].default}" for each in get_args(get_args(Attachment)[0])}
    assert len(kinds) == 5
    assert ended | moved | kinds <= TEXTS["zh"].keys()


def test_pages_hold_no_script_no_style_and_nothing_from_elsewhere() -> None:
    assert re.findall(r"<script(?! src=\"(?:/staff/files/\w+\.js|\{\{ wecom_js \}\})\" defer></script>)", PAGES) == []
    assert re.findall(r"\s(?:on\w+|style)=|<style|https?://|\| *safe", PAGES) == []
