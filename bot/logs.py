"""Structured logs: one action word per line, never a secret, never a customer's words."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, NamedTuple, TextIO

import structlog

#: Keys whose values never reach a log, whoever passes them.
FORBIDDEN_KEYS = frozenset(
    {
        "access_token", "body", "content", "corpsecret", "encoding_aes_key", "mobile", "name", "password", "plaintext",
        "remark", "secret", "text", "token", "welcome_code", "xml",
    }
)  # fmt: skip


#: Of these, which name a person, a line that is shown in the console says only that they are there.
PERSONAL_KEYS = frozenset({"external_userid", "customer", "userid", "subject", "address", "chat_id"})
KEPT_LINES = 500
KEPT_LENGTH = 200
LEVELS = ("debug", "info", "warning", "error", "critical")


class Line(NamedTuple):
    """A line of the log, without what it may not show: `more` are its other keys."""

    at: str
    level: str
    area: str
    event: str
    more: Mapping[str, str]


class RecentLines:
    """The last lines of this process, for the console. Not the tracebacks: a value in one may be anybody's."""

    def __init__(self, size: int = KEPT_LINES) -> None:
        self._lines: deque[Line] = deque(maxlen=size)
        #: The least severe line that is written, and so kept.
        self.least = ""

    def __call__(self, _logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A processor of structlog's; it comes after `redact`."""
        told = {"timestamp", "level", "area", "event", "exception"}
        more = {
            key: "…" if key in PERSONAL_KEYS else str(value)[:KEPT_LENGTH]
            for key, value in event_dict.items()
            if key not in told and not key.startswith("_")
        }
        if raised := event_dict.get("exception"):
            # The name of the error: its last line up to the words.
            more["exception"] = str(raised).strip().splitlines()[-1].partition(":")[0][:KEPT_LENGTH]
        self._lines.append(
            Line(
                str(event_dict.get("timestamp", "")), str(event_dict.get("level", method)),
                str(event_dict.get("area", "")), str(event_dict.get("event", ""))[:KEPT_LENGTH], more,
            )
        )  # fmt: skip
        return event_dict

    def list_lines(self, least: str = "debug") -> list[Line]:
        """The newest first, those that are at least so severe."""
        wanted = LEVELS[LEVELS.index(least) :]
        return [line for line in reversed(self._lines) if line.level in wanted]


#: The log is one for the process, as structlog is.
RECENT = RecentLines()


def process_name() -> str:
    """Which process this is among several: its machine and number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def redact(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values of forbidden keys: the last line of defence, not a licence to pass them."""
    for key in FORBIDDEN_KEYS & event_dict.keys():
        event_dict[key] = "…"
    return event_dict


def configure_logs(level: str = "INFO", output: Literal["text", "json"] = "text", stream: TextIO | None = None) -> None:
    """Set up structlog for the process, and send the standard library's records the same way."""
    stream = stream or sys.stderr
    RECENT.least = level
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if output == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
        RECENT,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # That a job which still runs was not rung again is how it is meant to be.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    # That a job still runs when its next turn comes is no news: its own lines say why it takes long.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def get_logger(area: str) -> Any:
    """The logger of one area of the program (`callback`, `inbox`, `wecom` …), lazily bound to the configuration."""
    # Not `.bind(…)`: that would fix the configuration that stands while modules are imported.
    return structlog.get_logger(area=area)
