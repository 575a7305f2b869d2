"""The company's directory. A self-built app is not told of changes and polls; where they do come, they are used."""

from __future__ import annotations

from bot.context import Context, Receipt
from bot.refresh import refresh_directory
from bot.router import Outcome, Router, done
from bot.wecom.events import ChangeContact

router = Router("directory")


@router.on(ChangeContact)
async def on_change_contact(event: ChangeContact, ctx: Context, receipt: Receipt) -> Outcome:
    """Members or departments changed: read the directory again, once for all changes that wait."""
    change = await refresh_directory(ctx)
    return done(
        "directory read again", change=event.change_type, joined=len(change.joined), left=len(change.left),
        collapsed=receipt.collapsed,
    )  # fmt: skip
