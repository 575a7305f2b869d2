"""Files beside the console's pages: ours, and those that `make` fetches. Each has an address that changes with what is
in it, so that browsers keep it for good."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property

from aiohttp import web

from bot.catalogs import folder
from bot.console.pages import HEADERS

PATH = "/console/files"
FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    content_type: str
    data: bytes

    @cached_property
    def etag(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:16]

    @cached_property
    def zipped(self) -> bytes:
        return gzip.compress(self.data, 9, mtime=0)


class Assets:
    """All of them, read once."""

    def __init__(self) -> None:
        self._files: dict[str, Asset] = {}
        for place in (folder() / "files", folder() / "vendor"):
            for path in sorted(place.iterdir()) if place.is_dir() else ():
                if path.suffix in _TYPES:
                    self._files[path.name] = Asset(_TYPES[path.suffix], path.read_bytes())

    @property
    def are_complete(self) -> bool:
        """Whether `make` has fetched what is not ours."""
        return {"tabler.min.css", "htmx.min.js", "echarts.min.js"} <= self._files.keys()

    def url(self, name: str, place: str = PATH) -> str:
        """Where a page finds a file; `place`: where pages outside of the console find it."""
        known = self._files.get(name)
        return f"{place}/{name}?v={known.etag}" if known else f"{place}/{name}"

    async def show(self, request: web.Request) -> web.Response:
        """A file, for good where it is asked for by what is in it."""
        asset = self._files.get(request.match_info["name"])
        if asset is None:
            return web.Response(status=404, headers=HEADERS)
        lasting = request.query.get("v") == asset.etag
        headers = {
            **HEADERS, "Cache-Control": FOREVER if lasting else "no-cache", "ETag": f'"{asset.etag}"',
            "Vary": "Accept-Encoding",
        }  # fmt: skip
        if any(each.value == asset.etag for each in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=asset.zipped, content_type=asset.content_type, charset="utf-8", headers=headers)
        return web.Response(body=asset.data, content_type=asset.content_type, charset="utf-8", headers=headers)


@cache
def all_assets() -> Assets:
    """They do not change while the program runs."""
    return Assets()
