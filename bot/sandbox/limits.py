"""Frequency limits: so many calls of one API per minute, hour, day or month, then 45009 for as long as the window."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.sandbox.errors import ApiError

WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400}
DEFAULT = {"minute": 10_000, "hour": 150_000}
#: APIs with limits of their own, on top of the default ones.
OWN = {
    "externalcontact/add_moment_task": {"minute": 10},
    "media/uploadimg": {"day": 1000, "month": 3000},
    "get_jsapi_ticket": {"hour": 400},
    "ticket/get": {"hour": 100},
    "kf/sync_msg without token": {"minute": 60},
}


@dataclass(slots=True)
class _Count:
    begins: float = 0.0
    calls: int = 0


@dataclass(slots=True)
class _State:
    counts: dict[str, _Count] = field(default_factory=dict)
    blocked_until: float = 0.0


class Limits:
    """Counts per API path (or any other name). Exceeding a window blocks for as long as that window is."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self.default: dict[str, int] = dict(DEFAULT)
        self.own: dict[str, dict[str, int]] = {path: dict(limits) for path, limits in OWN.items()}
        self.enabled = True

    def spend(self, name: str, now: float, limits: dict[str, int] | None = None) -> None:
        """Count one call of `name`. Raises ApiError 45009 when a limit is exceeded or its block still lasts."""
        if not self.enabled:
            return
        state = self._states.get(name)
        if state is None:
            state = self._states[name] = _State()
        if now < state.blocked_until:
            raise ApiError(45009)
        for window, limit in (limits or {**self.default, **self.own.get(name, {})}).items():
            seconds = WINDOWS[window]
            count = state.counts.setdefault(window, _Count(now))
            if not 0 <= now - count.begins < seconds:
                count.begins, count.calls = now, 0
            count.calls += 1
            if count.calls > limit:
                state.blocked_until = now + seconds
                state.counts.clear()
                raise ApiError(45009)

    def block(self, name: str, until: float) -> None:
        """Answer 45009 for `name` until then."""
        self._states.setdefault(name, _State()).blocked_until = until

    def clear(self) -> None:
        """Forget counts and blocks; keep the limits."""
        self._states.clear()
