"""The fixtures: one file per event shape."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bot.sandbox.errors import NotFoundError
from bot.sandbox.events import event_xml, list_fixtures, load_fixture, value_of, with_values


@pytest.mark.parametrize("name", list_fixtures())
def test_a_fixture_is_xml_and_says_what_its_name_says(name: str) -> None:
    plaintext = load_fixture(name)
    root = ET.fromstring(plaintext)
    event, *rest = name.split("__")
    if event == "unknown_event":
        return
    if event == "message":
        assert root.findtext("MsgType") == rest[0]
        return
    assert root.findtext("Event") == event
    if event.startswith("change_") or event == "customer_acquisition":
        assert root.findtext("ChangeType") == rest[0]


def test_the_shapes_that_are_most_often_got_wrong() -> None:
    kf = load_fixture("kf_msg_or_event")
    assert "FromUserName" not in kf
    assert "AgentID" not in kf
    assert "State" not in load_fixture("change_external_contact__add_external_contact__no_state")
    assert value_of(load_fixture("change_external_tag__shuffle__all_groups"), "Id") == ""
    assert "CDATA" not in load_fixture("message__text__no_cdata")
    assert load_fixture("enter_agent").index("AgentID") < load_fixture("enter_agent").index("<Event>")


def test_an_unknown_fixture() -> None:
    with pytest.raises(NotFoundError):
        load_fixture("../records")


def test_values_replace_contents_whatever_they_hold() -> None:
    plaintext = event_xml("ww1", "sys", 5, [("Name", "a"), ("Count", 1)])
    changed = with_values(plaintext, {"Name": "\\1 ]]> <b>", "Count": "2", "New": "x"})
    root = ET.fromstring(changed)
    assert root.findtext("Name") == "\\1 ]]> <b>"
    assert root.findtext("Count") == "2"
    assert root.findtext("New") == "x"
    assert root.findtext("ToUserName") == "ww1"


def test_text_that_xml_cannot_hold_is_left_out() -> None:
    assert ET.fromstring(event_xml("ww1", "sys", 5, [("Name", "a\x00b\ud800c")])).findtext("Name") == "abc"
