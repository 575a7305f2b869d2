"""Tests that run in forked workers: whatever becomes of one is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import os
import pytest

@pytest.fixture
def broken():
    yield
    raise ValueError("broken")

@pytest.mark.parametrize("number", range(20))
def test_some(number, tmp_path):
    assert number != 7, os.environ["PYTEST_XDIST_WORKER"]

def test_teardown(broken): pass

def test_skipped(): pytest.skip("not today")
"""
KILLED = "import os\ndef test_killed(): os.kill(os.getpid(), 9)\n"


def run(folder: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-c", str(folder / "none.ini"), "-p", "tests.workers"]
    command += ["-p", "no:schemathesis", *words, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return ended.returncode, ended.stdout


def test_what_becomes_of_each_test_is_told(tmp_path: Path) -> None:
    for name, text in (("none.ini", ""), ("test_a.py", TESTS), ("test_b.py", TESTS), ("test_c.py", KILLED)):
        (tmp_path / name).write_text(text)
    code, told = run(tmp_path, "--workers", "2")
    assert code == 1
    assert "3 failed, 40 passed, 2 skipped, 2 errors" in told, told
    for said in ("not today", "ValueError: broken", "assert 7 != 7", "test_killed", "ended with -9"):
        assert said in told, told
    code, told = run(tmp_path, "--workers", "1", "-x")
    assert (code, "1 failed, 7 passed" in told) == (1, True), told
