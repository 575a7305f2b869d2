"""Files (WeCom docs 90253 to 90256): a media_id lives three days and holds in the whole company.

The three uploads are not interchangeable: `upload` for messages and welcomes, `upload_attachment` for Moments and
product albums, `uploadimg` for addresses of images that never end.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import IO, Literal

from wechatpy.work.client.api import WeChatMedia

from bot.wecom.family import Family, Json, given
from bot.wecom.transport import Download

#: A file's bytes, or an open binary file; read into memory before it is sent.
File = bytes | IO[bytes]


class Media(Family, WeChatMedia):
    """`/media/`: `client.media`."""

    def upload(
        self,
        media_type: Literal["image", "voice", "video", "file"],
        media_file: File,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> Awaitable[Json]:
        """`media_id` and `created_at` (a string). Over 5 bytes; images and video up to 10 MB, files up to 20 MB."""
        return self._post(
            "media/upload",
            params={"type": media_type},
            files={"media": (filename, media_file, content_type)},
        )

    def upload_img(
        self, image_file: File, filename: str | None = None, content_type: str | None = None
    ) -> Awaitable[Json]:
        """`url`, for ever; 5 bytes to 2 MB, at most 1,000 a day and 3,000 a month."""
        return self._post("media/uploadimg", files={"media": (filename, image_file, content_type)})

    uploadimg = upload_img

    def upload_attachment(
        self,
        media_type: Literal["image", "video", "file"],
        media_file: File,
        attachment_type: Literal[1, 2],
        filename: str | None = None,
        content_type: str | None = None,
    ) -> Awaitable[Json]:
        """`media_id` and `created_at` (an integer) for Moments (`attachment_type` 1) or product albums (2); 10 MB."""
        return self._post(
            "media/upload_attachment",
            params={"media_type": media_type, "attachment_type": attachment_type},
            files={"media": (filename, media_file, content_type)},
        )

    def download(self, media_id: str) -> Awaitable[Download]:
        """The file. Raises InvalidMediaError when it has expired."""
        return self._get("media/get", params={"media_id": media_id}, wants_file=True)

    def download_jssdk(self, media_id: str) -> Awaitable[Download]:
        """The voice recording of a page, in good quality."""
        return self._get("media/get/jssdk", params={"media_id": media_id}, wants_file=True)

    async def get_url(self, media_id: str) -> str:
        """The file's address. It holds the access token: give it to nobody and log it nowhere."""
        return str(await self._client.address("media/get", media_id=media_id))

    async def get_jssdk_url(self, media_id: str) -> str:
        """Like `get_url`, for recordings of a page."""
        return str(await self._client.address("media/get/jssdk", media_id=media_id))

    def upload_by_url(
        self, media_type: Literal["video", "file"], filename: str, url: str, md5: str, scene: int = 1
    ) -> Awaitable[Json]:
        """`jobid` of an upload that WeCom fetches itself, up to 200 MB, for group welcomes only."""
        return self._post(
            "media/upload_by_url",
            data=given(scene=scene, type=media_type, filename=filename, url=url, md5=md5),
        )

    def get_upload_by_url_result(self, jobid: str) -> Awaitable[Json]:
        """`status` (1 waiting, 2 done, 3 failed) and `detail`."""
        return self._post("media/get_upload_by_url_result", data={"jobid": jobid})
