"""What the data layer can refuse."""

from __future__ import annotations

from bot.errors import SiyuError


class NotFoundError(SiyuError):
    """There is no such row."""


class ConflictError(SiyuError):
    """The row cannot be written beside one that exists."""


class StaleError(ConflictError):
    """Somebody has changed the row since whoever writes now has read it."""


class StorageError(SiyuError):
    """The database could not be read or written; nothing was changed."""


class SchemaError(SiyuError):
    """The database's tables are not those of this version."""


class ErasedError(SiyuError):
    """The customer was erased: nothing about them is written down again."""
