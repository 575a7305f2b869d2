"""What our own API families stand on: wechatpy's base class, typed, awaitable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from wechatpy.client.api.base import BaseWeChatAPI

Json = dict[str, Any]


class Family(BaseWeChatAPI):
    """APIs that belong together.

    A method is called like its API, returns an awaitable of WeCom's whole answer and raises WeComError; arguments that
    are None are left out of the request.
    """

    def _get(self, url: str, **kwargs: Any) -> Awaitable[Any]:
        answer: Awaitable[Any] = super()._get(url, **kwargs)
        return answer

    def _post(self, url: str, **kwargs: Any) -> Awaitable[Any]:
        answer: Awaitable[Any] = super()._post(url, **kwargs)
        return answer


def given(**fields: Any) -> Json:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


async def pages(
    ask: Callable[[str], Awaitable[Mapping[str, Any]]], rows: str, *, next_cursor: str = "next_cursor"
) -> AsyncIterator[Any]:
    """The items of `rows` over all pages; `ask` gets the cursor ("" first).

    A page may be empty before the end, and the end is an empty or missing cursor. A cursor that does not move ends the
    walk as well: the same page for ever would be worse than a short list, and the next sync notices.
    """
    cursor = ""
    while True:
        answer = await ask(cursor)
        for row in answer.get(rows) or ():
            yield row
        following = str(answer.get(next_cursor) or "")
        if not following or following == cursor:
            return
        cursor = following
