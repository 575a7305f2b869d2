"""Template cards that were sent: their task_ids, and the response_codes that may change them."""

from __future__ import annotations

from bot.sandbox.errors import ApiError
from bot.sandbox.journal import Journal
from bot.sandbox.records import CardCode

#: A response_code can be used for 72 hours (WeCom doc 94888).
CODE_SECONDS = 72 * 3600


class Cards:
    """Each code changes one card once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._codes: dict[str, CardCode] = dict(journal.load("card_code", CardCode))
        self._task_ids = {(each.agentid, each.task_id) for each in self._codes.values()}

    def knows(self, agentid: int, task_id: str) -> bool:
        """Whether an app has sent a card with this task_id: it is unique per app."""
        return (agentid, task_id) in self._task_ids

    def issue(self, code: str, agentid: int, msgid: str, task_id: str, now: float) -> None:
        """A code comes into the world, with a sending or a click."""
        self._codes[code] = CardCode(code, agentid, msgid, task_id, now)
        self._task_ids.add((agentid, task_id))
        self._journal.put("card_code", code, self._codes[code])

    def find(self, code: str, agentid: int, now: float) -> CardCode:
        """A code that can be used. Raises ApiError 60140: unknown, another app's, used, or too old."""
        found = self._codes.get(code)
        if found is None or found.agentid != agentid or found.used or now - found.issued_at >= CODE_SECONDS:
            raise ApiError(60140)
        return found

    def use(self, code: CardCode) -> None:
        """From now on the code changes nothing."""
        code.used = True
        self._journal.put("card_code", code.code, code)
