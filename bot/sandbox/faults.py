"""Misbehaviour on demand: of the API, and of the callbacks. The same seed and the same calls give the same faults."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from bot.sandbox.errors import WorldError

ApiFaultKind = Literal["latency", "errcode", "http", "drop", "lose_answer", "expire_token", "throttle"]
CallbackFaultKind = Literal["duplicate", "reorder", "delay", "drop"]

API_KINDS: tuple[str, ...] = get_args(ApiFaultKind)
CALLBACK_KINDS: tuple[str, ...] = get_args(CallbackFaultKind)


@dataclass(slots=True)
class Fault:
    """One fault. `on` is an API path, an event or ChangeType, or `*`.

    API kinds: latency (wait `seconds` first), errcode (answer `errcode`, no effect), http (answer HTTP `status`, no
    effect), drop (close the connection before any effect), lose_answer (do the work, then close the connection),
    expire_token (end the caller's token, answer 42001), throttle (answer 45009, and go on doing so for `seconds`).
    Callback kinds: duplicate (post it `times` more), delay (wait `seconds`), reorder (let the next one overtake it;
    after `seconds` without a next one it goes alone), drop (never post it).
    """

    id: int
    target: Literal["api", "callback"]
    kind: str
    on: str = "*"
    probability: float = 1.0
    #: How often it still strikes; None: until it is cleared.
    count: int | None = None
    seconds: float = 1.0
    errcode: int = -1
    status: int = 502
    times: int = 1
    struck: int = 0


class Faults:
    """The faults in force, in the order of their making."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._next = 1
        self.all: dict[int, Fault] = {}

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force (its id is given here). Raises WorldError for values that make no sense."""
        kinds = API_KINDS if fault.target == "api" else CALLBACK_KINDS
        if fault.kind not in kinds:
            raise WorldError(f"There is no {fault.target} fault {fault.kind!r}.", f"Known: {', '.join(kinds)}.")
        if not 0 < fault.probability <= 1 or fault.seconds < 0 or (fault.count is not None and fault.count < 1):
            raise WorldError(
                "A fault has a probability above 0 and up to 1, no negative seconds, and a count of at least 1."
            )
        fault.id = self._next
        self._next += 1
        self.all[fault.id] = fault
        return fault

    def clear(self, fault_id: int | None = None) -> int:
        """End one fault or all; how many ended."""
        doomed = list(self.all) if fault_id is None else [id_ for id_ in self.all if id_ == fault_id]
        for id_ in doomed:
            del self.all[id_]
        return len(doomed)

    def strike(self, target: Literal["api", "callback"], *names: str) -> Iterator[Fault]:
        """The faults that strike now a thing known by any of `names`."""
        if not self.all:
            return
        for fault in list(self.all.values()):
            if fault.target != target or (fault.on != "*" and fault.on not in names):
                continue
            if fault.probability < 1 and self._rng.random() >= fault.probability:
                continue
            fault.struck += 1
            if fault.count is not None:
                fault.count -= 1
                if fault.count == 0:
                    del self.all[fault.id]
            yield fault
