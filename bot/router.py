"""Which handler gets which event, in which order, and what is recorded of it.

A `Router` per file in `handlers/`; `Dispatcher` runs every matching handler of a claimed task. Each handler has an
outcome of its own: when one fails, a later try repeats only that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from bot.context import Context, Receipt
from bot.errors import RetryLaterError, SiyuError
from bot.logs import get_logger
from bot.wecom.errors import InvalidRequestError, WeComError
from bot.wecom.event_base import Event
from bot.wecom.event_xml import parse_event
from bot.wecom.events import AppMessage, ContactEvent, UnknownEvent
from data.errors import ErasedError, StorageError
from data.models.inbox import Lane, OutcomeStatus, TaskStatus
from data.queries.inbox import ClaimedTask, NewTask, OutcomeRow, TaskResult
from data.rules.retry import pause_seconds

log = get_logger("router")

#: No handler may hold a claimed event longer: WeCom calls have their own, shorter limits.
HANDLER_TIMEOUT_SECONDS = 45.0
#: For what a later try will hardly mend: it holds up the customer's other events meanwhile.
FEW_TRIES = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a handler made of an event. `detail` says which rule matched and why, in JSON's types."""

    status: OutcomeStatus = OutcomeStatus.DONE
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


def done(reason: str = "", **detail: Any) -> Outcome:
    """The handler did its work."""
    return Outcome(OutcomeStatus.DONE, reason, detail)


def skipped(reason: str, **detail: Any) -> Outcome:
    """The handler looked and had a reason to do nothing."""
    return Outcome(OutcomeStatus.SKIPPED, reason, detail)


HandlerFunction = Callable[[Any, Context, Receipt], Awaitable[Outcome]]
F = TypeVar("F", bound=HandlerFunction)


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that wants some types of events; `name` is `<router>.<function>`."""

    name: str
    types: tuple[type[Event], ...]
    lane: Lane
    function: HandlerFunction


class Router:
    """The handlers of one file, in listed order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.handlers: list[Handler] = []

    def on(self, *types: type[Event], lane: Lane = Lane.NORMAL) -> Callable[[F], F]:
        """Register a handler for events of these types. `lane` WELCOME never waits for a customer's earlier events."""

        def register(function: F) -> F:
            self.handlers.append(Handler(f"{self.name}.{function.__name__}", types, lane, function))
            return function

        return register


class Plan(NamedTuple):
    """What an event asks for: tasks, or the reason why there are none."""

    disposition: str
    reason: str = ""
    tasks: tuple[NewTask, ...] = ()


class Dispatcher:
    """Plans events when they are stored and runs their handlers when they are claimed."""

    def __init__(self, routers: Sequence[Router], ignored: Mapping[str, str], context: Context) -> None:
        self.handlers = [handler for router in routers for handler in router.handlers]
        self.ignored = ignored
        self.context = context
        self._by_type: dict[type[Event], list[Handler]] = {}

    def handlers_of(self, event: Event) -> list[Handler]:
        """The handlers that want the event, in listed order."""
        found = self._by_type.get(type(event))
        if found is None:
            found = [handler for handler in self.handlers if isinstance(event, handler.types)]
            self._by_type[type(event)] = found
        return found

    def plan(self, event: Event) -> Plan:
        """What to store with the event."""
        handlers = self.handlers_of(event)
        if not handlers:
            reason = self.ignored.get(event.kind)
            if reason is None:
                log.warning("unhandled", kind=event.kind, remedy=_how_to_handle(event))
                return Plan("unhandled")
            return Plan("ignored", reason)
        tasks = []
        if any(handler.lane == Lane.WELCOME for handler in handlers):
            # Those that collapse wait for the one that is at it, and are answered by the next one together.
            collapse_key = event.collapse_key
            tasks.append(NewTask(Lane.WELCOME, event.subject if collapse_key else "", collapse_key))
        if any(handler.lane != Lane.WELCOME for handler in handlers):
            collapse_key = event.collapse_key
            tasks.append(NewTask(Lane.STORM if collapse_key else Lane.NORMAL, event.subject, collapse_key))
        return Plan("queued", tasks=tuple(tasks))

    async def run(self, task: ClaimedTask) -> TaskResult:
        """Run the handlers of a claimed task that have not finished yet. Never raises."""
        try:
            return await self._run(task)
        finally:
            # Whatever came of it: the request by which it was told need not wait any longer for an answer.
            self.context.replies.end(task.event_id)

    async def _run(self, task: ClaimedTask) -> TaskResult:
        event = parse_event(task.body)
        receipt = Receipt(task.event_id, task.received_at, task.attempts, task.collapsed)
        welcome = task.lane == Lane.WELCOME
        outcomes: list[OutcomeRow] = []
        pauses: list[float | None] = []
        erased = False
        for handler in self.handlers_of(event):
            if (handler.lane == Lane.WELCOME) is not welcome or handler.name in task.finished:
                continue
            try:
                outcome, pause = await self._run_one(handler, event, receipt, task)
            except ErasedError:
                # What WeCom tells of somebody who was erased is not kept either.
                erased = isinstance(event, ContactEvent)
                outcome, pause = (
                    OutcomeRow(handler.name, OutcomeStatus.SKIPPED, "about a customer who was erased"),
                    None,
                )
            outcomes.append(outcome)
            if outcome.status == OutcomeStatus.FAILED:
                pauses.append(pause)
            if isinstance(event, AppMessage) and outcome.status != OutcomeStatus.SKIPPED:
                # A message stops at the first who answers it, or could not: the others are not asked.
                break
        if erased:
            return TaskResult(task, TaskStatus.DONE, forget=True)
        return self._result(task, event, outcomes, pauses)

    async def _run_one(
        self, handler: Handler, event: Event, receipt: Receipt, task: ClaimedTask
    ) -> tuple[OutcomeRow, float | None]:
        metrics = self.context.metrics
        asked: float | None = None
        tries = self.context.settings.inbox.max_attempts
        try:
            async with asyncio.timeout(HANDLER_TIMEOUT_SECONDS):
                outcome = await handler.function(event, self.context, receipt)
        except ErasedError:
            raise
        except Exception as error:
            cause = _cause(error)
            if isinstance(error, RetryLaterError):
                asked = error.after_seconds
            if not _time_may_mend(error):
                tries = min(tries, FEW_TRIES)
            metrics.events_failed.labels(handler.name).inc()
            log.warning(
                "failed", handler=handler.name, event_id=task.event_id, kind=event.kind, attempt=task.attempts + 1,
                cause=cause, exc_info=None if isinstance(error, SiyuError) else error,
            )  # fmt: skip
            outcome = Outcome(OutcomeStatus.FAILED, cause)
        metrics.events_handled.labels(handler.name, outcome.status.value).inc()
        row = OutcomeRow(handler.name, outcome.status, outcome.reason, outcome.detail)
        return row, pause_seconds(task.attempts + 1, tries, asked, self.context.random.random())

    def _result(
        self, task: ClaimedTask, event: Event, outcomes: list[OutcomeRow], pauses: list[float | None]
    ) -> TaskResult:
        failures = [outcome for outcome in outcomes if outcome.status == OutcomeStatus.FAILED]
        if not failures:
            return TaskResult(task, TaskStatus.DONE, outcomes=tuple(outcomes))
        note = "; ".join(f"{failure.handler}: {failure.reason}" for failure in failures)
        again = [pause for pause in pauses if pause is not None]
        if not again:
            self.context.metrics.events_dead.inc()
            log.error("dead", event_id=task.event_id, kind=event.kind, cause=note, remedy="siyu replay, once mended")
            return TaskResult(task, TaskStatus.DEAD, note=note, outcomes=tuple(outcomes))
        due_at = self.context.clock.now() + timedelta(seconds=min(again))
        return TaskResult(task, TaskStatus.WAITING, due_at, note, tuple(outcomes))


def _time_may_mend(error: BaseException) -> bool:
    """Whether the same may succeed later: WeCom or the database comes back, an operator grants a right."""
    if isinstance(error, InvalidRequestError):
        return False
    return isinstance(error, RetryLaterError | StorageError | WeComError | TimeoutError)


def _cause(error: BaseException) -> str:
    if isinstance(error, SiyuError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"The handler took longer than {HANDLER_TIMEOUT_SECONDS:.0f} s."
    # The text of a foreign exception may quote a customer's words: its type and place are in the log.
    return f"{type(error).__name__} in the handler; the log has the place."


def _how_to_handle(event: Event) -> str:
    if isinstance(event, UnknownEvent):
        return f"give it a type in bot/wecom/events.py (Event={event.event!r}, ChangeType={event.change_type!r})"
    return f"write `@router.on({type(event).__name__})` in handlers/, or list {event.kind!r} in handlers.IGNORED"
