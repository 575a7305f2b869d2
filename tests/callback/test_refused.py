"""What is not from WeCom is refused: a clear 4xx, one log line, one counter, never a 5xx, never a traceback."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.callback.conftest import Target, make_settings, running
from tests.callback.wecom import CORPID, Sender, edit
from tests.conftest import Urls

SENDER = Sender()
BOMB = "<!DOCTYPE xml [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
OUTSIDE = "<!DOCTYPE xml [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
DEEP = "<a>" * 400 + "</a>" * 400


def no_traceback(target: Target) -> None:
    """Nothing in the log shows that something went wrong inside."""
    text = target.log.getvalue()
    assert "Traceback" not in text
    assert "Error handling request" not in text


def _posts() -> dict[str, tuple[str, bytes, int, str]]:
    """By name: path, body, expected status, expected reason."""
    path, body = SENDER.post(edit())
    encrypted = SENDER.encrypt(edit().encode())
    bare = path.partition("?")[0]
    query = dict(part.split("=") for part in path.partition("?")[2].split("&"))

    def signed(message: bytes, **how: object) -> tuple[str, bytes]:
        made = SENDER.encrypt(message, **how)  # type: ignore[arg-type]
        return SENDER.url(made), SENDER.envelope(made)

    def without(name: str) -> str:
        return bare + "?" + "&".join(f"{key}={value}" for key, value in query.items() if key != name)

    def enclosed(text: str) -> tuple[str, bytes]:
        return SENDER.url(text), SENDER.envelope(text)

    stranger = replace(SENDER, aes_key="kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR").encrypt(edit().encode())
    return {
        "wrong signature": (path.replace(query["msg_signature"], "0" * 40), body, 403, "signature"),
        "signature in capitals": (path.replace(query["msg_signature"], query["msg_signature"].upper()), body, 403,
                                  "signature"),
        "another token": (*replace(SENDER, token="other").post(edit()), 403, "signature"),
        "another timestamp": (path.replace("1409659813", "1409659814"), body, 403, "signature"),
        "signature of surrogates": (f"{without('msg_signature')}&msg_signature=%ED%A0%80", body, 403, "signature"),
        "signature not ASCII": (f"{without('msg_signature')}&msg_signature=%FF%FE%00", body, 403, "signature"),
        "another company": (*replace(SENDER, corpid="ww0000000000000000").post(edit()), 403, "receiver"),
        "no company": (*replace(SENDER, corpid="").post(edit()), 403, "receiver"),
        "another key": (SENDER.url(stranger), SENDER.envelope(stranger), 400, "padding"),
        "padding of zeros": (*signed(b"x" * 22, padding=b"\0" * 4), 400, "padding"),
        "padding too long": (*signed(b"x" * 21, padding=b"\xff" * 5), 400, "padding"),
        "length too long": (*signed(edit().encode(), length=2**32 - 1), 400, "length"),
        "length too short": (*signed(edit().encode(), length=3), 403, "receiver"),
        "cut ciphertext": (*enclosed(base64.b64encode(base64.b64decode(encrypted)[:-32]).decode()), 400, "padding"),
        "half a block": (*enclosed("QUJDREVG"), 400, "length"),
        "not base64": (*enclosed("%%%%"), 400, "base64"),
        "base64 in other letters": (*enclosed("密文"), 400, "base64"),
        "no signature": (without("msg_signature"), body, 400, "missing"),
        "no timestamp": (without("timestamp"), body, 400, "missing"),
        "no nonce": (without("nonce"), body, 400, "missing"),
        "no query": (bare, body, 400, "missing"),
        "an empty body": (path, b"", 400, "xml"),
        "not XML": (path, b"hello", 400, "xml"),
        "JSON": (path, b'{"encrypt": "x"}', 400, "xml"),
        "half the XML": (path, body[: len(body) // 2], 400, "xml"),
        "two roots": (path, body + body, 400, "xml"),
        "NUL bytes": (path, b"\0" * 100, 400, "xml"),
        "NUL inside": (path, body.replace(b"<Encrypt>", b"\0<Encrypt>"), 400, "xml"),
        "GBK": (path, "<xml><Encrypt>密</Encrypt></xml>".encode("gbk"), 400, "xml"),
        "surrogate bytes": (path, b"<xml><Encrypt>\xed\xa0\x80</Encrypt></xml>", 400, "xml"),
        "surrogate reference": (path, b"<xml><Encrypt>&#xD800;</Encrypt></xml>", 400, "xml"),
        "another root": (path, body.replace(b"<xml>", b"<html>").replace(b"</xml>", b"</html>"), 400, "xml"),
        "no Encrypt": (path, b"<xml><ToUserName>x</ToUserName></xml>", 400, "missing"),
        "empty Encrypt": (path, b"<xml><Encrypt></Encrypt></xml>", 400, "missing"),
        "two Encrypts": (path, body.replace(b"</xml>", b"<Encrypt>QUJD</Encrypt></xml>"), 400, "duplicate"),
        "entities outside": (path, BOMB.encode() + body, 400, "entities"),
        "a file outside": (path, OUTSIDE.encode() + body.replace(b"<Encrypt>", b"<Encrypt>&x;"), 400, "entities"),
        "deep outside": (path, f"<xml>{DEEP}</xml>".encode(), 400, "xml"),
        "entities inside": (*signed(BOMB.encode() + edit().replace("sys", "").encode()), 400, "event"),
        "a file inside": (*signed(OUTSIDE.encode() + b"<xml><Event>&x;</Event></xml>"), 400, "event"),
        "unknown entity inside": (*signed(b"<xml><Event>&x;</Event></xml>"), 400, "event"),
        "deep inside": (*signed(f"<xml>{DEEP}</xml>".encode()), 400, "event"),
        "not XML inside": (*signed(b"hello"), 400, "event"),
        "nothing inside": (*signed(b""), 400, "event"),
        "text inside": (*signed(b"<xml>hello</xml>"), 400, "event"),
        "NUL in the event": (*signed(b"<xml><Event>a\0b</Event></xml>"), 400, "encoding"),
        "event not UTF-8": (*signed("<xml><Event>密</Event></xml>".encode("gbk")), 400, "encoding"),
        "surrogate in the event": (*signed(b"<xml><Event>\xed\xa0\x80</Event></xml>"), 400, "encoding"),
        "surrogate reference in the event": (*signed(b"<xml><Event>&#xD800;</Event></xml>"), 400, "event"),
    }  # fmt: skip


async def test_every_bad_post_is_refused_with_its_reason(target: Target) -> None:
    for number, (name, (path, body, status, reason)) in enumerate(_posts().items(), 1):
        answer, text = await target.post(path, body)
        assert (answer, text.decode().partition(":")[0]) == (status, reason), name
        assert target.refused() == number, f"{name}: counted"
        lines = target.lines("refused")
        assert len(lines) == number, f"{name}: one line"
        assert f'"reason": "{reason}"' in lines[-1]
    assert await target.events() == []
    no_traceback(target)


async def test_every_bad_verification_is_refused(target: Target) -> None:
    encrypted = SENDER.encrypt(b"123")
    good = SENDER.url(encrypted, echostr=encrypted)
    stranger = replace(SENDER, corpid="wwother").encrypt(b"123")
    binary = SENDER.encrypt(b"\xff\xfe")
    cases = {
        "no echostr": (SENDER.url(encrypted), 400),
        "an empty echostr": (SENDER.url("", echostr=""), 400),
        "no query": ("/callback", 400),
        "wrong signature": (good.replace("msg_signature=", "msg_signature=0"), 403),
        "another company": (SENDER.url(stranger, echostr=stranger), 403),
        "not base64": (SENDER.url("abc", echostr="abc"), 400),
        "not text": (SENDER.url(binary, echostr=binary), 400),
    }
    for number, (name, (path, status)) in enumerate(cases.items(), 1):
        assert (await target.get(path))[0] == status, name
        assert target.refused() == number, name
        assert len(target.lines("refused")) == number, name
    no_traceback(target)


async def test_secrets_and_contents_stay_out_of_the_log_and_the_answers(target: Target) -> None:
    for path, body, _, _ in _posts().values():
        _, answer = await target.post(path, body)
        assert b"zhangsan" not in answer
    text = target.log.getvalue()
    for secret in (SENDER.token, SENDER.aes_key, "zhangsan", "s" * 43):
        assert secret not in text


async def test_a_large_body_is_refused_whether_announced_or_not(urls: Urls, log: io.StringIO) -> None:
    async with running(make_settings(urls, max_body_bytes=10_000), log) as target:
        path, body = SENDER.post(edit())
        large = body.replace(b"</xml>", b" " * 20_000 + b"</xml>")
        assert (await target.post(path, large))[0] == 413

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(large), 1000):
                yield large[start : start + 1000]

        assert (await target.post(path, pieces()))[0] == 413  # type: ignore[arg-type]
        assert (await target.post(path, gzip.compress(large), headers={"Content-Encoding": "gzip"}))[0] == 413
        assert target.refused() == 3
        assert (await target.post(path, body))[0] == 200
        no_traceback(target)


async def test_a_compressed_body_is_read_or_refused(target: Target) -> None:
    path, body = SENDER.post(edit())
    for name, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert (await target.post(path, packed, headers={"Content-Encoding": name}))[0] == 200
    path, body = SENDER.post(edit(9))
    for name, wrong in (("gzip", body), ("gzip", gzip.compress(body)[:50]), ("deflate", b"\xff" * 50),
                        ("br", body), ("zstd", body), ("nonsense", body[:-9])):  # fmt: skip
        status, _ = await target.post(path, wrong, headers={"Content-Encoding": name})
        assert 400 <= status < 500, name
    no_traceback(target)


async def test_other_methods_and_paths_are_refused(target: Target) -> None:
    path, body = SENDER.post(edit())
    for method, status in (("PUT", 405), ("DELETE", 405), ("PATCH", 405), ("OPTIONS", 405), ("FOO", 400)):
        async with target.http.request(method, target.bot.url + "/callback", data=body) as response:
            assert response.status == status
    assert (await target.post(path.replace("/callback", "/callbacks"), body))[0] == 404
    assert (await target.post(path.replace("/callback", "/callback/"), body))[0] == 404
    no_traceback(target)


async def test_what_is_hardly_http_gets_a_4xx_and_one_line_without_a_traceback(target: Target) -> None:
    path, body = SENDER.post(edit())
    start = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
    length = f"Content-Length: {len(body)}\r\n".encode()
    cases = {
        "a huge header": start + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        "many headers": start + b"".join(b"X%d: 1\r\n" % number for number in range(40_000)) + b"\r\n",
        "a huge query": b"POST /callback?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "NUL in a header": start + b"X: a\0b\r\n" + length + b"\r\n" + body,
        "two lengths": start + length + b"Content-Length: 3\r\n\r\n" + body,
        "a length below zero": start + b"Content-Length: -1\r\n\r\n" + body,
        "length and chunks": start + length + b"Transfer-Encoding: chunked\r\n\r\n" + body,
        "broken chunks": start + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" + body + b"\r\n0\r\n\r\n",
        "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        "nonsense": b"hello world\r\n\r\n",
        "a bare line feed": start.replace(b"\r\n", b"\n") + b"\0\n\n",
        "a path that is none": b"POST http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "an unknown expectation": start + b"Expect: nonsense\r\n" + length + b"\r\n" + body,
    }
    for name, data in cases.items():
        answer = await target.raw(data)
        assert answer[:10] in (b"HTTP/1.1 4", b"HTTP/1.0 4"), f"{name}: {answer[:200]!r}"
        no_traceback(target)
    assert await target.events() == []
    assert (await target.post(path, body))[0] == 200, "the server still works"


async def test_a_caller_who_goes_away_leaves_no_trace(target: Target) -> None:
    path, body = SENDER.post(edit())
    for cut in (10, 100, len(path) + 60, len(path) + 200):
        data = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        _, writer = await asyncio.open_connection("127.0.0.1", int(target.bot.url.rpartition(":")[2]))
        writer.write(data[:cut])
        await writer.drain()
        writer.transport.abort()
    assert (await target.post(path, body))[0] == 200
    no_traceback(target)


async def test_a_body_that_does_not_end_is_not_waited_for(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.callback.BODY_SECONDS", 0.2)
    path, body = SENDER.post(edit())
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = await target.raw(head + body[:-1])
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"slow: " in answer
    assert (await target.post(path, body))[0] == 200


async def test_hostile_values_in_an_event_are_stored_and_handled(target: Target) -> None:
    """Values far from WeCom's own: the event is kept, its handlers say what they cannot do."""
    names = (
        "x" * 5000,
        "🧧" * 300,
        "'; DROP TABLE follow; --",
        "{{ 7*7 }}",
        "../../etc/passwd",
        "\u202e\u200b",
        "%s%n",
    )
    for number, value in enumerate(names):
        xml = (
            f"<xml><ToUserName>{CORPID}</ToUserName><CreateTime>99999999999</CreateTime><MsgType>event</MsgType>"
            f"<Event>change_external_contact</Event><ChangeType>edit_external_contact</ChangeType>"
            f"<UserID>{value}</UserID><ExternalUserID>{value}</ExternalUserID><State>{value}</State></xml>"
        )
        assert (await target.post(*SENDER.post(xml)))[0] == 200, number
        other = f"<xml><MsgType>event</MsgType><Event>{value}</Event><ChangeType>{value}</ChangeType></xml>"
        assert (await target.post(*SENDER.post(other)))[0] == 200, number
    assert len(await target.events()) == 2 * len(names)
    assert (await target.get("/metrics"))[0] == 200
