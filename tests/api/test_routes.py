"""What is promised of the routes: a scope each, and a place in the reference."""

from __future__ import annotations

import re
from pathlib import Path

from bot.api.routes import ROUTES
from bot.scopes import SCOPES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
LINE = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/\S*)` \| `(\S+)` \| (.+) \|$", re.M)


def shown(path: str) -> str:
    return re.sub(r"\{(\w+):.*?\}\}", r"{\1}", path)


def test_every_route_has_a_scope_and_every_scope_a_route() -> None:
    assert {route.scope for route in ROUTES} == set(SCOPES)


def test_no_route_stands_twice() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_reading_needs_no_right_to_write() -> None:
    trials = (
        "/welcome-rules/try",
        "/tag-rules/try",
        "/kf/rules/try",
        "/segments/count",
        "/segments/explain",
        "/preview",
        "/simulate",
    )
    for route in ROUTES:
        changes = route.method != "GET" and not route.path.endswith(trials)
        assert route.scope.endswith((":write", ":approve")) == changes, route


def test_the_reference_holds_exactly_these_routes() -> None:
    written = {(method, path, scope, says) for method, path, scope, says in LINE.findall(REFERENCE.read_text("utf-8"))}
    assert written == {(route.method, shown(route.path), route.scope, route.says) for route in ROUTES}


def test_the_reference_explains_every_scope() -> None:
    text = REFERENCE.read_text("utf-8")
    for scope, says in SCOPES.items():
        assert f"| `{scope}` | {says} |" in text
