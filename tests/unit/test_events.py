"""Parsing of decrypted events: whatever WeCom's pushes look like, and whatever they do not."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wecom.event_xml import MalformedEventError, parse_event
from bot.wecom.events import (
    AddExternalContact,
    AppMessage,
    ChatUpdate,
    DelExternalContact,
    KfMsgOrEvent,
    UnknownEvent,
    known_kinds,
)

ADD = """<xml><WelcomeCode><![CDATA[CODE]]></WelcomeCode><UserID>lin</UserID>
<ChangeType>add_external_contact</ChangeType><Event><![CDATA[change_external_contact]]></Event><Extra><A>1</A><A>2</A></Extra>
<ExternalUserID><![CDATA[wm1]]></ExternalUserID><MsgType>event</MsgType><CreateTime>1700000000</CreateTime></xml>"""


def test_elements_in_any_order_with_or_without_cdata() -> None:
    event = parse_event(ADD)
    assert isinstance(event, AddExternalContact)
    assert (event.userid, event.external_userid, event.welcome_code, event.state) == ("lin", "wm1", "CODE", "")
    assert event.created_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert event.from_user == ""
    assert event.fields["Extra"] == {"A": ["1", "2"]}
    assert event.kind == "change_external_contact.add_external_contact"
    assert event.subject == "customer:wm1"


def test_an_add_without_its_ids_is_kept_as_unknown() -> None:
    event = parse_event(ADD.replace("<UserID>lin</UserID>", ""))
    assert isinstance(event, UnknownEvent)
    assert event.kind == "change_external_contact.add_external_contact"


def test_members_of_a_group_change() -> None:
    event = parse_event(
        "<xml><MsgType>event</MsgType><Event>change_external_chat</Event><ChangeType>update</ChangeType>"
        "<ChatId>wr1</ChatId><UpdateDetail>add_member</UpdateDetail><JoinScene>3</JoinScene>"
        "<MemChangeCnt>2</MemChangeCnt><MemChangeList><Item>wm1</Item><Item><![CDATA[wm2]]></Item></MemChangeList>"
        "<LastMemVer>a</LastMemVer><CurMemVer>b</CurMemVer></xml>"
    )
    assert isinstance(event, ChatUpdate)
    assert (event.members, event.join_scene, event.quit_scene, event.member_change_count) == (
        ("wm1", "wm2"),
        3,
        None,
        2,
    )


def test_who_deleted_whom() -> None:
    event = parse_event(
        "<xml><MsgType>event</MsgType><Event>change_external_contact</Event>"
        "<ChangeType>del_external_contact</ChangeType><UserID>lin</UserID><ExternalUserID>wm1</ExternalUserID>"
        "<Source>DELETE_BY_TRANSFER</Source></xml>"
    )
    assert isinstance(event, DelExternalContact)
    assert event.by_transfer


def test_customer_service_events_have_no_sender() -> None:
    event = parse_event(
        "<xml><ToUserName>ww</ToUserName><MsgType>event</MsgType><Event>kf_msg_or_event</Event>"
        "<Token>T</Token><OpenKfId>wk1</OpenKfId></xml>"
    )
    assert isinstance(event, KfMsgOrEvent)
    assert event.subject == "kf:wk1"
    assert "T" not in repr(event).replace("ToUser", "").replace("KfMsgOrEvent", "")


def test_messages_keep_their_64_bit_id() -> None:
    event = parse_event(
        "<xml><MsgType>text</MsgType><FromUserName>lin</FromUserName><Content>hi</Content>"
        "<MsgId>9223372036854775807</MsgId></xml>"
    )
    assert isinstance(event, AppMessage)
    assert (event.msg_id, event.kind) == ("9223372036854775807", "message.text")


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "text",
        "<xml>",
        "<xml>only text</xml>",
        '<!DOCTYPE xml [<!ENTITY a "b">]><xml><Event>&a;</Event></xml>',
        '<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml><A>1</A></xml>',
        "<xml>" + "<a>" * 40 + "</a>" * 40 + "</xml>",
    ],
)
def test_what_is_no_event_is_refused(xml: str) -> None:
    with pytest.raises(MalformedEventError):
        parse_event(xml)


def test_a_doctype_inside_a_customers_words_is_only_words() -> None:
    event = parse_event("<xml><MsgType>text</MsgType><Content><![CDATA[<!DOCTYPE html>]]></Content></xml>")
    assert isinstance(event, AppMessage)
    assert event.content == "<!DOCTYPE html>"


def test_kinds_are_told_once() -> None:
    assert len(known_kinds()) == len(set(known_kinds()))


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_text_is_an_event_or_refused(xml: str) -> None:
    with contextlib.suppress(MalformedEventError):
        parse_event(xml)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="<&\0", exclude_categories=["Cc", "Cs"]), max_size=40)
NAMES = st.sampled_from(
    ["Event", "ChangeType", "MsgType", "CreateTime", "UserID", "ExternalUserID", "ChatId", "MemChangeCnt", "JoinScene"]
)


@given(st.lists(st.tuples(NAMES, TEXT | st.sampled_from(["event", "update", "change_external_chat", "99999999999"]))))
def test_any_values_in_known_elements_are_an_event(elements: list[tuple[str, str]]) -> None:
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in elements)
    try:
        event = parse_event(f"<xml><A>1</A>{inside}</xml>")
    except MalformedEventError:
        return
    assert isinstance(event.kind, str)
    assert isinstance(event.subject + event.collapse_key, str)
