"""When a failed piece of work is tried again: a pure decision."""

from __future__ import annotations

#: The first pause; each further one doubles, up to the longest.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 900.0


def pause_seconds(
    attempts: int, max_attempts: int, asked_seconds: float | None = None, spread: float = 0.5
) -> float | None:
    """Seconds until the next try after `attempts` failed ones, or None: never again, a person has to look.

    `asked_seconds` is the pause that the other side asked for; it is kept even where backoff would be shorter.
    `spread` in [0, 1) moves the pause within its upper half, so that what failed together is not retried together.
    """
    if attempts >= max_attempts:
        return None
    backoff = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 30), LONGEST_PAUSE_SECONDS)
    backoff *= 0.5 + spread / 2
    return max(backoff, asked_seconds or 0.0)
