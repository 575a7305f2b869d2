"""Files."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.clock import FrozenClock
from tests.sandbox.conftest import Client

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


async def upload(
    client: Client,
    type_: str,
    filename: str,
    data: bytes,
    path: str = "media/upload",
    field: str = "media",
    **query: Any,
) -> dict[str, Any]:
    form = aiohttp.FormData()
    form.add_field(field, io.BytesIO(data), filename=filename)
    return await client.call("POST", path, form, **({"type": type_} | query))


async def test_upload_and_get(client: Client, clock: FrozenClock) -> None:
    answer = await upload(client, "image", "海报.png", PNG)
    assert answer["errcode"] == 0
    assert answer["errmsg"] == ""
    assert answer["created_at"] == str(client.sandbox.world.now)
    token = await client.get_token()
    url, params = client.sandbox.api_base_url + "media/get", {"access_token": token, "media_id": answer["media_id"]}
    async with client.http.get(url, params=params) as response:
        assert response.status == 200
        assert response.content_type == "image/png"
        assert "filename" in response.headers["Content-Disposition"]
        assert await response.read() == PNG
    async with client.http.get(url, params=params, headers={"Range": "bytes=8-15"}) as response:
        assert response.status == 206
        assert await response.read() == PNG[8:16]
    clock.advance(timedelta(days=3))
    client.token = None
    assert await client.code("media/get", media_id=answer["media_id"]) == 40007


@pytest.mark.parametrize(
    ("type_", "data", "errcode"),
    [
        ("picture", PNG, 40004),
        ("image", b"not a picture", 40009),
        ("image", b"", 44001),
        ("file", b"12345", 40006),
        ("voice", b"not a voice", 40004),
        ("video", b"not a video", 40004),
        pytest.param("voice", b"#!AMR" + bytes(2 * 1024 * 1024), 45001, id="voice-too-large"),
        ("file", b"123456", 0),
        ("voice", b"#!AMR\nxxxxxx", 0),
        ("video", b"\x00\x00\x00\x18ftypmp42", 0),
    ],
)
async def test_what_may_be_uploaded(client: Client, type_: str, data: bytes, errcode: int) -> None:
    assert (await upload(client, type_, "a", data))["errcode"] == errcode


async def test_the_field_is_called_media(client: Client) -> None:
    assert (await upload(client, "image", "a.png", PNG, field="file"))["errcode"] == 44001
    assert (await upload(client, "", "a.png", PNG, "media/uploadimg", field="anything"))["errcode"] == 0
    assert (await client.post("media/upload", {"media": "x"}, type="image"))["errcode"] == 44001


async def test_a_permanent_picture_can_be_sent_and_outlives_three_days(client: Client, clock: FrozenClock) -> None:
    url = (await upload(client, "", "a.png", PNG, "media/uploadimg"))["url"]
    clock.advance(timedelta(days=30))
    client.token = None
    code = (await client.control("scan", state="website"))["welcome_codes"][0]
    body = {"welcome_code": code, "attachments": [{"msgtype": "image", "image": {"pic_url": url}}]}
    assert await client.code("externalcontact/send_welcome_msg", body) == 0


async def test_an_attachment_for_moments_is_not_for_messages(client: Client) -> None:
    query: dict[str, Any] = {"media_type": "image", "attachment_type": 1}
    answer = await upload(client, "", "a.png", PNG, "media/upload_attachment", **query)
    assert isinstance(answer["created_at"], int)
    code = (await client.control("scan", state="website"))["welcome_codes"][0]
    body = {"welcome_code": code, "attachments": [{"msgtype": "image", "image": {"media_id": answer["media_id"]}}]}
    assert await client.code("externalcontact/send_welcome_msg", body) == 40007
    query = {"media_type": "image", "attachment_type": 3}
    assert (await upload(client, "", "a.png", PNG, "media/upload_attachment", **query))["errcode"] == 41072


async def test_the_control_api_shows_the_bytes(client: Client) -> None:
    media_id = (await upload(client, "image", "a.png", PNG))["media_id"]
    async with client.http.get(f"{client.sandbox.url}/sandbox/media/{media_id}") as response:
        assert await response.read() == PNG
