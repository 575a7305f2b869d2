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


def storage_error(error: BaseException, where: str) -> StorageError:
    """What a database said, for whoever runs it; `where`: the file, or the kind of server."""
    cause = next(iter(str(getattr(error, "orig", None) or error).splitlines()), type(error).__name__)
    return StorageError(
        f"The database {where} could not be used ({cause}).",
        "Check that its disk has room, that its file may be written and that its server runs.",
    )
