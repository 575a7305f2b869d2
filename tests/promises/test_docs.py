"""What the documentation promises: it names everything that exists, and nothing it points to is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from prometheus_client import Counter
from pydantic import BaseModel, SecretStr

from bot.api.routes import ROUTES
from bot.cli import app
from bot.config import CallbackSettings, Settings
from bot.metrics import Metrics
from bot.scopes import SCOPES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
#: A command at the beginning of a piece of code, or with the folder of the program before it.
COMMAND = re.compile(r"(?:^|bin/)siyu ([a-z](?:[a-z ]|-(?=[a-z]))*[a-z])")


def documented(page: str) -> dict[str, list[str]]:
    """First cell of each table row, without its backticks, and the other cells."""
    found: dict[str, list[str]] = {}
    for line in (REFERENCE / page).read_text("utf-8").splitlines():
        if line.startswith("| `"):
            name, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("| "))]
            found[name.strip("`")] = cells
    return found


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
            if name == "callbacks":
                yield from setting_names(CallbackSettings, "callbacks.")


def flat(model: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value.get_secret_value() if isinstance(value, SecretStr) else value
    return found


def command_names(command: Any = None, path: str = "siyu") -> Iterator[str]:
    command = command or typer.main.get_command(app)
    children: dict[str, Any] | None = getattr(command, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        yield from command_names(child, f"{path} {name}")


def test_every_metric_is_documented_with_its_labels() -> None:
    pages = documented("metrics.md")
    metrics = [each for each in vars(Metrics()).values() if hasattr(each, "_labelnames")]
    assert len(metrics) > 10
    names = {each._name for each in metrics}
    assert names == {name for name in pages if name.startswith("siyu_") and "(" not in name and "{" not in name
                     and " " not in name}  # fmt: skip
    for each in metrics:
        kind, labels, _ = pages[each._name]
        assert kind == type(each).__name__.lower(), each._name
        assert labels == ", ".join(f"`{label}`" for label in each._labelnames), each._name


def test_the_alarms_name_metrics_that_exist() -> None:
    metrics = [each for each in vars(Metrics()).values() if hasattr(each, "_labelnames")]
    exposed = {f"{each._name}_total" if isinstance(each, Counter) else each._name for each in metrics}
    text = (REFERENCE / "metrics.md").read_text("utf-8").partition("## What to be woken for")[2]
    for name in re.findall(r"siyu_\w+", text):
        assert name in exposed, name


def test_every_setting_is_documented() -> None:
    assert set(documented("settings.md")) == set(setting_names(Settings))


def test_the_documented_defaults_are_the_defaults() -> None:
    shown = {name: cells[0].strip("`") for name, cells in documented("settings.md").items()}
    settings = {**flat(Settings()), **flat(CallbackSettings(), "callbacks."), "callbacks": None}
    for name, value in settings.items():
        wanted = "(none)" if value is None else json.dumps(value, ensure_ascii=False)
        assert shown[name] == wanted.removesuffix(".0"), name


def test_every_command_is_documented() -> None:
    assert set(documented("commands.md")) == set(command_names())


def test_every_route_and_scope_is_documented() -> None:
    pages = documented("api.md")
    shown = {route: re.sub(r"\{(\w+):.*?\}\}", r"{\1}", route.path) for route in ROUTES}
    routes = {f"{route.method} {path}": route.scope for route, path in shown.items()}
    assert {name: cells[0].strip("`") for name, cells in pages.items() if "/" in name} == routes
    assert set(SCOPES) <= set(pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} points to {target}"
        if anchor:
            assert anchor in {slug(heading) for heading in headings(file)}, f"{page.name} points to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_named_exists(page: Path) -> None:
    known = set(command_names())
    groups = {name.rsplit(" ", count)[0] for name in known for count in (1, 2) if name.count(" ") > count}
    text = page.read_text("utf-8")
    lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
    for code in [*lines, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]:
        for words in COMMAND.findall(code):
            asked = f"siyu {words}"
            assert any(asked == name or asked.startswith(f"{name} ") for name in known) or asked in groups, asked


def test_both_readmes_have_the_same_sections_and_commands() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
    levels = [[heading.split(" ")[0] for heading in all_headings(text)] for text in (english, chinese)]
    assert levels[0] == levels[1]
    assert FENCE.findall(english) == FENCE.findall(chinese)
    assert english.count("\n| ") == chinese.count("\n| "), "a table has a row that the other lacks"


def test_both_ways_to_go_live_have_the_same_sections_and_commands() -> None:
    english, chinese = ((ROOT / "docs" / name).read_text("utf-8") for name in ("going-live.md", "going-live.zh-CN.md"))
    assert len(all_headings(english)) == len(all_headings(chinese))
    assert FENCE.findall(english) == FENCE.findall(chinese)


def test_the_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert f"```\nmake {target}\n```" in text
        assert f"\n{target}:" in makefile


def all_headings(text: str) -> list[str]:
    return re.findall(r"^#+ .+$", FENCE.sub("", text), re.MULTILINE)


def headings(file: Path) -> list[str]:
    return [heading.lstrip("#").strip() for heading in all_headings(file.read_text("utf-8"))]


def slug(heading: str) -> str:
    """The anchor that a heading gets: lower case, punctuation gone, blanks to hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
