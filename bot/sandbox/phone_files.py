"""The uploaded files that a message names, as the phone page shows them."""

from __future__ import annotations

from typing import Any

from bot.sandbox.media import PICTURES
from bot.sandbox.world import World


def files_of(world: World, content: dict[str, Any]) -> dict[str, Any]:
    """Uploaded files that a message names: by the field that names them, what the page needs to show them."""
    made: dict[str, Any] = {}
    for name in ("media_id", "pic_media_id", "thumb_media_id", "pic_url", "picurl"):
        value = content.get(name)
        if not isinstance(value, str) or not value:
            continue
        media_id = value.removeprefix(PICTURES).removesuffix("/0") if value.startswith(PICTURES) else value
        media = world.media.find(media_id)
        if media is not None:
            made[name] = {
                "url": f"/sandbox/media/{media_id}",
                "filename": media.filename,
                "size_bytes": media.size_bytes,
                "content_type": media.content_type,
            }
    return made
