"""What a member is told of their list of the day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from bot.context import Context
from bot.staff_words import ZH, Named, render
from data.queries.privacy import DAY_LIST

#: The message's template, and its kind; in English it is another template.
SLUG = DAY_LIST
#: Customers whom it names.
NAMED = 3
LIST_PATH = "/staff/today"


def key_of(day: date) -> str:
    """What the message of a day is known by, so that nobody is told twice."""
    return f"day:{day}"


def words_for(ctx: Context, names: Sequence[str], language: str = ZH) -> str:
    """How many customers are on it, the first few by their names, and where it is."""
    public_url = ctx.settings.server.public_url
    return render(
        ctx,
        SLUG,
        language,
        count=len(names),
        customers=Named(names[:NAMED]),
        more=max(len(names) - NAMED, 0),
        address=f"{public_url}{LIST_PATH}" if public_url else None,
    )
