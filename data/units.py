"""What a database runs: `unit(session, *args, **kwargs)`, one query function or several, as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Unit = Callable[..., T]
