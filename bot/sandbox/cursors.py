"""Cursors that mean a place in a list: opaque to the caller, refused when they were not made here."""

from __future__ import annotations

import base64

from bot.sandbox.errors import ApiError


def write_place(place: int) -> str:
    """A cursor that means a place in a list."""
    return base64.urlsafe_b64encode(f"place:{place}".encode()).decode()


def read_place(cursor: str) -> int:
    """The place that a cursor means; 0 for none. Raises ApiError 50100."""
    if not cursor:
        return 0
    try:
        name, _, digits = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
    except ValueError:
        raise ApiError(50100) from None
    if name != "place" or not (digits.isascii() and digits.isdigit()):
        raise ApiError(50100)
    return int(digits)
