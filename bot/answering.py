"""The answer to what a member of staff wrote or tapped, in the response to the very request that told of it.

WeCom shows such an answer at once, counts it in no limit, and asks again with the same event where it got none: the
answer is kept with the event, and whoever asks again gets the same.
"""

from __future__ import annotations

import time

from bot.context import Context
from bot.wecom.event_base import Event
from data.queries import alerts as rows
from data.queries.inbox import StoredEvent

#: A request waits so long for its event to be handled, and is answered by nothing that takes longer altogether.
WAIT_SECONDS = 0.7
ANSWER_SECONDS = 0.85


class Answering:
    """Finds the answers for requests that wait."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def find(self, event: Event, stored: StoredEvent, started: float) -> str:
        """The answer to an event, or an empty text: there is none, or it goes by app message.

        `started`: when the request came, by `time.perf_counter`.
        """
        ctx = self.context
        if not event.TAKES_REPLY or not event.from_user or ctx.observes:
            return ""

        def may_take() -> bool:
            return time.perf_counter() - started < ANSWER_SECONDS

        if not stored.is_new:
            known = await ctx.db.write(rows.take_reply, stored.event_id, ctx.clock.now(), may_take)
            if known:
                return known
        await ctx.replies.wait(stored.event_id, max(WAIT_SECONDS - (time.perf_counter() - started), 0.0))
        return await ctx.db.write(rows.take_reply, stored.event_id, ctx.clock.now(), may_take)
