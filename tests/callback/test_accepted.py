"""What WeCom sends, as it really sends it, is verified, stored and acknowledged."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from bot import sandbox
from bot.config import CallbackSettings, CompanySettings, Settings
from bot.wecom.event_xml import parse_event
from tests.callback.conftest import Target, make_settings, running
from tests.callback.wecom import CORPID, Sender, edit, event
from tests.conftest import Urls
from tests.wecom_client.callback_vectors import VECTORS, Vector

SENDER = Sender()
FIXTURES = sorted((Path(sandbox.__file__).parent / "fixtures").glob("*.xml"))


def _settings_of(urls: Urls, vector: Vector) -> Settings:
    callback = CallbackSettings(
        token=SecretStr(vector.token), encoding_aes_key=SecretStr(vector.encoding_aes_key), path="/wecom/app"
    )
    return make_settings(urls, callback).model_copy(update={"company": CompanySettings(corpid=vector.corpid)})


@pytest.mark.first_case_on_both
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.signature[:8])
async def test_published_vectors(vector: Vector, urls: Urls, log: io.StringIO) -> None:
    async with running(_settings_of(urls, vector), log) as target:
        query = f"msg_signature={vector.signature}&timestamp={vector.timestamp}&nonce={vector.nonce}"
        if vector.what == "URL verification":
            answer = await target.get(f"/wecom/app?{query}&echostr={quote(vector.encrypt, safe='')}")
            assert answer == (200, vector.plaintext.encode())
        else:
            body = Sender(corpid=vector.corpid).envelope(vector.encrypt, "218")
            assert await target.post(f"/wecom/app?{query}", body) == (200, b"")
            (stored,) = await target.events()
            assert stored["body"] == vector.plaintext


async def test_an_echostr_with_plus_signs_may_come_escaped_only(target: Target) -> None:
    """`+` is a space in a query: WeCom escapes it, and what does not escape it is not signed by WeCom."""
    encrypted = next(text for text in (SENDER.encrypt(b"5927782489442352469") for _ in range(500)) if "+" in text)
    query = SENDER.query(encrypted)
    assert (await target.get(f"/callback?{query}&echostr={quote(encrypted, safe='')}"))[0] == 200
    assert (await target.get(f"/callback?{query}&echostr={encrypted}"))[0] == 403


async def test_the_answer_to_a_verification_is_the_text_and_nothing_else(target: Target) -> None:
    encrypted = SENDER.encrypt(b"1616140317555161061")
    async with target.http.get(target.bot.url + SENDER.url(encrypted, echostr=encrypted)) as response:
        assert await response.read() == b"1616140317555161061"
        assert response.content_type == "text/plain"


async def test_every_event_shape_is_stored_with_its_kind(target: Target) -> None:
    assert len(FIXTURES) > 80
    for fixture in FIXTURES:
        xml = fixture.read_bytes().strip()
        assert await target.post(*SENDER.post(xml)) == (200, b""), fixture.name
    stored = {each["body"]: each for each in await target.events()}
    for fixture in FIXTURES:
        text = fixture.read_text("utf-8").strip()
        head = fixture.stem.split("__")
        expected = f"{head[0]}.{head[1]}" if head[0].startswith(("change_", "customer_acq", "message")) else head[0]
        assert stored[text]["kind"] == parse_event(text).kind
        if not fixture.stem.startswith("unknown"):
            assert stored[text]["kind"] == expected
            assert stored[text]["disposition"] in ("queued", "ignored"), f"{expected} is unhandled"
    assert target.lines("unhandled"), "the unknown event is reported"


async def test_elements_may_come_in_any_order_with_or_without_cdata(target: Target) -> None:
    number = 0
    for order in permutations(("to", "encrypt", "agent")):
        for cdata in (True, False):
            number += 1
            encrypted = SENDER.encrypt(edit(number).encode())
            wrap = "<![CDATA[{}]]>" if cdata else "{}"
            parts = {
                "to": f"<ToUserName>{wrap.format(CORPID)}</ToUserName>",
                "encrypt": f"<Encrypt>{wrap.format(encrypted)}</Encrypt>",
                "agent": f"<AgentID>{wrap.format('1000002')}</AgentID>",
            }
            body = f"<xml>\n {' '.join(parts[name] for name in order)}\n</xml>\n".encode()
            assert await target.post(SENDER.url(encrypted), body) == (200, b"")
    assert len(await target.events()) == number


async def test_agentid_absent_empty_or_filled(target: Target) -> None:
    for agentid in (None, "", "1000002"):
        encrypted = SENDER.encrypt(edit().encode())
        assert (await target.post(SENDER.url(encrypted), SENDER.envelope(encrypted, agentid)))[0] == 200, agentid


async def test_unknown_elements_outside_and_inside_are_accepted(target: Target) -> None:
    several = (
        "<Extra>1</Extra>",
        "<Extra><Deep><Deeper>1</Deeper></Deep></Extra>",
        "<TimeStamp>1</TimeStamp><Nonce>2</Nonce><MsgSignature>3</MsgSignature>",
        "<AgentType><![CDATA[]]></AgentType>",
        "<!-- a comment -->",
    )
    for number, more in enumerate(several, 1):
        inner = edit().replace("</xml>", more + "</xml>").encode()
        encrypted = SENDER.encrypt(inner)
        body = SENDER.envelope(encrypted).replace(b"</xml>", more.encode() + b"</xml>")
        assert (await target.post(SENDER.url(encrypted), body))[0] == 200, more
        stored = await target.events()
        assert len(stored) == number, more
        assert stored[0]["kind"] == "change_external_contact.edit_external_contact"


async def test_an_event_without_sender_or_time_is_accepted(target: Target) -> None:
    xml = edit().replace("<FromUserName><![CDATA[sys]]></FromUserName>", "")
    xml = xml.replace("<CreateTime><![CDATA[1700000000]]></CreateTime>", "")
    assert (await target.post(*SENDER.post(xml)))[0] == 200


async def test_an_xml_declaration_and_a_byte_order_mark_are_accepted(target: Target) -> None:
    for number, start in enumerate((b'<?xml version="1.0" encoding="UTF-8"?>', b"\xef\xbb\xbf", b"\n \n")):
        inner = (start if start != b"\n \n" else b"") + edit(number).encode()
        encrypted = SENDER.encrypt(inner)
        assert (await target.post(SENDER.url(encrypted), start + SENDER.envelope(encrypted)))[0] == 200


async def test_the_query_may_hold_more_and_the_content_type_may_be_anything(target: Target) -> None:
    for number, content_type in enumerate(("application/xml", "application/x-www-form-urlencoded", "text/plain")):
        path, body = SENDER.post(edit(number))
        status, _ = await target.post(f"{path}&from=wecom", body, headers={"Content-Type": content_type})
        assert status == 200


async def test_each_callback_has_its_own_path_token_and_key(urls: Urls, log: io.StringIO) -> None:
    one = replace(SENDER, path="/callback/one")
    two = Sender("token2", "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", CORPID, "/callback/two")
    callbacks = [
        CallbackSettings(
            name=f"app{number}",
            path=sender.path,
            token=SecretStr(sender.token),
            encoding_aes_key=SecretStr(sender.aes_key),
        )
        for number, sender in enumerate((one, two))
    ]
    async with running(make_settings(urls, *callbacks), log) as target:
        assert (await target.post(*one.post(edit(1))))[0] == 200
        assert (await target.post(*two.post(edit(2))))[0] == 200
        path, body = one.post(edit(3))
        assert (await target.post(path.replace("one", "two"), body))[0] == 403
        assert sorted(each["callback"] for each in await target.events()) == ["app0", "app1"]


async def test_a_repeat_is_acknowledged_and_stored_once(target: Target) -> None:
    for _ in range(4):  # WeCom makes the ciphertext anew for every try
        assert (await target.post(*SENDER.post(event("enter_agent"))))[0] == 200
    (stored,) = await target.events()
    assert stored["repeats"] == 3


async def test_a_repeat_that_comes_at_the_same_moment_is_stored_once(target: Target) -> None:
    posts = [SENDER.post(event("enter_agent")) for _ in range(20)]
    answers = await asyncio.gather(*(target.post(*post) for post in posts))
    assert {status for status, _ in answers} == {200}
    (stored,) = await target.events()
    assert stored["repeats"] == 19
