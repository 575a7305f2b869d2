"""Conditions that rules of every noun share: channel, staff member, department, time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from bot.phrases import Phrase
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.schedule import TimeWindow, any_holds, local_datetime

#: WeCom cuts a contact way's state at 30 characters and an acquisition link's channel at 64 bytes.
STATE_MAX_LENGTH = 64
#: An explanation quotes at most this many of the values that a rule asked for.
QUOTED_VALUES = 5

StateText = Annotated[str, Field(min_length=1, max_length=STATE_MAX_LENGTH)]
UserID = Annotated[str, Field(min_length=1, max_length=64)]
RuleName = Annotated[str, Field(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What happened between a staff member and a customer, as far as rules ask for it.

    `department_ids` holds the staff member's departments and all departments above them, so that a rule for a
    department holds for its sub-departments. `at` is aware; `zone` is the company's. An add without a channel
    has the empty `state`.
    """

    userid: str
    external_userid: str
    at: datetime
    zone: tzinfo
    state: str = ""
    department_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class FailedCondition:
    """A condition that did not hold: its stable name, what the rule asked for and what was the case."""

    condition: str
    wanted: Any
    got: Any

    def to_json(self) -> dict[str, Any]:
        return {"condition": self.condition, "wanted": self.wanted, "got": self.got}


class Conditions(RuleModel):
    """All of them must hold; an empty one always holds.

    `states` are exact channels and `state_prefixes` beginnings of channels: one of either is enough. Any one
    of `userids`, of `department_ids` and of `windows` is enough. WeCom looks userids up without regard to
    case.
    """

    states: SortedSet[StateText] = frozenset()
    state_prefixes: SortedSet[StateText] = frozenset()
    userids: SortedSet[UserID] = frozenset()
    department_ids: SortedSet[int] = frozenset()
    windows: tuple[TimeWindow, ...] = Field(default=(), max_length=50)

    def failed(self, occasion: Occasion) -> list[FailedCondition]:
        """The conditions that do not hold, in a fixed order; none: all hold."""
        found: list[FailedCondition] = []
        if not self._state_holds(occasion.state):
            wanted = quoted(self.states) + [f"{prefix}*" for prefix in quoted(self.state_prefixes)]
            found.append(FailedCondition("state", wanted, occasion.state))
        if self.userids and occasion.userid.casefold() not in {each.casefold() for each in self.userids}:
            found.append(FailedCondition("userid", quoted(self.userids), occasion.userid))
        if self.department_ids and not self.department_ids & occasion.department_ids:
            got = quoted(occasion.department_ids)
            found.append(FailedCondition("department", quoted(self.department_ids), got))
        if self.windows and not any_holds(self.windows, occasion.at, occasion.zone):
            wanted = [window.model_dump(mode="json") for window in self.windows[:QUOTED_VALUES]]
            local = local_datetime(occasion.at, occasion.zone)
            found.append(FailedCondition("time", wanted, f"{local:%Y-%m-%d %H:%M} {local.isoweekday()}"))
        return found

    def _state_holds(self, state: str) -> bool:
        if not self.states and not self.state_prefixes:
            return True
        return state in self.states or any(state.startswith(prefix) for prefix in self.state_prefixes)

    def problems(self, path: str = "conditions") -> list[Problem]:
        """What can never hold."""
        return [
            Problem(f"{path}.windows[{index}].weekdays", Phrase("至少选一天"))
            for index, window in enumerate(self.windows)
            if not window.weekdays
        ]


class Outcome(StrEnum):
    """What became of a rule on one occasion."""

    MATCHED = "matched"
    #: All conditions held, and a rule before it had matched.
    OUTRANKED = "outranked"
    FAILED = "failed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule on one occasion, and why."""

    rule_id: int
    rule_name: str
    priority: int
    outcome: Outcome
    failed: tuple[FailedCondition, ...] = ()

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "rule_id": self.rule_id,
            "rule_name": self.rule_name,
            "priority": self.priority,
            "outcome": self.outcome.value,
        }
        if self.failed:
            told["failed"] = [each.to_json() for each in self.failed]
        return told


def explanation(verdicts: tuple[Verdict, ...], max_rules: int) -> dict[str, Any]:
    """JSON of the verdicts worth keeping with an event: what matched first, then the best-ranked of the rest.

    `left_out` counts the rules beyond `max_rules`: a company may have hundreds, and this is stored per event.
    """
    told = sorted(verdicts, key=lambda verdict: verdict.outcome is not Outcome.MATCHED)
    return {
        "rules": [verdict.to_json() for verdict in told[:max_rules]],
        "left_out": max(0, len(told) - max_rules),
    }


def quoted(values: frozenset[Any]) -> list[Any]:
    """The first few values, sorted: what a person needs to recognise a condition."""
    return sorted(values)[:QUOTED_VALUES]
