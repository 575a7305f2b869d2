"""Pages for phones: their templates, their words in both languages, the files beside them, and all pages' headers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data.rules.schedule import local_datetime, moment_words

LANGUAGES = ("zh", "en")
#: Nothing from elsewhere, nothing inline, and no page may frame ours.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FRESH = {"Cache-Control": "no-store"}
_CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript"}


def folder() -> Path:
    """Where the templates are."""
    return Path(__file__).resolve().parents[2] / "templates" / "pages"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(folder()), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


class Pages:
    """Renders pages. Whatever is filled in is escaped."""

    @cached_property
    def _texts(self) -> Mapping[str, Mapping[str, str]]:
        return {each: json.loads((folder() / f"texts.{each}.json").read_text("utf-8")) for each in LANGUAGES}

    def show(self, request: web.Request, name: str, status: int = 200, **values: Any) -> web.Response:
        """A page in the reader's language."""
        language = language_of(request)
        page = _environment().get_template(f"{name}.html").render(
            t=Words(self._texts[language]), language=language, language_tag="zh-CN" if language == "zh" else "en",
            asked_language=asked_language(request), **values,
        )  # fmt: skip
        return web.Response(text=page, status=status, content_type="text/html", headers={**HEADERS, **FRESH})


class Words:
    """Texts by their keys, with values filled in: `t("key", name=…)`."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __call__(self, key: str, /, **values: object) -> str:
        return self._texts[key].format_map(values)


def asked_language(request: web.Request) -> str:
    """The language that the address asks for, or empty."""
    asked = request.query.get("lang", "")
    return asked if asked in LANGUAGES else ""


def language_of(request: web.Request) -> str:
    """The reader's language: what the address asks for, or English where that is what their browser prefers."""
    preferred = request.headers.get("Accept-Language", "").strip().lower()
    return asked_language(request) or ("en" if preferred.startswith("en") else "zh")


def moment_text(at: datetime, zone: tzinfo, language: str) -> str:
    """An instant by the company's clock: `3月6日 10:00`, `6 Mar 10:00`."""
    if language == "zh":
        return moment_words(at, zone)
    local = local_datetime(at, zone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local:%H:%M}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


async def show_file(request: web.Request) -> web.Response:
    """A file beside the pages; only names that stand in the folder."""
    known = {path.name: path for path in (folder() / "files").iterdir() if path.suffix in _CONTENT_TYPES}
    path = known.get(request.match_info["name"])
    if path is None:
        return web.Response(status=404, headers=HEADERS)
    data = path.read_bytes()
    etag = hashlib.sha256(data).hexdigest()[:24]
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": f'"{etag}"'}
    if any(each.value == etag for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type=_CONTENT_TYPES[path.suffix], charset="utf-8", headers=headers)
