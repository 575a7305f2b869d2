"""Templates that admins have edited, brought to the renderer of every replica within seconds."""

from __future__ import annotations

from bot.render import Renderer
from data.db import Database
from data.queries import templates as rows


async def refresh(db: Database, renderer: Renderer) -> None:
    """Let the renderer say what is published now. What nobody has published since is not read again."""
    stamp = await db.read(rows.read_stamp)
    if stamp != renderer.published_stamp:
        renderer.publish(await db.read(rows.map_published), stamp)
