"""Files for the media library: what WeCom would refuse is refused when it is added.

Limits are those of `media/upload` (WeCom doc 90253): more than 5 bytes; images (JPG, PNG) and video (MP4) up to 10 MB,
any other file up to 20 MB.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import PurePath
from typing import Any

from sqlmodel import Session

from bot.errors import SiyuError
from data.errors import ConflictError, NotFoundError
from data.queries import media as media_rows
from data.queries.media_uses import list_uses
from data.rules.messages import MediaType

MEGABYTE = 1024 * 1024
MIN_BYTES = 5
MAX_BYTES: dict[MediaType, int] = {"image": 10 * MEGABYTE, "video": 10 * MEGABYTE, "file": 20 * MEGABYTE}
LARGEST_BYTES = max(MAX_BYTES.values())
FORMATS: dict[MediaType, str] = {"image": "JPG or PNG", "video": "MP4", "file": "any"}
FILENAME_MAX = 128
USER_WORDS = {
    "welcome_rule": "welcome rule", "group_welcome": "group welcome", "campaign": "campaign", "journey": "journey",
    "channel": "channel", "script": "script", "knowledge": "knowledge pair",
    "kf_rule": "customer-service rule",
}  # fmt: skip


class InvalidMediaFileError(SiyuError):
    """WeCom would not take the file."""


def sniffed(content: bytes) -> MediaType:
    """What the first bytes say the file is; `file` for everything that is neither JPG, PNG nor MP4."""
    if content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return "image"
    if content[4:8] == b"ftyp" and not content[8:12].startswith(b"qt"):
        return "video"
    return "file"


def checked(filename: str, content: bytes, kind: MediaType | None = None) -> tuple[MediaType, str]:
    """The kind and the clean name under which a file can be kept; `kind` None takes what the bytes say.

    Raises InvalidMediaFileError.
    """
    is_a = sniffed(content)
    wanted = kind or is_a
    if wanted not in ("file", is_a):
        raise InvalidMediaFileError(
            f"The file is not {FORMATS[wanted]}, which is what WeCom takes as {wanted}.",
            "Convert it, or add it as a file.",
        )
    if len(content) <= MIN_BYTES:
        raise InvalidMediaFileError(f"The file has {len(content)} bytes; WeCom takes more than {MIN_BYTES}.")
    if len(content) > MAX_BYTES[wanted]:
        raise InvalidMediaFileError(
            f"The file has {len(content):,} bytes; WeCom takes at most {MAX_BYTES[wanted]:,} of kind {wanted}.",
            "Make it smaller." if len(content) > LARGEST_BYTES else "Make it smaller, or add it as a file.",
        )
    return wanted, _clean_name(filename)


def _clean_name(filename: str) -> str:
    plain = "".join(char for char in filename.replace("\\", "/") if unicodedata.category(char) not in ("Cc", "Cs"))
    name = PurePath(plain).name
    if not name:
        raise InvalidMediaFileError("The file has no name.", "Give it one: customers see it.")
    path = PurePath(name)
    return name if len(name) <= FILENAME_MAX else path.stem[: FILENAME_MAX - len(path.suffix)] + path.suffix


def add_media(session: Session, filename: str, content: bytes, kind: MediaType | None, now: datetime) -> dict[str, Any]:
    """Check a file and keep it; what `list_media` tells of it. The same bytes are kept once.

    Raises InvalidMediaFileError, and ConflictError when the library has these bytes as another kind.
    """
    wanted, name = checked(filename, content, kind)
    sha256 = media_rows.add_media(session, wanted, name, content, now)
    kept = get_media(session, sha256)
    if kept["kind"] != wanted:
        raise ConflictError(
            f"The library has this very file already, as {kept['kind']}.", f"Use it as that: {sha256[:12]}."
        )
    return kept


def list_media(session: Session) -> list[dict[str, Any]]:
    """The library: `media` is the key by which messages name a file, `used_by` says who does."""
    uses = list_uses(session)
    return [
        {
            "media": sha256, "kind": kind, "filename": filename, "size_bytes": size,
            "used_by": [use._asdict() for use in uses.get(sha256, ())],
        }
        for sha256, kind, filename, size in media_rows.list_media(session)
    ]  # fmt: skip


def get_media(session: Session, sha256: str) -> dict[str, Any]:
    """One file, as `list_media` tells of it. Raises NotFoundError."""
    found = next((row for row in list_media(session) if row["media"] == sha256), None)
    if found is None:
        raise NotFoundError(f"The library has no file {sha256[:12]}.", "siyu media list shows what it has.")
    return found


def remove_media(session: Session, sha256: str) -> dict[str, Any]:
    """Remove a file; what it was. Raises NotFoundError, and ConflictError naming who still uses it."""
    media_rows.lock_media(session, sha256)
    found = get_media(session, sha256)
    if found["used_by"]:
        who = ", ".join(f"{USER_WORDS[use['kind']]} {use['id']} {use['name']}" for use in found["used_by"])
        raise ConflictError(
            f"{found['filename']} is used by {who}.", "Change those first; a campaign that is over needs it no more."
        )
    media_rows.delete_media(session, sha256)
    return found
