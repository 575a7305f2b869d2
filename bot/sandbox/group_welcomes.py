"""The stock of group welcomes (入群欢迎语素材), by template_id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.sandbox.journal import Journal
from bot.sandbox.population import token_of


@dataclass(slots=True)
class GroupWelcome:
    """One welcome: (msgtype, content) each of what a newcomer receives."""

    template_id: str
    agentid: int
    notify: bool
    content: list[tuple[str, dict[str, Any]]]


class GroupWelcomes:
    """Every welcome that was not deleted."""

    def __init__(self, journal: Journal, seed: str) -> None:
        self._journal, self._seed = journal, seed
        self._all = dict(journal.load("group_welcome", GroupWelcome))
        self._made = sum(1 for _ in journal.load("group_welcome_made", str))

    def __len__(self) -> int:
        return len(self._all)

    def listed(self) -> list[GroupWelcome]:
        """All of them, in the order of their making."""
        return list(self._all.values())

    def find(self, template_id: str) -> GroupWelcome | None:
        return self._all.get(template_id)

    def new_id(self) -> str:
        self._made += 1
        self._journal.put("group_welcome_made", str(self._made), "")
        return "msg" + token_of("group_welcome", self._seed, self._made)

    def put(self, welcome: GroupWelcome) -> None:
        self._all[welcome.template_id] = welcome
        self._journal.put("group_welcome", welcome.template_id, welcome)

    def delete(self, template_id: str) -> None:
        del self._all[template_id]
        self._journal.drop("group_welcome", template_id)
