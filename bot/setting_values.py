"""Values of settings that need more than a type: each is given back as it was written. Raises ValueError."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr

SECRET_MIN_LENGTH = 16

#: On the web, without what follows a `?`.
Address = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:/_-]+$")]
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]


def never_or(least: int) -> Callable[[int], int]:
    def check(days: int) -> int:
        if days and days < least:
            raise ValueError(f"write 0 or at least {least}")
        return days

    return check


def days(words: str) -> str:
    try:
        first, last = days_of(words)
    except ValueError as error:
        raise ValueError(f"{words!r} is no day; write 2026-10-01 or 2026-10-01..2026-10-07") from error
    if last < first:
        raise ValueError(f"{words!r} ends before it begins")
    return words


def days_of(words: str) -> tuple[date, date]:
    """The first and the last day of `2026-10-01..2026-10-07`, or of a single day. Raises ValueError."""
    first, _, last = words.partition("..")
    return date.fromisoformat(first), date.fromisoformat(last or first)


def none_or_long(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value()) < SECRET_MIN_LENGTH:
        raise ValueError(f"write at least {SECRET_MIN_LENGTH} characters, or nothing")
    return secret


def network(words: str) -> str:
    try:
        ip_network(words)
    except ValueError as error:
        raise ValueError(f"{words!r} is no address or network; write 10.0.0.5 or 10.0.0.0/8") from error
    return words


def inbox_beside(url: str) -> str:
    """Where the inbox is for a database: on SQLite a file beside it, else in it."""
    if not url.startswith("sqlite:///"):
        return url
    path = Path(url.removeprefix("sqlite:///"))
    return f"sqlite:///{path.with_name(path.stem + '-inbox' + path.suffix)}"


def fault_words(detail: Any) -> str:
    """What is wrong with a setting, and where it is."""
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else str(detail["msg"])
