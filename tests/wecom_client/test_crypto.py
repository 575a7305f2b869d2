"""Callback cryptography: published vectors, wechatpy as a second opinion, and hostile input."""

from __future__ import annotations

import base64
import hashlib
import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.work.crypto import PrpCrypto, WeChatCrypto

from bot.errors import ConfigurationError
from bot.wecom.crypto import CallbackCrypto, Envelope, parse_envelope
from bot.wecom.errors import BadCallbackError
from tests.wecom_client.callback_vectors import VECTORS, Vector

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CORPID = "ww0123456789abcdef"
CRYPTO = CallbackCrypto("token", KEY, CORPID)
AES_KEY = base64.b64decode(KEY + "=")


def crypto_of(vector: Vector) -> CallbackCrypto:
    return CallbackCrypto(vector.token, vector.encoding_aes_key, vector.corpid, random16=lambda: vector.random16)


def reason_of(encrypt: str, signature: str | None = None) -> str:
    """Why CRYPTO refuses this ciphertext, correctly signed unless a signature is given."""
    with pytest.raises(BadCallbackError) as refused:
        CRYPTO.decrypt(encrypt, CRYPTO.sign("1", "2", encrypt) if signature is None else signature, "1", "2")
    return refused.value.reason


def encrypted(padded: bytes) -> str:
    """Any plaintext, padding and all, under CRYPTO's key."""
    return base64.b64encode(PrpCrypto(AES_KEY).cipher.encrypt(padded)).decode()


def packed(message: bytes, receiver: bytes = CORPID.encode(), length: int | None = None) -> bytes:
    content = b"r" * 16 + (len(message) if length is None else length).to_bytes(4, "big") + message + receiver
    padding = 32 - len(content) % 32
    return content + bytes([padding]) * padding


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.what)
def test_published_vector_is_read(vector: Vector) -> None:
    crypto = crypto_of(vector)

    plaintext = crypto.decrypt(vector.encrypt, vector.signature, vector.timestamp, vector.nonce)

    assert plaintext == vector.plaintext


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.what)
def test_published_vector_is_made(vector: Vector) -> None:
    crypto = crypto_of(vector)

    assert crypto.encrypt(vector.plaintext) == vector.encrypt
    assert crypto.sign(vector.timestamp, vector.nonce, vector.encrypt) == vector.signature


def test_url_verification_answers_the_bare_message() -> None:
    vector = next(vector for vector in VECTORS if vector.what == "URL verification")

    answer = crypto_of(vector).verify_url(vector.signature, vector.timestamp, vector.nonce, vector.encrypt)

    assert answer == vector.plaintext


@given(message=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_message_survives(message: str) -> None:
    encrypt = CRYPTO.encrypt(message)

    assert CRYPTO.decrypt(encrypt, CRYPTO.sign("1", "2", encrypt), "1", "2") == message


@given(message=st.text(min_size=1, alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_reply_is_read_by_wechatpy(message: str) -> None:
    reply = CRYPTO.encrypt_reply(message, "1409659813", "nonce")

    theirs = WeChatCrypto("token", KEY, CORPID)
    signature = reply.split("<MsgSignature><![CDATA[")[1].split("]]>")[0]
    assert theirs.decrypt_message(reply, signature, "1409659813", "nonce") == message


def test_wrong_signature_is_refused() -> None:
    encrypt = CRYPTO.encrypt("<xml/>")
    good = CRYPTO.sign("1", "2", encrypt)

    for bad in ("", good[:-1], good + "0", good.upper(), "é" * 40, "\ud800"):
        assert reason_of(encrypt, bad) == "signature"


def test_each_fault_has_its_reason() -> None:
    assert reason_of("not base64!") == "base64"
    assert reason_of("中文") == "base64"
    assert reason_of("\ud800") == "base64"
    assert reason_of(CRYPTO.encrypt("<xml/>")[:4] + "!" + CRYPTO.encrypt("<xml/>")[4:]) == "base64"
    assert reason_of("") == "length"
    assert reason_of(CRYPTO.encrypt("<xml/>")[:-20]) == "length"
    assert reason_of(encrypted(b"x" * 31 + b"\0")) == "padding"
    assert reason_of(encrypted(b"x" * 31 + b"\x21")) == "padding"
    assert reason_of(encrypted(b"x" * 30 + b"\x03\x02")) == "padding"
    assert reason_of(encrypted(b"\x20" * 32)) == "padding"
    assert reason_of(encrypted(packed(b"<xml/>", length=7_000))) == "length"
    assert reason_of(encrypted(packed(b"<xml/>", length=2**32 - 1))) == "length"
    assert reason_of(encrypted(packed(b"<xml/>", length=5))) == "receiver"
    assert reason_of(encrypted(packed(b"<xml/>", receiver=b"ww-another"))) == "receiver"
    assert reason_of(encrypted(packed(b"<xml/>", receiver=b""))) == "receiver"
    assert reason_of(encrypted(packed(b"\xff\xfe"))) == "encoding"
    assert reason_of(encrypted(packed(b"<xml>\0</xml>"))) == "encoding"


def test_random_bytes_need_not_be_text() -> None:
    crypto = CallbackCrypto("token", KEY, CORPID, random16=lambda: b"\xff\x00" * 8)
    encrypt = crypto.encrypt("你好")

    assert CRYPTO.decrypt(encrypt, CRYPTO.sign("1", "2", encrypt), "1", "2") == "你好"


@given(data=st.data())
def test_mutated_ciphertext_never_raises_anything_else(data: st.DataObject) -> None:
    original = bytearray(base64.b64decode(CRYPTO.encrypt("<xml><Event>你好</Event></xml>" * 3)))
    for _ in range(data.draw(st.integers(0, 4))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(original)))
    encrypt = base64.b64encode(original[:cut]).decode() + data.draw(st.text(max_size=3))
    signature = data.draw(st.one_of(st.text(), st.just(CRYPTO.sign("1", "2", encrypt))))

    with suppress(BadCallbackError):
        assert isinstance(CRYPTO.decrypt(encrypt, signature, "1", "2"), str)


@given(padded=st.binary(max_size=200).map(lambda content: content + b"\x01" * (-len(content) % 16 or 16)))
def test_any_plaintext_under_the_right_key_never_raises_anything_else(padded: bytes) -> None:
    encrypt = encrypted(padded)

    with pytest.raises(BadCallbackError):
        CRYPTO.decrypt(encrypt, CRYPTO.sign("1", "2", encrypt), "1", "2")


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "A", KEY[:-1] + "!", KEY[:-1] + "é"])
def test_key_of_wrong_shape_is_a_configuration_error(key: str) -> None:
    with pytest.raises(ConfigurationError, match="EncodingAESKey must have 43 letters and digits") as refused:
        CallbackCrypto("token", key, CORPID)
    assert key == "" or key not in str(refused.value)


def test_key_with_trailing_bits_is_taken() -> None:
    crypto = CallbackCrypto("token", KEY[:-1] + "D", CORPID)

    encrypt = crypto.encrypt("x")

    assert crypto.decrypt(encrypt, crypto.sign("1", "2", encrypt), "1", "2") == "x"


def test_empty_token_or_corpid_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="Token"):
        CallbackCrypto("", KEY, CORPID)
    with pytest.raises(ConfigurationError, match="corpid"):
        CallbackCrypto("token", KEY, "")


# The envelope.


@pytest.mark.parametrize(
    "body",
    [
        "<xml><ToUserName><![CDATA[ww1]]></ToUserName><AgentID><![CDATA[218]]></AgentID><Encrypt><![CDATA[abc]]></Encrypt></xml>",
        "<xml>\n <Encrypt>abc</Encrypt>\n <AgentID>218</AgentID>\n <ToUserName>ww1</ToUserName>\n</xml>",
        "<?xml version='1.0' encoding='GBK'?>"
        "<xml><ToUserName>ww1</ToUserName><Encrypt>\nabc\n</Encrypt><AgentID>218</AgentID></xml>",
        "\ufeff<xml><ToUserName>ww1</ToUserName><AgentID>218</AgentID><Encrypt>a<![CDATA[b]]>c</Encrypt></xml>",
        "<xml><New><Encrypt>no</Encrypt></New><ToUserName>ww1</ToUserName><AgentID>218</AgentID>"
        "<!-- --><Encrypt>abc</Encrypt></xml>",
    ],
    ids=["official", "reordered", "declared otherwise", "byte order mark", "unknown elements"],
)  # fmt: skip
def test_envelope_is_read_in_every_shape(body: str) -> None:
    assert parse_envelope(body.encode()) == Envelope("ww1", "218", "abc")


@pytest.mark.parametrize("agentid", ["<AgentID><![CDATA[]]></AgentID>", "<AgentID/>", "<AgentID></AgentID>", ""])
def test_agentid_may_be_empty_or_absent(agentid: str) -> None:
    body = f"<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt><![CDATA[abc]]></Encrypt>{agentid}</xml>"

    assert parse_envelope(body.encode()).agentid == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "xml"),
        (b"hello", "xml"),
        (b"<xml><Encrypt>abc</Encrypt>", "xml"),
        (b"<xml><Encrypt>abc</Encrypt></xml><xml/>", "xml"),
        (b"<xml><Encrypt>a<b/>c</Encrypt></xml>", "xml"),
        (b"<html><Encrypt>abc</Encrypt></html>", "xml"),
        (b"<xml><Encrypt>&unknown;</Encrypt></xml>", "xml"),
        (b"<xml><Encrypt>\xff</Encrypt></xml>", "xml"),
        (b"<xml>" + b"<a>" * 20 + b"</a>" * 20 + b"<Encrypt>abc</Encrypt></xml>", "xml"),
        (b"<xml/>", "missing"),
        (b"<xml><Encrypt> </Encrypt></xml>", "missing"),
        (b"<xml><encrypt>abc</encrypt></xml>", "missing"),
        (b"<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>", "duplicate"),
        (b"<!DOCTYPE xml><xml><Encrypt>abc</Encrypt></xml>", "entities"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><xml><Encrypt>&a;</Encrypt></xml>', "entities"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml><Encrypt>a</Encrypt></xml>', "entities"),
        (b"<xml><Encrypt>" + b"a" * 300_000 + b"</Encrypt></xml>", "size"),
    ],
)
def test_envelope_that_is_not_wecoms_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadCallbackError) as refused:
        parse_envelope(body)
    assert refused.value.reason == reason


@given(data=st.data())
def test_mutated_envelope_never_raises_anything_else(data: st.DataObject) -> None:
    body = bytearray(b"<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt><![CDATA[abc]]></Encrypt><AgentID/></xml>")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=8))

    with suppress(BadCallbackError):
        assert isinstance(parse_envelope(bytes(body)), Envelope)


@given(body=st.binary(max_size=300))
def test_any_bytes_never_raise_anything_else(body: bytes) -> None:
    with pytest.raises(BadCallbackError):
        parse_envelope(body)


def test_refusal_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(BadCallbackError("padding", "words")))

    assert (error.reason, error.message) == ("padding", "words")


def test_signature_is_over_the_sorted_parts() -> None:
    expected = hashlib.sha1(b"12ab3token", usedforsecurity=False).hexdigest()

    assert CRYPTO.sign("3", "12", "ab") == hashlib.sha1(b"123abtoken", usedforsecurity=False).hexdigest()
    assert CRYPTO.sign("3", "12", "ab") != expected
