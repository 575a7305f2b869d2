"""What a route reads and answers, said next to its handler; the OpenAPI document is made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

F = TypeVar("F", bound=Callable[..., Any])
_NAME = "__described__"


@dataclass(frozen=True, slots=True)
class Described:
    """The models of a route. `body` None: it reads none; `content`: the type of a body that is not JSON.

    `file`: the type of an answer that is not JSON; such a route may answer 404.

    `also`: a second answer, with its status. `keyed`: it honours an Idempotency-Key.
    """

    answers: Any
    status: int = 200
    body: Any = None
    query: type[BaseModel] | None = None
    content: str = ""
    keyed: bool = False
    also: tuple[int, Any] | None = None
    file: str = ""


def described(
    answers: Any,
    *,
    status: int = 200,
    body: Any = None,
    query: type[BaseModel] | None = None,
    content: str = "",
    keyed: bool = False,
    also: tuple[int, Any] | None = None,
    file: str = "",
) -> Callable[[F], F]:
    """Say what a handler answers (`answers`, with `status`) and what it reads."""

    def note(handle: F) -> F:
        setattr(handle, _NAME, Described(answers, status, body, query, content, keyed, also, file))
        return handle

    return note


def description_of(handle: Callable[..., Any]) -> Described | None:
    """What was said of a handler, if anything."""
    found: Described | None = getattr(handle, _NAME, None)
    return found
