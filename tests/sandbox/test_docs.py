"""What is promised is documented: every endpoint, route, setting and fault stands in docs/reference/sandbox.md."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from bot.sandbox.callbacks import CallbackSettings
from bot.sandbox.control_system import ChangeApp, ChangeSettings
from bot.sandbox.faults import API_KINDS, CALLBACK_KINDS
from bot.sandbox.server import CONTROL_ROUTES, ENDPOINTS

DOC = (Path(__file__).parents[2] / "docs/reference/sandbox.md").read_text("utf-8")
QUOTED = set(re.findall(r"`([^`\n]+)`", DOC))


def test_every_endpoint_is_documented() -> None:
    assert {endpoint.path for endpoint in ENDPOINTS} - QUOTED == set()


def test_every_control_route_is_documented_and_no_other() -> None:
    routes = {f"{route.method} /sandbox{route.path}" for route in CONTROL_ROUTES} | {"GET /sandbox/events"}
    named = {quoted for quoted in QUOTED if re.match(r"(GET|POST|DELETE) /sandbox/", quoted)}
    assert routes <= named
    assert {name for name in named - routes if "/sandbox/phone" not in name} == set()


def test_what_a_route_takes_is_documented() -> None:
    words = set(re.findall(r"\w+", DOC))
    for route in CONTROL_ROUTES:
        assert set(route.body.model_fields) <= words, route.path


def test_settings_and_faults_are_documented() -> None:
    names = set(ChangeSettings.model_fields) | {field.name for field in fields(CallbackSettings)}
    assert names | set(ChangeApp.model_fields) | {*API_KINDS, *CALLBACK_KINDS} <= QUOTED


def test_no_path_is_served_twice() -> None:
    assert len({endpoint.path for endpoint in ENDPOINTS}) == len(ENDPOINTS)
    assert len({(route.method, route.path) for route in CONTROL_ROUTES}) == len(CONTROL_ROUTES)
