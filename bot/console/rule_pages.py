"""What pages of rules have in common: a rule is made, copied, changed by several at once, switched and removed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.rule_forms import WEEKDAYS, Overtaken, find_overtaken, problems_at, read_offered
from data.errors import ConflictError, NotFoundError, StaleError
from data.rules.kf import KfRule
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeRule

Rule = TypeVar("Rule", WelcomeRule, TagRule, KfRule)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it is to be shown: the rule (0: a new one), what was typed or is kept, and what is wrong with it."""

    rule_id: int
    typed: Mapping[str, Any]
    version: int | None = None
    problems: Sequence[Problem] = ()


class RulePages(ABC, Generic[Rule]):
    """The pages of one kind of rules. `noun`: in the audit log, `welcome rule 3`; its template is called so as well."""

    path: str
    noun: str
    kind: type[Rule]

    @abstractmethod
    def get(self, session: Session, rule_id: int) -> Rule:
        """A rule. Raises NotFoundError."""

    @abstractmethod
    def save(self, session: Session, ask: Ask, rule: Rule, version: int | None) -> Rule:
        """Check and write one. Raises InvalidRuleError, NotFoundError, ConflictError, StaleError."""

    @abstractmethod
    def switch_to(self, session: Session, ask: Ask, rule_id: int, *, enabled: bool) -> Rule:
        """Switch one on, if it can be used, or off."""

    @abstractmethod
    def delete(self, session: Session, rule_id: int) -> None:
        """Remove one. Raises NotFoundError."""

    @abstractmethod
    def blank(self, ask: Ask) -> dict[str, Any]:
        """A new rule, as JSON."""

    @abstractmethod
    def read(self, ask: Ask) -> dict[str, Any]:
        """What was typed, as the JSON of a rule."""

    @abstractmethod
    async def more(self, ask: Ask, filled: Filled) -> dict[str, Any]:
        """What the form shows that others do not."""

    async def show_new(self, ask: Ask) -> web.Response:
        """A rule to be made, like another one where `copy` says so."""
        copied = ask.asked_number("copy")
        if not copied:
            return await self._form(ask, Filled(0, self.blank(ask)))
        rule = await ask.db.read(self.get, copied)
        name = ask._("%(name)s 副本", name=rule.name)[:64]
        return await self._form(ask, Filled(0, rule.model_dump(mode="json") | {"name": name, "enabled": False}))

    async def show_one(self, ask: Ask) -> web.Response:
        """A rule to be changed."""
        rule, version = await ask.db.read(self._read, ask.path_number())
        return await self._form(ask, Filled(rule.id, rule.model_dump(mode="json"), version))

    async def make(self, ask: Ask) -> web.Response:
        """A rule was written."""
        return await self._save(ask, 0)

    async def change(self, ask: Ask) -> web.Response:
        """A rule was changed."""
        return await self._save(ask, ask.path_number())

    async def switch(self, ask: Ask) -> web.Response:
        """A rule was switched on or off."""
        rule_id, on = ask.path_number(), ask.text("enabled") == "yes"
        do = partial(self.switch_to, ask=ask, rule_id=rule_id, enabled=on)
        await ask.change(self._action("switch"), self._what(rule_id), do, partial(self._look, rule_id))
        return ask.go(self.path, "switched_on" if on else "switched_off")

    async def remove(self, ask: Ask) -> web.Response:
        """A rule is no more."""
        rule_id = ask.path_number()
        do = partial(self.delete, rule_id=rule_id)
        await ask.change(self._action("remove"), self._what(rule_id), do, partial(self._look, rule_id))
        return ask.go(self.path, "removed")

    async def _save(self, ask: Ask, rule_id: int) -> web.Response:
        typed = self.read(ask)
        version = ask.number("version") if rule_id else None
        if ask.text("preview"):
            return await self._form(ask, Filled(rule_id, typed, version))
        made: list[int] = [rule_id] if rule_id else []

        def do(session: Session) -> None:
            made[:] = [self.save(session, ask, parse(self.kind, {**typed, "id": rule_id}), version).id]

        def look(session: Session) -> dict[str, Any] | None:
            return self._look(made[0], session) if made else None

        action = self._action("change" if rule_id else "make")
        what = self._what(rule_id) if rule_id else f"{self.noun} {typed['name']}"
        try:
            await ask.change(action, what, do, look)
        except InvalidRuleError as error:
            return await self._form(ask, Filled(rule_id, typed, version, error.problems), 400)
        except StaleError:
            return await self._overtaken(ask, rule_id, typed)
        except ConflictError as error:
            return await self._form(ask, Filled(rule_id, typed, version, [Problem("", ask.told(error))]), 409)
        return ask.go(self.path, "saved" if rule_id else "made")

    async def _overtaken(self, ask: Ask, rule_id: int, typed: Mapping[str, Any]) -> web.Response:
        """Somebody else has saved it meanwhile; what was typed is saved when it is sent again."""
        now, version = await ask.db.read(self._read, rule_id)
        told = await ask.db.read(find_overtaken, self._what(rule_id), now.model_dump(mode="json"), typed)
        return await self._form(ask, Filled(rule_id, typed, version), 409, told)

    async def _form(
        self, ask: Ask, filled: Filled, status: int = 200, overtaken: Overtaken | None = None
    ) -> web.Response:
        offered = await ask.db.read(read_offered)
        return ask.show(
            self.noun.replace(" ", "_"), status, rule_id=filled.rule_id, rule=filled.typed, version=filled.version,
            problems=filled.problems, at=partial(problems_at, filled.problems), overtaken=overtaken, offered=offered,
            weekdays=WEEKDAYS, path_of=self.path, **await self.more(ask, filled),
        )  # fmt: skip

    @abstractmethod
    def version_of(self, session: Session, rule_id: int) -> int:
        """How often one was written. Raises NotFoundError."""

    def _read(self, session: Session, rule_id: int) -> tuple[Rule, int]:
        return self.get(session, rule_id), self.version_of(session, rule_id)

    def _look(self, rule_id: int, session: Session) -> dict[str, Any] | None:
        try:
            return self.get(session, rule_id).model_dump(mode="json")
        except NotFoundError:
            return None

    def _action(self, did: str) -> str:
        return f"{self.noun.replace(' ', '_')}s.{did}"

    def _what(self, rule_id: int) -> str:
        return f"{self.noun} {rule_id}"
