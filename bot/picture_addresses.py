"""Pictures that a message names by an address: chats and app messages take ids of WeCom only, so the picture is
fetched, uploaded, and the id kept as long as that of a file of the library."""

from __future__ import annotations

import asyncio
import hashlib

import aiohttp
from yarl import URL

from bot.context import Context
from bot.delivery import MEDIA_FRESH
from bot.media_files import MAX_BYTES, MIN_BYTES, sniffed
from bot.phrases import Phrase
from bot.webhooks import PublicResolver
from bot.wecom.errors import InvalidMediaError
from data.queries import media as media_rows
from data.rules.messages import MissingMediaError
from data.rules.webhooks import leads_inside

#: A member waits for it with the chat open.
TIMEOUT_SECONDS = 5.0
REDIRECTS_MAX = 3
#: Under which uploads of addresses are kept; those of files have the name of WeCom's endpoint.
ENDPOINT = "address"
_REMEDY = Phrase("请让管理员把图片上传到素材库，再改用素材库里的图片。")


async def media_id_at(ctx: Context, address: str) -> str:
    """The WeCom id of the picture at an address, fetched and uploaded now if that was not done within the last days.

    Raises MissingMediaError, which says why and what to do, and WeComError.
    """
    now, key = ctx.clock.now(), hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()
    known = await ctx.db.read(media_rows.find_upload, key, ENDPOINT, now - MEDIA_FRESH)
    if known is not None:
        return known
    content = await _fetch(address, private=ctx.settings.journeys.webhook_private)
    filename = "picture.jpg" if content[:1] == b"\xff" else "picture.png"
    try:
        answer = await ctx.wecom.within(urgent=True).media.upload("image", content, filename)
    except InvalidMediaError as error:
        raise MissingMediaError(
            Phrase("企业微信不接受这张图片（%(errcode)s）。", errcode=error.errcode), _REMEDY
        ) from error
    media_id = str(answer["media_id"])
    await ctx.db.write(media_rows.record_upload, key, ENDPOINT, media_id, now)
    return media_id


async def _fetch(address: str, *, private: bool) -> bytes:
    """A picture that WeCom would take. Raises MissingMediaError."""
    resolver = None if private else PublicResolver()
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver), cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "siyu", "Accept": "image/jpeg, image/png"}, trust_env=False,
            ) as http,
        ):  # fmt: skip
            url = URL(address)
            for _ in range(REDIRECTS_MAX + 1):
                if url.scheme not in ("http", "https") or (not private and leads_inside(str(url))):
                    raise MissingMediaError(Phrase("图片的网址不是公网地址，取不到。"), _REMEDY)
                async with http.get(url, allow_redirects=False) as answer:
                    if answer.status in (301, 302, 303, 307, 308) and (then := answer.headers.get("Location")):
                        url = url.join(URL(then))
                        continue
                    if answer.status != 200:
                        raise MissingMediaError(
                            Phrase("图片的网址没有给出图片（HTTP %(status)s）。", status=answer.status), _REMEDY
                        )
                    return await _read(answer)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise MissingMediaError(Phrase("图片的网址打不开，没有取到图片。"), _REMEDY) from error
    raise MissingMediaError(Phrase("图片的网址一直转到别处，没有取到图片。"), _REMEDY)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    async for piece in answer.content.iter_any():
        read += piece
        if len(read) > MAX_BYTES["image"]:
            most = Phrase("网址上的图片太大：最多 %(most)s MB。", most=MAX_BYTES["image"] // 1024 // 1024)
            raise MissingMediaError(most, _REMEDY)
    if sniffed(bytes(read[:16])) != "image" or len(read) <= MIN_BYTES:
        raise MissingMediaError(Phrase("网址上的不是 JPG 或 PNG 图片。"), _REMEDY)
    return bytes(read)
