"""`siyu check` as a command: both languages, exit code, JSON."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Siyu


def test_each_finding_is_said_in_both_languages_and_a_failure_is_the_exit_code(siyu: Siyu, plain_config: Path) -> None:
    ended = siyu("check", config=plain_config)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert any(line.startswith("[FAIL] 连接不上 http://127.0.0.1:9/cgi-bin/") for line in lines)
    assert any(line.startswith("       http://127.0.0.1:9/cgi-bin/ cannot be reached") for line in lines)
    assert "2 failures" in lines[-1]
    told = siyu("check", "--json", config=plain_config)
    assert told.code == 1
    assert {"code", "level", "zh", "en"} == told.json[0].keys()
    assert "s" * 43 not in ended.out


def test_a_configuration_that_cannot_be_read_is_a_finding(siyu: Siyu, plain_config: Path, tmp_path: Path) -> None:
    plain_config.chmod(0o644)
    ended = siyu("check", config=plain_config)
    assert ended.code == 1
    assert "[FAIL] 配置不能使用" in ended.out
    assert "chmod 600" in ended.out
    assert siyu("check", config=tmp_path / "none.toml").code == 1


def test_the_public_address_is_asked_when_given(siyu: Siyu, plain_config: Path) -> None:
    codes = [
        finding["code"] for finding in siyu("check", "--json", "--url", "http://127.0.0.1:9", config=plain_config).json
    ]
    assert codes[-1] == "url_unreachable"
