"""Files that go to WeCom and come from it."""

from __future__ import annotations

from io import BytesIO

import pytest
from aiohttp import web

from bot.wecom.client import WeComClient
from bot.wecom.errors import (
    InvalidMediaError,
)
from bot.wecom.transport import Download
from tests.wecom_client.calls import EXPIRED
from tests.wecom_client.conftest import OK, MakeClient, ScriptedWeCom, drop_connection


async def test_file_is_uploaded_as_wecom_wants_it(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script("media/upload", {"errcode": 0, "errmsg": "", "media_id": "m", "created_at": "1380000000"})

    answer = await client.media.upload("image", BytesIO(b"JPEG-BYTES"), "春节\n海报.jpg")

    assert answer["media_id"] == "m"
    [asked] = wecom.calls("media/upload")
    assert asked.query["type"] == "image"
    assert 'name="media"; filename="春节_海报.jpg"'.encode() in asked.body
    assert b"Content-Type: image/jpeg" in asked.body
    assert b"JPEG-BYTES" in asked.body


async def test_upload_is_repeated_with_the_same_bytes(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()
    wecom.script("media/upload", EXPIRED, drop_connection, {**OK, "media_id": "m"})

    await client.media.upload("file", BytesIO(b"0123456789" * 1000), "a.bin")

    assert [asked.body.count(b"0123456789") for asked in wecom.calls("media/upload")] == [1000] * 3


async def test_attachment_upload_names_its_use(wecom: ScriptedWeCom, client: WeComClient) -> None:
    await client.media.upload_attachment("image", b"JPEG-BYTES", 1, "a.jpg")

    [asked] = wecom.calls("media/upload_attachment")
    assert (asked.query["media_type"], asked.query["attachment_type"]) == ("image", "1")


async def test_file_is_downloaded(wecom: ScriptedWeCom, client: WeComClient) -> None:
    headers = {"Content-Disposition": 'attachment; filename="海报.json"', "Content-Type": "application/json"}
    wecom.script("media/get", web.Response(body=b'{"errcode": 1}', headers=headers))

    file = await client.media.download("m")

    assert file == Download(b'{"errcode": 1}', "海报.json", "application/json")


async def test_download_of_expired_media_is_an_error(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script("media/get", {"errcode": 40007, "errmsg": "invalid media_id"})

    with pytest.raises(InvalidMediaError):
        await client.media.download("m")


async def test_address_of_a_file_holds_the_token(wecom: ScriptedWeCom, client: WeComClient) -> None:
    assert await client.media.get_url("a+b") == f"{wecom.base_url}media/get?media_id=a%2Bb&access_token=token-1"
