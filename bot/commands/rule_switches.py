"""What the two kinds of rules have in common as commands: switched on and off, and removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.rule_options import RuleId
from bot.commands.terminal import Config, Workplace, say, work

if TYPE_CHECKING:
    from data.rules.tagging import TagRule
    from data.rules.welcome import WelcomeRule

    Rule = TagRule | WelcomeRule


@dataclass(frozen=True, slots=True)
class RuleKind:
    """A kind of rule. `remains`: what a removal leaves, as a sentence. The functions read and write on a workplace."""

    noun: str
    remains: str
    get: Callable[[Workplace, int], Awaitable[Rule]]
    change: Callable[[Workplace, int, dict[str, Any]], Awaitable[Rule]]
    delete: Callable[[Workplace, int], Awaitable[None]]


def say_saved(kind: RuleKind, rule: Rule, what: str) -> None:
    """That a rule was written, and whether it works."""
    say(f"{kind.noun.capitalize()} {rule.id} {rule.name} {what}{'' if rule.enabled else ' (disabled)'}.")


def add_switches(app: typer.Typer, kind: RuleKind) -> None:
    """Add the commands enable, disable and delete."""

    @app.command()
    def enable(rule_id: RuleId, config: Config = None) -> None:
        """Switch a rule on."""
        say_saved(kind, work(config, lambda place: kind.change(place, rule_id, {"enabled": True})), "switched on")

    @app.command()
    def disable(rule_id: RuleId, config: Config = None) -> None:
        """Switch a rule off."""
        say_saved(kind, work(config, lambda place: kind.change(place, rule_id, {"enabled": False})), "switched off")

    def delete(
        rule_id: RuleId, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, config: Config = None
    ) -> None:
        rule = work(config, lambda place: kind.get(place, rule_id))
        if not yes:
            typer.confirm(f"Remove {kind.noun} {rule.id} {rule.name}?", abort=True)
        work(config, lambda place: kind.delete(place, rule_id))
        say(f"{kind.noun.capitalize()} {rule.id} {rule.name} removed.")

    delete.__doc__ = f"Remove a rule. {kind.remains}"
    app.command()(delete)
