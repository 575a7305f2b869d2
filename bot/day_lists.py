"""What a member is told of their list of the day."""

from __future__ import annotations

from collections.abc import Sequence

from bot.context import Context
from data.queries.privacy import DAY_LIST

#: The message's template, and its kind.
SLUG = DAY_LIST
#: Customers whom it names.
NAMED = 3
LIST_PATH = "/staff/today"


def words_for(ctx: Context, names: Sequence[str]) -> str:
    """How many customers are on it, the first few by their names, and where it is."""
    public_url = ctx.settings.server.public_url
    return ctx.renderer.render(
        "staff_alert",
        SLUG,
        {
            "count": f"{len(names):,}",
            "customers": "、".join(each for each in names[:NAMED] if each) or None,
            "more": f"{max(len(names) - NAMED, 0):,}",
            "address": f"{public_url}{LIST_PATH}" if public_url else None,
        },
    )
