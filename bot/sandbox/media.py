"""Uploaded files. A media_id lives three days; the picture behind media/uploadimg stays."""

from __future__ import annotations

from bot.sandbox.errors import ApiError
from bot.sandbox.journal import Journal
from bot.sandbox.population import token_of
from bot.sandbox.records import Media

LIFE_SECONDS = 3 * 86_400
PICTURES = "https://wework.qpic.cn/wwpic/"


class MediaStore:
    """Files by media_id (or by the path of their URL, for permanent pictures)."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self._journal, self._seed = journal, seed
        self._all = dict(journal.load("media", Media))

    def add(self, type_: str, filename: str, content_type: str, data: bytes, now: int, purpose: str) -> Media:
        media_id = (token_of(self._seed, "media", len(self._all), now) + token_of("tail", len(self._all)))[:60]
        media = Media(media_id, type_, filename, content_type, len(data), now, purpose)
        self._all[media_id] = media
        self._journal.put("media", media_id, media)
        self._journal.put_bytes(media_id, data)
        return media

    def usable(self, media_id: str, now: float, purpose: str = "temporary", types: tuple[str, ...] = ()) -> Media:
        """The file, if it may still be sent. Raises ApiError 40007: unknown, expired, or uploaded for another use."""
        media = self._all.get(media_id)
        if media is None or media.purpose != purpose or now - media.created_at >= LIFE_SECONDS:
            raise ApiError(40007)
        if types and media.type not in types:
            raise ApiError(40007)
        return media

    def url_of(self, media: Media) -> str:
        """The permanent URL of a picture; it shows only inside WeCom and WeChat."""
        return f"{PICTURES}{media.media_id}/0"

    def is_permanent(self, url: str) -> bool:
        """Whether a URL came from media/uploadimg."""
        media = self._all.get(url.removeprefix(PICTURES).removesuffix("/0")) if url.startswith(PICTURES) else None
        return media is not None and media.purpose == "image"

    def find(self, media_id: str) -> Media | None:
        return self._all.get(media_id)

    def data(self, media_id: str) -> bytes | None:
        return self._journal.get_bytes(media_id)

    def __len__(self) -> int:
        return len(self._all)
