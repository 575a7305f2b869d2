"""What can go wrong, named for what the caller does next. Every error carries a sentence an operator can act on."""

from __future__ import annotations


class SiyuError(Exception):
    """Something went wrong that has a remedy.

    `message` says what, naming the thing; `remedy` says what to do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ConfigurationError(SiyuError):
    """The configuration cannot be used as it is."""


class RetryLaterError(SiyuError):
    """The work could not be done now and may be tried again.

    `after_seconds` is how long the other side asked us to wait; None leaves the pause to the caller's backoff.
    """

    def __init__(self, message: str, remedy: str = "", after_seconds: float | None = None) -> None:
        super().__init__(message, remedy)
        self.after_seconds = after_seconds


class ApprovalNeededError(SiyuError):
    """Another manager has to approve it first."""


class ObservingError(SiyuError):
    """The bot is in observe mode, in which it changes nothing in WeCom."""

    def __init__(self) -> None:
        super().__init__(
            "The bot observes: it changes nothing in WeCom.", 'Set mode = "live" in the configuration to let it.'
        )
