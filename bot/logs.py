"""Structured logs: one action word per line, never a secret, never a customer's words."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

#: Keys whose values never reach a log, whoever passes them.
FORBIDDEN_KEYS = frozenset(
    {
        "access_token", "body", "content", "corpsecret", "encoding_aes_key", "mobile", "name", "password", "plaintext",
        "remark", "secret", "text", "token", "welcome_code", "xml",
    }
)  # fmt: skip


def redact(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values of forbidden keys: the last line of defence, not a licence to pass them."""
    for key in FORBIDDEN_KEYS & event_dict.keys():
        event_dict[key] = "…"
    return event_dict


def configure_logs(level: str = "INFO", output: Literal["text", "json"] = "text", stream: TextIO | None = None) -> None:
    """Set up structlog for the process, and send the standard library's records the same way."""
    stream = stream or sys.stderr
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
