"""The example of docs/how-to-add-a-handler.md works as it is written there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bot.app
import handlers
from tests.scenarios.conftest import Start

PAGE = Path(__file__).parents[2] / "docs" / "how-to-add-a-handler.md"
KIND = "change_external_contact.msg_audit_approved"


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def load(name: str, code: str) -> dict[str, Any]:
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(code, f"{PAGE.name}: {name}", "exec"), vars(module))
    return vars(module)


async def test_the_example_of_the_guide_works(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    handler_code, test_code = blocks()
    monkeypatch.setattr(bot.app, "ROUTERS", (*handlers.ROUTERS, load("archive_example", handler_code)["router"]))
    monkeypatch.setattr(bot.app, "IGNORED", {kind: why for kind, why in handlers.IGNORED.items() if kind != KIND})
    test = load("test_archive_example", test_code)["test_a_customer_who_agreed_to_archiving_is_read_again"]
    await test(await start())


async def test_without_the_handler_the_example_fails(start: Start) -> None:
    test = load("test_archive_example", blocks()[1])["test_a_customer_who_agreed_to_archiving_is_read_again"]
    with pytest.raises(AssertionError):
        await test(await start())
