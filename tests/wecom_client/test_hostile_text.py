"""Customers' names are hostile text: what no database can hold does not get past the client."""

from __future__ import annotations

from aiohttp import web

from bot.wecom.client import WeComClient
from tests.wecom_client.conftest import ScriptedWeCom


async def test_halves_of_characters_and_nul_do_not_reach_us(wecom: ScriptedWeCom, client: WeComClient) -> None:
    body = (
        rb'{"errcode":0,"external_contact":{"external_userid":"wm1","name":"a\ud83d\u0000b\ud83d\ude00"},'
        rb'"follow_user":[{"userid":"lin","remark":"\ude00","tags":[{"tag_name":"x\u0000"}]}]}'
    )
    wecom.script("externalcontact/get", web.Response(body=body, content_type="application/json"))
    answer = await client.external_contact.get("wm1")
    assert answer["external_contact"]["name"] == "a\ufffdb\U0001f600"
    (follow,) = answer["follow_user"]
    assert (follow["remark"], follow["tags"][0]["tag_name"]) == ("\ufffd", "x")
    str(answer).encode()
