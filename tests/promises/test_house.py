"""What the house promises of its code: events accounted for, queries in one place, short files, a contract for all."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bot.logs import FORBIDDEN_KEYS
from bot.wecom.events import TYPES, AppMessage, known_kinds
from handlers import IGNORED, ROUTERS

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "handlers", "scheduler", "data")
SOURCES = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "versions" not in path.parts and "__pycache__" not in path.parts
]
TESTS = [path for folder in ("tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]

#: Files beyond 400 lines, and why they are one file.
LINES_MAX = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base", "core", "tools", "lib"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def handled_kinds() -> set[str]:
    """Every kind of event that a handler wants."""
    types = tuple(each for router in ROUTERS for handler in router.handlers for each in handler.types)
    kinds = {".".join(filter(None, key)) for key, cls in TYPES.items() if issubclass(cls, types)}
    if issubclass(AppMessage, types):
        kinds |= {kind for kind in known_kinds() if kind.startswith("message.")}
    return kinds


def test_every_event_is_handled_or_ignored_with_a_reason() -> None:
    missing = set(known_kinds()) - handled_kinds() - IGNORED.keys()
    assert missing == set(), "give each a handler, or a reason in handlers.IGNORED"


def test_no_event_is_both_handled_and_ignored() -> None:
    assert handled_kinds() & IGNORED.keys() == set()


def test_ignored_events_exist_and_have_a_reason() -> None:
    assert set(IGNORED) <= set(known_kinds())
    assert [kind for kind, reason in IGNORED.items() if len(reason) < 15] == []


def test_handlers_have_names_of_their_own_and_say_what_they_do() -> None:
    handlers = [handler for router in ROUTERS for handler in router.handlers]
    names = [handler.name for handler in handlers]
    assert len(names) == len(set(names)), "outcomes are kept by name"
    assert [handler.name for handler in handlers if not handler.function.__doc__] == []


def test_statements_stand_in_queries_only() -> None:
    for path in SOURCES:
        if path.parent.name == "queries" or relative(path).startswith(("data/models/", "data/migrations/")):
            continue
        names = {node.func.id for node in calls(parsed(path)) if isinstance(node.func, ast.Name)}
        assert not {"select", "insert", "update", "delete", "upsert"} & names, relative(path)


def test_files_are_short() -> None:
    for path in (*SOURCES, *TESTS):
        lines = len(path.read_text("utf-8").splitlines())
        limit = 200 if relative(path) == "bot/app.py" else LINES_MAX
        assert lines <= limit, f"{relative(path)} has {lines} lines: split it"


def test_names_say_what_is_inside() -> None:
    parts = {part.removesuffix(".py") for path in (*SOURCES, *TESTS) for part in path.relative_to(ROOT).parts}
    assert parts & VAGUE == set()


def layers() -> list[str]:
    """Modules named in the import contract."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    return [module.strip() for layer in contract["layers"] for module in layer.split("|")]


def test_no_module_escapes_the_import_contract() -> None:
    named = layers()
    free = [
        module
        for module in map(module_of, SOURCES)
        if module != "bot" and not any(module == layer or module.startswith(f"{layer}.") for layer in named)
    ]
    assert free == []


def test_the_import_contract_names_what_exists() -> None:
    modules = set(map(module_of, SOURCES))
    assert [layer for layer in layers() if layer not in modules] == []


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every line that is logged, with its place."""
    for path in SOURCES:
        for call in calls(parsed(path)):
            function = call.func
            if isinstance(function, ast.Attribute) and function.attr in _LEVELS:
                logger = ast.unparse(function.value)
                if logger == "log" or logger.endswith((".log", "._log", "logger")):
                    yield f"{relative(path)}:{call.lineno}", call


_LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


def test_no_log_line_is_passed_what_it_may_not_say() -> None:
    seen = 0
    for place, call in log_calls():
        seen += 1
        passed = {keyword.arg for keyword in call.keywords}
        assert not passed & FORBIDDEN_KEYS, place
        assert None not in passed, f"{place} passes keys that nobody can see"
    assert seen > 30, "the search finds log lines"


def test_log_lines_begin_with_one_action_word() -> None:
    for place, call in log_calls():
        if call.args and isinstance(call.args[0], ast.Constant):
            word = str(call.args[0].value)
            assert word.replace("_", "").isalpha(), place
            assert word.islower(), place


def test_nothing_is_printed_and_no_task_is_forgotten() -> None:
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                name = ast.unparse(node.value.func)
                assert name != "print", f"{relative(path)}:{node.lineno}"
                assert not name.endswith(("create_task", "ensure_future")), f"{relative(path)}:{node.lineno}: keep it"
