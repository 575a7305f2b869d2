"""The configuration file itself: that it is there, can be read, is TOML, and is nobody else's."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

from bot.errors import ConfigurationError


def check_file(path: Path) -> None:
    """Raises ConfigurationError with what to do about it."""
    try:
        mode = path.stat().st_mode
        tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no configuration file {path}.", "Copy config.example.toml and fill it in."
        ) from None
    except PermissionError:
        raise ConfigurationError(f"{path} cannot be read.", "Give its owner the right to read it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not a TOML file: {error}.", "Mend the line it names.") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ConfigurationError(f"{path} holds secrets and can be read by other users.", f"Run: chmod 600 {path}")
